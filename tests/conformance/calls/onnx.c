/* An ONNX model is one builder. */
#include "conformance.h"

int main(void) {
  static const uint8_t model[] = ONNX_DOUBLE;
  static const uint32_t shape[] = {2};
  static const float values[] = {1.5f, -2}, doubled[] = {3, -4};
  wasi_nn_graph_builder_t builder = {model, sizeof model - 1};
  wasi_nn_graph_t graph = 0;
  wasi_nn_errno_t error =
      wasi_nn_load(&builder, 1, WASI_NN_GRAPH_ENCODING_ONNX, WASI_NN_EXECUTION_TARGET_CPU, &graph);
  expect_errno("an ONNX model loads", WASI_NN_ERRNO_SUCCESS, error);
  if (error) return verdict();
  wasi_nn_graph_execution_context_t context = context_of(graph);
  need("set_input", set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, shape, 1, values, sizeof values)));
  need("compute", wasi_nn_compute(context));
  expect_output("the output is right", context, 0, doubled, sizeof doubled);
  return verdict();
}
