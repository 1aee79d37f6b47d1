/* load: an encoding that the host knows and has no backend for is invalid_encoding. */
#include "conformance.h"

int main(void) {
  static const uint8_t zip[] = "PK\x03\x04"; /* how a TorchScript file begins */
  wasi_nn_graph_builder_t builder = {zip, sizeof zip - 1};
  wasi_nn_graph_t graph;
  expect_errno(
      "pytorch, on a host without", WASI_NN_ERRNO_INVALID_ENCODING,
      wasi_nn_load(&builder, 1, WASI_NN_GRAPH_ENCODING_PYTORCH, WASI_NN_EXECUTION_TARGET_CPU, &graph));
  return verdict();
}
