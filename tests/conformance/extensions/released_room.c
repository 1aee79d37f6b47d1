/* What is released makes room: more contexts than a host gives at a time, one after the other. */
#include "conformance.h"
#include "wasi_ephemeral_nn_finalize.h"

#define TIMES 2048

int main(void) {
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "1,2"));
  wasi_nn_errno_t error = WASI_NN_ERRNO_SUCCESS;
  for (int i = 0; i < TIMES && !error; i++) {
    wasi_nn_graph_execution_context_t context = 0;
    error = wasi_nn_init_execution_context(graph, &context);
    if (!error) error = wasi_nn_finalize_execution_context(context);
  }
  expect_errno("2048 contexts one after the other", WASI_NN_ERRNO_SUCCESS, error);
  expect_doubles("the next context works", context_of(graph));
  return verdict();
}
