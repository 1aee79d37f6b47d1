/* load_by_name: a name outside of memory is invalid_argument. */
#include "conformance.h"

int main(void) {
  wasi_nn_graph_t graph;
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  expect_errno("a name outside", expected, wasi_nn_load_by_name(address(OUTSIDE), 8, &graph));
  expect_errno("a name of nearly 4 GiB", expected, wasi_nn_load_by_name(NAMED_GRAPH, OUTSIDE, &graph));
  expect_errno("a name that ends one byte outside", expected, wasi_nn_load_by_name(last_bytes(8), 9, &graph));
  return verdict();
}
