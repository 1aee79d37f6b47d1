/* A tensor without elements goes in and comes out: no bytes, and no error. */
#include "conformance.h"

int main(void) {
  static const uint32_t shape[] = {0, 2};
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "?,2"));
  wasi_nn_graph_execution_context_t context = context_of(graph);
  uint32_t place = CANARY;
  wasi_nn_buffer_size_t size = CANARY;
  expect_errno(
      "a tensor without elements goes in", WASI_NN_ERRNO_SUCCESS,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, shape, COUNT(shape), &place, 0)));
  need("compute", wasi_nn_compute(context));
  expect_errno(
      "a tensor without elements comes out", WASI_NN_ERRNO_SUCCESS,
      wasi_nn_get_output(context, 0, (uint8_t *)&place, sizeof place, &size));
  expect_u32("it has no bytes", 0, size);
  expect_u32("nothing is written", CANARY, place);
  expect_errno(
      "a buffer of 0 bytes is large enough", WASI_NN_ERRNO_SUCCESS,
      wasi_nn_get_output(context, 0, (uint8_t *)&place, 0, &size));
  return verdict();
}
