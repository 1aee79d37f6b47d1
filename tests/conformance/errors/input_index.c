/* set_input: an index that the model has no input of is invalid_argument. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1, 2};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  expect_errno("input 1 of one", expected, set_tensor(context, 1, pair(values)));
  expect_errno("input 2147483648", expected, set_tensor(context, 0x80000000, pair(values)));
  expect_errno("input -1", expected, set_tensor(context, 0xFFFFFFFF, pair(values)));
  expect_doubles("input 0 works", context);
  return verdict();
}
