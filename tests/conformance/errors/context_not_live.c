/* set_input, compute, get_output: a context handle that is not live is invalid_argument. */
#include "conformance.h"

static void not_live(wasi_nn_graph_execution_context_t context, const char *set, const char *run, const char *get) {
  static const float values[] = {1, 2};
  uint8_t output[8];
  wasi_nn_buffer_size_t size;
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  expect_errno(set, expected, set_tensor(context, 0, pair(values)));
  expect_errno(run, expected, wasi_nn_compute(context));
  expect_errno(get, expected, wasi_nn_get_output(context, 0, output, sizeof output, &size));
}

int main(void) {
  not_live(1, "set_input before any", "compute before any", "get_output before any");
  wasi_nn_graph_execution_context_t live = context_of(graph_of(DOUBLE("f32", "1,2")));
  not_live(live + NONE, "set_input, never was", "compute, never was", "get_output, never was");
  not_live(0xFFFFFFFF, "set_input, -1", "compute, -1", "get_output, -1");
  expect_doubles("the context that is live works", live);
  return verdict();
}
