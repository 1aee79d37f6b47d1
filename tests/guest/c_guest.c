/* Doubles 5000 numbers with the model registered as `double`, and again with its files in /model, by wasi_nn.h. */
#include <wasi_nn.h>

static float numbers[5000];

/* One run; what the output is, and what the host says of its size. */
static wasi_nn_errno_t run(wasi_nn_graph_t graph, const char *how) {
  const uint32_t shape[] = {5000};
  wasi_nn_graph_execution_context_t context;
  wasi_nn_tensor_t input;
  wasi_nn_output_t output = {NULL, 0, 0};
  size_t announced = 0;
  wasi_nn_errno_t error = wasi_nn_init_execution_context(graph, &context);
  if (!error) error = wasi_nn_tensor_f32(shape, 1, numbers, 5000, &input);
  if (!error) error = wasi_nn_run(context, &input, 1);
  if (!error) error = wasi_nn_output_size(context, 0, &announced);
  if (!error) error = wasi_nn_get_output_realloc(context, 0, &output);
  if (!error) printf("%s: %zu bytes, the last %g; announced: %zu\n", how, output.size, ((float *)output.data)[4999], announced);
  free(output.data);
  return error;
}

int main(void) {
  wasi_nn_graph_t graph;
  wasi_nn_file_error_t file_error;
  for (int i = 0; i < 5000; i++) numbers[i] = (float)i;
  wasi_nn_errno_t error = wasi_nn_load_named("double", &graph);
  if (!error) error = run(graph, "name");
  if (!error) {
    error = wasi_nn_load_file_malloc("/model/model.xml", "/model/model.bin", WASI_NN_GRAPH_ENCODING_OPENVINO,
                                     WASI_NN_EXECUTION_TARGET_CPU, &graph, &file_error);
  }
  if (!error) error = run(graph, "files");
  if (error) fprintf(stderr, "%s; %s (%d)\n", wasi_nn_strerror(error), wasi_nn_error_hint(error), error);
  return error != 0;
}
