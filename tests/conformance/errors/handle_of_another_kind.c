/* A context is no graph and a graph no context: invalid_argument. Each kind may be numbered for itself. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1, 2};
  wasi_nn_graph_t first = graph_of(DOUBLE("f32", "1,2")), second = graph_of(DOUBLE("f32", "1,2"));
  wasi_nn_graph_execution_context_t context = context_of(second), more[] = {0, 0}, another;
  wasi_nn_graph_t graph = first == context ? second : first; /* a number that is no context's */
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  expect_errno("set_input on a graph", expected, set_tensor(graph, 0, pair(values)));
  expect_errno("compute on a graph", expected, wasi_nn_compute(graph));
  for (size_t i = 0; i < COUNT(more); i++) more[i] = context_of(second);
  uint32_t number = context; /* one that is no graph's: of three contexts at least one is */
  for (size_t i = 0; i < COUNT(more) && (number == first || number == second); i++) number = more[i];
  expect_errno("a context as a graph", expected, wasi_nn_init_execution_context(number, &another));
  expect_doubles("the context works", context);
  return verdict();
}
