/* Contexts of one graph share nothing: neither inputs nor outputs. */
#include "conformance.h"

int main(void) {
  static const float one[] = {1, 2}, two[] = {3, 4}, doubled_one[] = {2, 4}, doubled_two[] = {6, 8};
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "1,2"));
  wasi_nn_graph_execution_context_t first = context_of(graph), second = context_of(graph);
  expect("two contexts have two handles", first != second);
  need("set_input, first", set_tensor(first, 0, pair(one)));
  need("set_input, second", set_tensor(second, 0, pair(two)));
  need("compute, first", wasi_nn_compute(first));
  need("compute, second", wasi_nn_compute(second));
  expect_output("the first has its own output", first, 0, doubled_one, sizeof doubled_one);
  expect_output("and so has the second", second, 0, doubled_two, sizeof doubled_two);
  return verdict();
}
