/* load_by_name: a name that nobody registered is not_found, and is never taken for a path. */
#include "conformance.h"

static void not_found(const char *claim, const char *name) {
  wasi_nn_graph_t graph;
  expect_errno(claim, WASI_NN_ERRNO_NOT_FOUND, wasi_nn_load_by_name(name, strlen(name), &graph));
}

int main(void) {
  not_found("an unknown name", "nobody registers this");
  not_found("an empty name", "");
  not_found("the start of a name", "doubl");
  not_found("a name and a blank", "double ");
  not_found("a path", "/etc/hostname");
  not_found("a path upwards", "../double");
  return verdict();
}
