/* A second set_input on an index replaces the first. */
#include "conformance.h"

int main(void) {
  static const float first[] = {7, 7}, second[] = {1, 2}, doubled[] = {2, 4};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  need("set_input", set_tensor(context, 0, pair(first)));
  need("set_input again", set_tensor(context, 0, pair(second)));
  need("compute", wasi_nn_compute(context));
  expect_output("the second input counts", context, 0, doubled, sizeof doubled);
  return verdict();
}
