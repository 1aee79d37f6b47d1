/* The second builder of an IR is its weights, at any address. */
#include "conformance.h"

int main(void) {
  static const float weights[] = {10, 20}, values[] = {1, 2}, sums[] = {11, 22};
  static const uint32_t shape[] = {2};
  static uint8_t place[sizeof weights + 1];
  wasi_nn_graph_t graph;
  memcpy(place + 1, weights, sizeof weights);
  need("load", load_ir(ADD_WEIGHTS, place + 1, sizeof weights, &graph));
  memset(place, 0, sizeof place); /* read during the call only */
  wasi_nn_graph_execution_context_t context = context_of(graph);
  need("set_input", set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, shape, 1, values, sizeof values)));
  need("compute", wasi_nn_compute(context));
  expect_output("the weights are those given to load", context, 0, sums, sizeof sums);
  return verdict();
}
