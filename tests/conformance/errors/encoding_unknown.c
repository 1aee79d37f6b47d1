/* load: an encoding that is no value of `graph_encoding` is invalid_encoding. */
#include "conformance.h"

int main(void) {
  static const uint32_t encodings[] = {NONE, 256, 0xFFFFFFFF}; /* 256: not to be taken for its low byte, 0 */
  static const char *const claims[] = {"encoding 77", "encoding 256", "encoding -1"};
  wasi_nn_graph_builder_t ir[] = {
      {(const uint8_t *)DOUBLE("f32", "2"), sizeof DOUBLE("f32", "2") - 1}, {(const uint8_t *)"", 0}};
  for (size_t i = 0; i < COUNT(encodings); i++) {
    wasi_nn_graph_t graph;
    expect_errno(
        claims[i], WASI_NN_ERRNO_INVALID_ENCODING,
        (uint32_t)wasi_nn_raw_load(ir, COUNT(ir), (int32_t)encodings[i], WASI_NN_EXECUTION_TARGET_CPU, &graph));
  }
  return verdict();
}
