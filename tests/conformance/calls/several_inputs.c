/* Inputs go by their index, and may be set in any order. */
#include "conformance.h"

int main(void) {
  static const uint32_t shape[] = {2};
  static const float a[] = {10, 20}, b[] = {1, 2}, difference[] = {9, 18};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(SUBTRACT));
  need("set_input 1", set_tensor(context, 1, tensor(WASI_NN_TENSOR_TYPE_F32, shape, 1, b, sizeof b)));
  need("set_input 0", set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, shape, 1, a, sizeof a)));
  need("compute", wasi_nn_compute(context));
  expect_output("input 0 less input 1", context, 0, difference, sizeof difference);
  return verdict();
}
