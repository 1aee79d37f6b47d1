/* A result pointer outside of memory is invalid_argument. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1, 2};
  uint8_t output[8];
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "1,2"));
  wasi_nn_graph_execution_context_t context = context_of(graph);
  need("set_input", set_tensor(context, 0, pair(values)));
  need("compute", wasi_nn_compute(context));
  expect_errno("load", expected, load_ir(DOUBLE("f32", "1,2"), "", 0, address(OUTSIDE)));
  expect_errno(
      "load_by_name", expected, wasi_nn_load_by_name(NAMED_GRAPH, sizeof NAMED_GRAPH - 1, address(OUTSIDE)));
  expect_errno("init_execution_context", expected, wasi_nn_init_execution_context(graph, address(OUTSIDE)));
  expect_errno(
      "init_execution_context, one byte outside", expected,
      wasi_nn_init_execution_context(graph, address((uint32_t)(uintptr_t)last_bytes(4) + 1)));
  expect_errno("get_output", expected, wasi_nn_get_output(context, 0, output, sizeof output, address(OUTSIDE)));
  expect_doubles("the context works on", context);
  return verdict();
}
