/* A count, a rank or a product of dimensions that is absurd is too_large; arithmetic never wraps. */
#include "conformance.h"

int main(void) {
  static wasi_nn_graph_builder_t builders[1024];
  static uint32_t ones[1024];
  static const uint32_t wraps[] = {0x80000000, 0x80000000, 2}; /* 2^63 elements; 0 in 32 or 64 bits, with 4 bytes each */
  static const float values[] = {1, 2};
  wasi_nn_graph_t graph;
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_TOO_LARGE;
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  for (size_t i = 0; i < COUNT(ones); i++) ones[i] = 1;
  expect_errno(
      "1024 builders", expected,
      wasi_nn_load(builders, COUNT(builders), WASI_NN_GRAPH_ENCODING_OPENVINO, WASI_NN_EXECUTION_TARGET_CPU, &graph));
  expect_errno(
      "1024 dimensions", expected,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, ones, COUNT(ones), values, 4)));
  expect_errno(
      "dimensions whose product wraps, without data", expected,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, wraps, COUNT(wraps), values, 0)));
  expect_errno(
      "dimensions whose product wraps", expected,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, wraps, COUNT(wraps), values, sizeof values)));
  expect_doubles("the context works on", context);
  return verdict();
}
