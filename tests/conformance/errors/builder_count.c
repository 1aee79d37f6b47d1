/* load: an IR is two builders and an ONNX model is one; any other number is invalid_argument. */
#include "conformance.h"

int main(void) {
  static const uint8_t xml[] = DOUBLE("f32", "2"), onnx[] = ONNX_DOUBLE;
  wasi_nn_graph_builder_t ir[] = {{xml, sizeof xml - 1}, {xml, 0}, {xml, 0}};
  wasi_nn_graph_builder_t model[] = {{onnx, sizeof onnx - 1}, {onnx, 0}};
  wasi_nn_graph_t graph;
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  const wasi_nn_graph_encoding_t openvino = WASI_NN_GRAPH_ENCODING_OPENVINO;
  const wasi_nn_execution_target_t cpu = WASI_NN_EXECUTION_TARGET_CPU;
  expect_errno("an IR in no builder", expected, wasi_nn_load(ir, 0, openvino, cpu, &graph));
  expect_errno("an IR in one builder", expected, wasi_nn_load(ir, 1, openvino, cpu, &graph));
  expect_errno("an IR in three builders", expected, wasi_nn_load(ir, 3, openvino, cpu, &graph));
  expect_errno(
      "an ONNX model in two", expected, wasi_nn_load(model, 2, WASI_NN_GRAPH_ENCODING_ONNX, cpu, &graph));
  return verdict();
}
