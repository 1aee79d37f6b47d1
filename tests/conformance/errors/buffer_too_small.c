/* get_output: a buffer that is too small is too_large; the size needed is written and nothing else. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1.5f, -2}, doubled[] = {3, -4};
  uint32_t output[2] = {CANARY, CANARY};
  wasi_nn_buffer_size_t size = CANARY;
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  need("set_input", set_tensor(context, 0, pair(values)));
  need("compute", wasi_nn_compute(context));
  expect_errno(
      "one byte too few", WASI_NN_ERRNO_TOO_LARGE,
      wasi_nn_get_output(context, 0, (uint8_t *)output, sizeof doubled - 1, &size));
  expect_u32("the size is written", sizeof doubled, size);
  expect("nothing else is", output[0] == CANARY && output[1] == CANARY);
  expect_output("the output is there afterwards", context, 0, doubled, sizeof doubled);
  return verdict();
}
