/* get_output into 0 bytes answers too_large and writes the size needed. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1.5f, -2}, doubled[] = {3, -4};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  uint8_t nothing = 0xA5;
  wasi_nn_buffer_size_t size = CANARY;
  need("set_input", set_tensor(context, 0, pair(values)));
  need("compute", wasi_nn_compute(context));
  expect_errno(
      "a buffer of 0 bytes is too small", WASI_NN_ERRNO_TOO_LARGE, wasi_nn_get_output(context, 0, &nothing, 0, &size));
  expect_u32("the size is written", sizeof doubled, size);
  expect_u32("nothing else is", 0xA5, nothing);
  expect_output("the output is there afterwards", context, 0, doubled, sizeof doubled);
  return verdict();
}
