/* compute: an inference that the backend cannot run is runtime_error, and leaves no output of an earlier one. */
#include "conformance.h"

int main(void) {
  static const int64_t shape_weights[] = {2, -1};
  static const float values[] = {1, 2, 3, 4};
  static const uint32_t three[] = {3}, four[] = {4};
  uint8_t output[sizeof values];
  wasi_nn_buffer_size_t size;
  wasi_nn_graph_t graph;
  need("load", load_ir(TWO_ROWS, shape_weights, sizeof shape_weights, &graph));
  wasi_nn_graph_execution_context_t context = context_of(graph);
  need("set_input", set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, four, 1, values, sizeof values)));
  need("compute", wasi_nn_compute(context));
  expect_output("four elements in two rows", context, 0, values, sizeof values);
  need("set_input", set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, three, 1, values, 3 * sizeof *values)));
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_RUNTIME_ERROR;
  expect_errno("three elements in two rows", expected, wasi_nn_compute(context));
  expect_errno(
      "there is no output then", expected, wasi_nn_get_output(context, 0, output, sizeof output, &size));
  return verdict();
}
