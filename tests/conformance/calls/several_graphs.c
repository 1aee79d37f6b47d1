/* Graphs live beside each other, and each context is of its own graph. */
#include "conformance.h"

int main(void) {
  static const uint32_t shape[] = {2};
  static const float a[] = {10, 20}, b[] = {1, 2}, difference[] = {9, 18};
  wasi_nn_graph_t doubling = graph_of(DOUBLE("f32", "1,2")), subtracting = graph_of(SUBTRACT);
  expect("two graphs have two handles", doubling != subtracting);
  wasi_nn_graph_execution_context_t second = context_of(subtracting), first = context_of(doubling);
  need("set_input 0", set_tensor(second, 0, tensor(WASI_NN_TENSOR_TYPE_F32, shape, 1, a, sizeof a)));
  need("set_input 1", set_tensor(second, 1, tensor(WASI_NN_TENSOR_TYPE_F32, shape, 1, b, sizeof b)));
  expect_doubles("the first graph doubles", first);
  need("compute", wasi_nn_compute(second));
  expect_output("the second subtracts", second, 0, difference, sizeof difference);
  return verdict();
}
