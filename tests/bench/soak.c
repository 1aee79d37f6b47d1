/* Loads a model as often as the first argument says, then infers as often as the second; releases all it loads. */
#include "conformance.h"
#include "wasi_ephemeral_nn_finalize.h"
#include "wasi_ephemeral_nn_unload.h"

static void infer(wasi_nn_graph_execution_context_t context, float number) {
  const float values[] = {number, -number};
  float output[2] = {0};
  wasi_nn_buffer_size_t size = 0;
  need("set_input", set_tensor(context, 0, pair(values)));
  need("compute", wasi_nn_compute(context));
  need("get_output", wasi_nn_get_output(context, 0, (uint8_t *)output, sizeof output, &size));
  if (size != sizeof output || output[0] != 2 * number || output[1] != -2 * number) {
    expect("the output is right", false);
    exit(verdict());
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  long loads = atol(argv[1]), inferences = atol(argv[2]);
  for (long i = 0; i < loads; i++) {
    wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "1,2"));
    wasi_nn_graph_execution_context_t context = context_of(graph);
    infer(context, (float)i);
    need("finalize_execution_context", wasi_nn_finalize_execution_context(context));
    need("unload", wasi_nn_unload(graph));
  }
  wasi_nn_graph_execution_context_t context = context_of(graph_of(DOUBLE("f32", "1,2")));
  for (long i = 0; i < inferences; i++) infer(context, (float)i);
  return verdict();
}
