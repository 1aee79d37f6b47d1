/* With `autodetect` the host finds out what the builders are. */
#include "conformance.h"

int main(void) {
  static const uint8_t onnx[] = ONNX_DOUBLE, xml[] = DOUBLE("f32", "1,2");
  wasi_nn_graph_builder_t builders[] = {{xml, sizeof xml - 1}, {(const uint8_t *)"", 0}, {onnx, sizeof onnx - 1}};
  wasi_nn_graph_t graph = 0;
  wasi_nn_errno_t error = wasi_nn_load(
      builders, 2, WASI_NN_GRAPH_ENCODING_AUTODETECT, WASI_NN_EXECUTION_TARGET_CPU, &graph);
  expect_errno("an IR is recognised", WASI_NN_ERRNO_SUCCESS, error);
  if (!error) expect_doubles("and runs", context_of(graph));
  error = wasi_nn_load(
      builders + 2, 1, WASI_NN_GRAPH_ENCODING_AUTODETECT, WASI_NN_EXECUTION_TARGET_CPU, &graph);
  expect_errno("an ONNX model is recognised", WASI_NN_ERRNO_SUCCESS, error);
  return verdict();
}
