/* compute again without new inputs computes the same again; with a new input, anew. */
#include "conformance.h"

int main(void) {
  static const float first[] = {1, 2}, doubled_first[] = {2, 4}, second[] = {3, 4}, doubled_second[] = {6, 8};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  need("set_input", set_tensor(context, 0, pair(first)));
  need("compute", wasi_nn_compute(context));
  expect_errno("compute again", WASI_NN_ERRNO_SUCCESS, wasi_nn_compute(context));
  expect_output("the output is the same", context, 0, doubled_first, sizeof doubled_first);
  need("set_input, other values", set_tensor(context, 0, pair(second)));
  need("compute", wasi_nn_compute(context));
  expect_output("the output is that of the other values", context, 0, doubled_second, sizeof doubled_second);
  return verdict();
}
