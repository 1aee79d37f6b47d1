/** tensor_type.h: the guest of one element type. Includer defines TYPE, TYPE_NAME, ELEMENT, VALUES and DOUBLED. */
#include "conformance.h"

int main(void) {
  static const ELEMENT values[] = VALUES, doubled[] = DOUBLED;
  const uint32_t shape[] = {COUNT(values)};
  wasi_nn_graph_t graph = graph_of(DOUBLE(TYPE_NAME, "3"));
  wasi_nn_graph_execution_context_t context = context_of(graph);
  expect_errno(
      "a tensor of type " TYPE_NAME " goes in", WASI_NN_ERRNO_SUCCESS,
      set_tensor(context, 0, tensor(TYPE, shape, COUNT(shape), values, sizeof values)));
  need("compute", wasi_nn_compute(context));
  expect_output("a tensor of type " TYPE_NAME " comes out", context, 0, doubled, sizeof doubled);
  return verdict();
}
