/* compute: with an input that never was set it is runtime_error, and there is no output. */
#include "conformance.h"

int main(void) {
  static const uint32_t shape[] = {2};
  static const float values[] = {1, 2};
  uint8_t output[8];
  wasi_nn_buffer_size_t size;
  wasi_nn_graph_execution_context_t context = context_of(graph_of(SUBTRACT));
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_RUNTIME_ERROR;
  expect_errno("no input is set", expected, wasi_nn_compute(context));
  need("set_input 1", set_tensor(context, 1, tensor(WASI_NN_TENSOR_TYPE_F32, shape, 1, values, sizeof values)));
  expect_errno("one of two inputs is set", expected, wasi_nn_compute(context));
  expect_errno(
      "there is no output then", expected, wasi_nn_get_output(context, 0, output, sizeof output, &size));
  return verdict();
}
