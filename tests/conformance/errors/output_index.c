/* get_output: an index that the model has no output of is invalid_argument. */
#include "conformance.h"

int main(void) {
  uint8_t output[8];
  wasi_nn_buffer_size_t size;
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  expect_doubles("output 0 works", context);
  expect_errno("output 1 of one", expected, wasi_nn_get_output(context, 1, output, sizeof output, &size));
  expect_errno(
      "output 2147483648", expected, wasi_nn_get_output(context, 0x80000000, output, sizeof output, &size));
  expect_errno("output -1", expected, wasi_nn_get_output(context, 0xFFFFFFFF, output, sizeof output, &size));
  return verdict();
}
