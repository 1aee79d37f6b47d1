/* set_input: a tensor, its dimensions or its data outside of memory are invalid_argument. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1.5f, -2}, doubled[] = {3, -4};
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  wasi_nn_tensor_t input = pair(values);
  need("set_input", wasi_nn_set_input(context, 0, &input));
  expect_errno("a tensor outside", expected, wasi_nn_set_input(context, 0, address(OUTSIDE)));
  expect_errno(
      "a tensor that leaves memory", expected, wasi_nn_set_input(context, 0, last_bytes(sizeof input - 4)));
  input.dimensions.ptr = address(OUTSIDE);
  expect_errno("dimensions outside", expected, wasi_nn_set_input(context, 0, &input));
  input.dimensions = (wasi_nn_tensor_dimensions_t){PAIR, 0x40000002}; /* times 4 that is 8, in 32 bits */
  expect_errno("1073741826 dimensions", expected, wasi_nn_set_input(context, 0, &input));
  input = pair(address(OUTSIDE));
  expect_errno("data outside", expected, wasi_nn_set_input(context, 0, &input));
  input = pair(last_bytes(4));
  expect_errno("data that leaves memory", expected, wasi_nn_set_input(context, 0, &input));
  input = pair(values);
  input.data.len = OUTSIDE;
  expect_errno("data of nearly 4 GiB", expected, wasi_nn_set_input(context, 0, &input));
  need("compute", wasi_nn_compute(context));
  expect_output("the input is what it was before", context, 0, doubled, sizeof doubled);
  return verdict();
}
