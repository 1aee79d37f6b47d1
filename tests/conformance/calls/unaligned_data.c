/* What the interface gives as bytes may be at any address: models, names, tensor data, output buffers. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1.5f, -2}, doubled[] = {3, -4};
  static char place[1 + sizeof DOUBLE("f32", "1,2")], name[1 + sizeof NAMED_GRAPH];
  static uint8_t input[1 + sizeof values], output[1 + sizeof doubled];
  wasi_nn_graph_t graph;
  wasi_nn_buffer_size_t size = 0;
  strcpy(place + 1, DOUBLE("f32", "1,2"));
  strcpy(name + 1, NAMED_GRAPH);
  memcpy(input + 1, values, sizeof values);
  wasi_nn_graph_execution_context_t context = context_of(graph_of(place + 1));
  expect_errno(
      "tensor data at an odd address", WASI_NN_ERRNO_SUCCESS,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, PAIR, COUNT(PAIR), input + 1, sizeof values)));
  need("compute", wasi_nn_compute(context));
  expect_errno(
      "an output buffer at an odd address", WASI_NN_ERRNO_SUCCESS,
      wasi_nn_get_output(context, 0, output + 1, sizeof doubled, &size));
  expect("the output is right", memcmp(output + 1, doubled, sizeof doubled) == 0);
  expect_u32("the byte before it is untouched", 0, output[0]);
  expect_errno(
      "a name at an odd address", WASI_NN_ERRNO_SUCCESS,
      wasi_nn_load_by_name(name + 1, sizeof NAMED_GRAPH - 1, &graph));
  return verdict();
}
