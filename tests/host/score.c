/* A command: the record is stdin, a row of 64 numbers; the answer is what the model `net` makes of it. */
#include <stdio.h>
#include "wasi_nn.h"

int main(void) {
  static float row[64];
  static uint8_t answer[4096];
  const uint32_t shape[] = {1, 64};
  wasi_nn_graph_t graph;
  wasi_nn_graph_execution_context_t context;
  wasi_nn_tensor_t input;
  wasi_nn_buffer_size_t size;
  if (fread(row, 1, sizeof row + 1, stdin) != sizeof row) return fputs("a record has 64 numbers", stderr), 3;
  wasi_nn_errno_t error = wasi_nn_load_named("net", &graph);
  if (!error) error = wasi_nn_init_execution_context(graph, &context);
  if (!error) error = wasi_nn_tensor_f32(shape, 2, row, 64, &input);
  if (!error) error = wasi_nn_set_input(context, 0, &input);
  if (!error) error = wasi_nn_compute(context);
  if (!error) error = wasi_nn_get_output(context, 0, answer, sizeof answer, &size);
  if (error) return fputs(wasi_nn_strerror(error), stderr), 1;
  return fwrite(answer, 1, size, stdout) != size;
}
