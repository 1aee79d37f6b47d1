/* An output stays what the last compute made it until the next compute, whatever is set meanwhile. */
#include "conformance.h"

int main(void) {
  static const float first[] = {1, 2}, doubled[] = {2, 4}, second[] = {3, 4};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  need("set_input", set_tensor(context, 0, pair(first)));
  need("compute", wasi_nn_compute(context));
  need("set_input, other values", set_tensor(context, 0, pair(second)));
  expect_output("the output is still of the first values", context, 0, doubled, sizeof doubled);
  return verdict();
}
