/* The functions for streams of tokens are unsupported_operation where no backend has them. */
#include "conformance.h"
#include "wasi_ephemeral_nn_single.h"

int main(void) {
  uint8_t output[8];
  wasi_nn_buffer_size_t size;
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_UNSUPPORTED_OPERATION;
  expect_errno("compute_single", expected, wasi_nn_compute_single(context));
  expect_errno(
      "get_output_single", expected, wasi_nn_get_output_single(context, 0, output, sizeof output, &size));
  expect_errno("fini_single", expected, wasi_nn_fini_single(context));
  return verdict();
}
