/* init_execution_context: when the host gives no more contexts it is busy, and those it gave go on. */
#include "conformance.h"

#define MOST 4096 /* a host without a limit must not keep the guest for ever */

int main(void) {
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "1,2"));
  wasi_nn_graph_execution_context_t first = context_of(graph), more;
  wasi_nn_errno_t error = WASI_NN_ERRNO_SUCCESS;
  for (int i = 0; i < MOST && !error; i++) error = wasi_nn_init_execution_context(graph, &more);
  if (error) {
    expect_errno("one context too many", WASI_NN_ERRNO_BUSY, error);
  } else {
    skip("one context too many", "4096 contexts were not");
  }
  expect_doubles("the first context works on", first);
  return verdict();
}
