/* load: a target that is no value of `execution_target` is invalid_argument. */
#include "conformance.h"

int main(void) {
  static const uint32_t targets[] = {NONE, 256, 0xFFFFFFFF};
  static const char *const claims[] = {"target 77", "target 256", "target -1"};
  wasi_nn_graph_builder_t ir[] = {
      {(const uint8_t *)DOUBLE("f32", "2"), sizeof DOUBLE("f32", "2") - 1}, {(const uint8_t *)"", 0}};
  for (size_t i = 0; i < COUNT(targets); i++) {
    wasi_nn_graph_t graph;
    expect_errno(
        claims[i], WASI_NN_ERRNO_INVALID_ARGUMENT,
        (uint32_t)wasi_nn_raw_load(ir, COUNT(ir), WASI_NN_GRAPH_ENCODING_OPENVINO, (int32_t)targets[i], &graph));
  }
  return verdict();
}
