/* load_by_name_with_config finds what load_by_name does, and refuses a configuration that is no JSON object. */
#include "conformance.h"
#include "wasi_ephemeral_nn_config.h"

static wasi_nn_errno_t load(const char *name, const char *config, wasi_nn_graph_t *graph_out) {
  return wasi_nn_load_by_name_with_config(name, strlen(name), config, strlen(config), graph_out);
}

int main(void) {
  wasi_nn_graph_t graph = 0;
  wasi_nn_errno_t error = load(NAMED_GRAPH, "{}", &graph);
  expect_errno("an empty configuration", WASI_NN_ERRNO_SUCCESS, error);
  if (!error) expect_doubles("the graph runs", context_of(graph));
  expect_errno("an unknown name", WASI_NN_ERRNO_NOT_FOUND, load("nobody registers this", "{}", &graph));
  expect_errno("a configuration that is cut off", WASI_NN_ERRNO_INVALID_ARGUMENT, load(NAMED_GRAPH, "{", &graph));
  expect_errno("a configuration that is a list", WASI_NN_ERRNO_INVALID_ARGUMENT, load(NAMED_GRAPH, "[]", &graph));
  expect_errno(
      "a configuration outside of memory", WASI_NN_ERRNO_INVALID_ARGUMENT,
      wasi_nn_load_by_name_with_config(NAMED_GRAPH, strlen(NAMED_GRAPH), address(OUTSIDE), 2, &graph));
  return verdict();
}
