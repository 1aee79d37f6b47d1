/* Where the model leaves a length open, each input says its own, and the output follows. */
#include "conformance.h"

static void doubles(wasi_nn_graph_execution_context_t context, uint32_t rows, const char *claim) {
  static const float values[] = {1, 2, 3, 4, 5, 6}, doubled[] = {2, 4, 6, 8, 10, 12};
  const uint32_t shape[] = {rows, 2};
  uint32_t size = rows * 2 * sizeof(float);
  need("set_input", set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, shape, COUNT(shape), values, size)));
  need("compute", wasi_nn_compute(context));
  expect_output(claim, context, 0, doubled, size);
}

int main(void) {
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "?,2"));
  wasi_nn_graph_execution_context_t context = context_of(graph);
  doubles(context, 1, "one row");
  doubles(context, 3, "three rows");
  doubles(context, 2, "two rows after three");
  return verdict();
}
