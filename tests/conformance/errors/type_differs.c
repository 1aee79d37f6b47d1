/* set_input: a type that is not the input's is invalid_argument, also where the bytes are as many. */
#include "conformance.h"

int main(void) {
  static const uint8_t values[16] = {0};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  expect_errno(
      "i32 for f32", expected,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_I32, PAIR, COUNT(PAIR), values, 8)));
  expect_errno(
      "f16 for f32", expected,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F16, PAIR, COUNT(PAIR), values, 4)));
  expect_errno(
      "f64 for f32", expected,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F64, PAIR, COUNT(PAIR), values, 16)));
  expect_doubles("the context works on", context);
  return verdict();
}
