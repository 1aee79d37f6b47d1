/* An output fits a buffer of exactly its size, and in a larger one only its own bytes are written. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1.5f, -2}, doubled[] = {3, -4};
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  uint8_t output[sizeof doubled + 4];
  wasi_nn_buffer_size_t size = CANARY;
  uint32_t after;
  memset(output, 0xA5, sizeof output);
  need("set_input", set_tensor(context, 0, pair(values)));
  need("compute", wasi_nn_compute(context));
  expect_errno(
      "a buffer of exactly the size", WASI_NN_ERRNO_SUCCESS,
      wasi_nn_get_output(context, 0, output, sizeof doubled, &size));
  need("get_output, a larger buffer", wasi_nn_get_output(context, 0, output, sizeof output, &size));
  memcpy(&after, output + sizeof doubled, sizeof after);
  expect_u32("the size is the output's", sizeof doubled, size);
  expect("the output is right", memcmp(output, doubled, sizeof doubled) == 0);
  expect_u32("what is after it is untouched", CANARY, after);
  return verdict();
}
