/* get_output: before compute it is runtime_error, and nothing is written: never the host's memory. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1, 2};
  uint32_t output[2] = {CANARY, CANARY};
  wasi_nn_buffer_size_t size;
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_RUNTIME_ERROR;
  expect_errno(
      "before set_input", expected, wasi_nn_get_output(context, 0, (uint8_t *)output, sizeof output, &size));
  need("set_input", set_tensor(context, 0, pair(values)));
  expect_errno(
      "before compute", expected, wasi_nn_get_output(context, 0, (uint8_t *)output, sizeof output, &size));
  expect("nothing is written", output[0] == CANARY && output[1] == CANARY);
  expect_doubles("the context works on", context);
  return verdict();
}
