/* load_by_name: a name that is not UTF-8, or has a NUL in it, is invalid_argument. */
#include "conformance.h"

static void malformed(const char *claim, const char *name, size_t size) {
  wasi_nn_graph_t graph;
  expect_errno(claim, WASI_NN_ERRNO_INVALID_ARGUMENT, wasi_nn_load_by_name(name, size, &graph));
}

int main(void) {
  malformed("bytes that UTF-8 has not", "\xFF\xFE", 2);
  malformed("a sequence that is cut off", "\xE2\x82", 2);
  malformed("a surrogate", "\xED\xA0\x80", 3);
  malformed("a longer form of `d`", "\xC1\xA4ouble", 7);
  malformed("a NUL after the name", NAMED_GRAPH, sizeof NAMED_GRAPH);
  malformed("a NUL in the name", "dou\0ble", 7);
  return verdict();
}
