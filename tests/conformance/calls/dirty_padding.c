/* The three bytes after `tensor.type` mean nothing: real guests leave garbage there. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1.5f, -2}, doubled[] = {3, -4};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  wasi_nn_tensor_t input;
  memset(&input, 0xA5, sizeof input);
  input.dimensions = (wasi_nn_tensor_dimensions_t){PAIR, COUNT(PAIR)};
  input.type = WASI_NN_TENSOR_TYPE_F32;
  input.data = (wasi_nn_tensor_data_t){(const uint8_t *)values, sizeof values};
  memset((uint8_t *)&input + offsetof(wasi_nn_tensor_t, type) + 1, 0xA5, 3);
  expect_errno("garbage after the type is ignored", WASI_NN_ERRNO_SUCCESS, wasi_nn_set_input(context, 0, &input));
  need("compute", wasi_nn_compute(context));
  expect_output("the output is right", context, 0, doubled, sizeof doubled);
  return verdict();
}
