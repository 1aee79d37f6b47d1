/* A graph that the operator registered as `double` is found by that name; the name needs no NUL. */
#include "conformance.h"

int main(void) {
  static const char name[] = {'d', 'o', 'u', 'b', 'l', 'e', '!'};
  wasi_nn_graph_t first = 0, second = 0;
  wasi_nn_errno_t error = wasi_nn_load_by_name(name, sizeof name - 1, &first);
  expect_errno("the name is found", WASI_NN_ERRNO_SUCCESS, error);
  if (error) return verdict();
  expect_doubles("the graph runs", context_of(first));
  need("load_by_name again", wasi_nn_load_by_name(name, sizeof name - 1, &second));
  expect_doubles("a second graph of that name runs", context_of(second));
  return verdict();
}
