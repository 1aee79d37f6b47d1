/* set_input: a type that is no value of `tensor_type` is invalid_argument. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1, 2};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  wasi_nn_tensor_t input = pair(values);
  input.type = NONE;
  expect_errno("type 77", WASI_NN_ERRNO_INVALID_ARGUMENT, wasi_nn_set_input(context, 0, &input));
  input.type = 0xFF;
  expect_errno("type 255", WASI_NN_ERRNO_INVALID_ARGUMENT, wasi_nn_set_input(context, 0, &input));
  expect_doubles("the context works on", context);
  return verdict();
}
