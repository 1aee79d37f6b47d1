/* The input is what it was at set_input: overwriting the buffer, the shape or the tensor changes nothing. */
#include "conformance.h"

int main(void) {
  static const float doubled[] = {2, 4};
  float values[] = {1, 2};
  uint32_t shape[] = {1, 2};
  wasi_nn_tensor_t input = tensor(WASI_NN_TENSOR_TYPE_F32, shape, COUNT(shape), values, sizeof values);
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  need("set_input", wasi_nn_set_input(context, 0, &input));
  values[0] = values[1] = 100;
  memset(shape, 0xFF, sizeof shape);
  memset(&input, 0xFF, sizeof input);
  need("compute", wasi_nn_compute(context));
  expect_output("the output is of the values set", context, 0, doubled, sizeof doubled);
  return verdict();
}
