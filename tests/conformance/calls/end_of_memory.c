/* Ranges that end with the last byte of memory are inside; memory may grow between calls. */
#include "conformance.h"

int main(void) {
  static const float values[] = {1.5f, -2}, doubled[] = {3, -4};
  wasi_nn_graph_t *graph = last_bytes(sizeof *graph);
  need("load, its result at the end of memory", load_ir(DOUBLE("f32", "1,2"), "", 0, graph));
  wasi_nn_graph_execution_context_t *context = last_bytes(sizeof *context);
  expect_errno(
      "init_execution_context writes the last bytes", WASI_NN_ERRNO_SUCCESS,
      wasi_nn_init_execution_context(*graph, context));
  wasi_nn_graph_execution_context_t live = *context;
  void *data = last_bytes(sizeof values);
  memcpy(data, values, sizeof values);
  expect_errno("set_input reads data in the last bytes", WASI_NN_ERRNO_SUCCESS, set_tensor(live, 0, pair(data)));
  wasi_nn_tensor_t *last_tensor = last_bytes(sizeof *last_tensor);
  *last_tensor = pair(values);
  expect_errno(
      "set_input reads a tensor in the last bytes", WASI_NN_ERRNO_SUCCESS, wasi_nn_set_input(live, 0, last_tensor));
  need("compute", wasi_nn_compute(live));
  uint8_t *output = last_bytes(sizeof doubled);
  wasi_nn_buffer_size_t size = 0;
  expect_errno(
      "get_output fills the last bytes", WASI_NN_ERRNO_SUCCESS,
      wasi_nn_get_output(live, 0, output, sizeof doubled, &size));
  expect("the output is right", memcmp(output, doubled, sizeof doubled) == 0);
  return verdict();
}
