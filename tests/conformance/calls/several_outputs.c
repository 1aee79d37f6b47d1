/* Outputs go by their index, and may be read in any order, more than once. */
#include "conformance.h"

int main(void) {
  static const uint32_t shape[] = {2};
  static const float values[] = {3, 5}, doubled[] = {6, 10}, squared[] = {9, 25};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE_AND_SQUARE));
  need("set_input", set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, shape, 1, values, sizeof values)));
  need("compute", wasi_nn_compute(context));
  expect_output("output 1", context, 1, squared, sizeof squared);
  expect_output("output 0", context, 0, doubled, sizeof doubled);
  expect_output("output 1 again", context, 1, squared, sizeof squared);
  return verdict();
}
