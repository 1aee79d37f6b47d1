/* get_output: a buffer that is not wholly inside memory is invalid_argument, also if the output would fit. */
#include "conformance.h"

int main(void) {
  uint8_t output[8];
  wasi_nn_buffer_size_t size;
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  expect_doubles("the buffer inside", context);
  expect_errno("a buffer outside", expected, wasi_nn_get_output(context, 0, address(OUTSIDE), 8, &size));
  expect_errno("a buffer of nearly 4 GiB", expected, wasi_nn_get_output(context, 0, output, OUTSIDE, &size));
  expect_errno(
      "a buffer that ends one byte outside", expected, wasi_nn_get_output(context, 0, last_bytes(8), 9, &size));
  return verdict();
}
