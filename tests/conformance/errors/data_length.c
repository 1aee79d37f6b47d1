/* set_input: data that is not as long as its dimensions and type say is invalid_argument. */
#include "conformance.h"

static void refused(const char *claim, wasi_nn_graph_execution_context_t context, size_t size) {
  static const float values[1024] = {0};
  expect_errno(
      claim, WASI_NN_ERRNO_INVALID_ARGUMENT,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, PAIR, COUNT(PAIR), values, size)));
}

int main(void) {
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  refused("no data", context, 0);
  refused("one byte short", context, 7);
  refused("one byte long", context, 9);
  refused("one element short", context, 4);
  refused("far too long", context, 4096);
  expect_doubles("the context works on", context);
  return verdict();
}
