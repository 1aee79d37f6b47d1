/* load: bytes that are no model of the encoding are runtime_error; never is a path in them opened. */
#include "conformance.h"

int main(void) {
  static const uint8_t onnx[] = ONNX_DOUBLE;
  wasi_nn_graph_t graph;
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_RUNTIME_ERROR;
  expect_errno("garbage as an IR", expected, load_ir("garbage", "", 0, &graph));
  expect_errno("nothing as an IR", expected, load_ir("", "", 0, &graph));
  expect_errno("a path as an IR", expected, load_ir("/etc/hostname", "", 0, &graph));
  expect_errno("XML that is cut off", expected, load_ir("<?xml version='1.0'?><net name='n'", "", 0, &graph));
  expect_errno("XML that is no IR", expected, load_ir("<?xml version='1.0'?><html/>", "", 0, &graph));
  expect_errno("weights that are too short", expected, load_ir(ADD_WEIGHTS, "1234567", 7, &graph));
  wasi_nn_graph_builder_t cut = {onnx, sizeof onnx - 8};
  expect_errno(
      "an ONNX model that is cut off", expected,
      wasi_nn_load(&cut, 1, WASI_NN_GRAPH_ENCODING_ONNX, WASI_NN_EXECUTION_TARGET_CPU, &graph));
  return verdict();
}
