/* load_by_name: when the host gives no more graphs it is busy, and those it gave go on. */
#include "conformance.h"

#define MOST 4096 /* a host without a limit must not keep the guest for ever */

int main(void) {
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "1,2")), more;
  wasi_nn_errno_t error = WASI_NN_ERRNO_SUCCESS;
  need("load_by_name", wasi_nn_load_by_name(NAMED_GRAPH, sizeof NAMED_GRAPH - 1, &more));
  for (int i = 0; i < MOST && !error; i++) {
    error = wasi_nn_load_by_name(NAMED_GRAPH, sizeof NAMED_GRAPH - 1, &more);
  }
  if (error) {
    expect_errno("one graph too many", WASI_NN_ERRNO_BUSY, error);
  } else {
    skip("one graph too many", "4096 graphs were not");
  }
  expect_doubles("the first graph works on", context_of(graph));
  return verdict();
}
