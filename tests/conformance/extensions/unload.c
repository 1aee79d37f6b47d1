/* unload ends a graph's handle; contexts of the graph go on. */
#include "conformance.h"
#include "wasi_ephemeral_nn_unload.h"

int main(void) {
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "1,2"));
  wasi_nn_graph_execution_context_t context = context_of(graph), another;
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  expect_errno("unload of a context", expected, wasi_nn_unload(context));
  expect_errno("unload", WASI_NN_ERRNO_SUCCESS, wasi_nn_unload(graph));
  expect_errno("init_execution_context afterwards", expected, wasi_nn_init_execution_context(graph, &another));
  expect_errno("unload again", expected, wasi_nn_unload(graph));
  expect_doubles("a context of it goes on", context);
  expect("its number is not given to the next graph", graph_of(DOUBLE("f32", "1,2")) != graph);
  return verdict();
}
