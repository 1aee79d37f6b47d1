/* load: a target that has no device here is unsupported_operation. For machines without a TPU or NPU. */
#include "conformance.h"

int main(void) {
  static const uint8_t xml[] = DOUBLE("f32", "2");
  wasi_nn_graph_builder_t ir[] = {{xml, sizeof xml - 1}, {xml, 0}};
  wasi_nn_graph_t graph;
  expect_errno(
      "tpu, on a machine without", WASI_NN_ERRNO_UNSUPPORTED_OPERATION,
      wasi_nn_load(ir, COUNT(ir), WASI_NN_GRAPH_ENCODING_OPENVINO, WASI_NN_EXECUTION_TARGET_TPU, &graph));
  return verdict();
}
