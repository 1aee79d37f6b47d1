/* A scalar input takes no dimensions, or a single 1: many bindings cannot say the former. */
#include "conformance.h"

int main(void) {
  static const float value = 1.5f, doubled = 3;
  static const uint32_t one[] = {1};
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", ""));
  wasi_nn_graph_execution_context_t context = context_of(graph);
  expect_errno(
      "rank 0 fits a scalar", WASI_NN_ERRNO_SUCCESS,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, one, 0, &value, sizeof value)));
  need("compute", wasi_nn_compute(context));
  expect_output("a scalar comes out as one element", context, 0, &doubled, sizeof doubled);
  expect_errno(
      "dimensions [1] fit a scalar", WASI_NN_ERRNO_SUCCESS,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, one, 1, &value, sizeof value)));
  return verdict();
}
