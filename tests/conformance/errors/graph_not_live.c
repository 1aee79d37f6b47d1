/* init_execution_context: a graph handle that is not live is invalid_argument. */
#include "conformance.h"

int main(void) {
  wasi_nn_graph_execution_context_t context;
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  expect_errno("a graph before any was loaded", expected, wasi_nn_init_execution_context(1, &context));
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "1,2"));
  expect_errno("a graph that never was", expected, wasi_nn_init_execution_context(graph + NONE, &context));
  expect_errno("graph -1", expected, wasi_nn_init_execution_context(0xFFFFFFFF, &context));
  expect_doubles("the graph that is live works", context_of(graph));
  return verdict();
}
