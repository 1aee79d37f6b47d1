/* The calls of an inference as a guest makes them; the guests that are measured share it. */
#ifndef GUEST_H
#define GUEST_H

#include "inference.h"
#include "wasi_nn.h"

static wasi_nn_graph_execution_context_t context;

static int failed(const char *call, wasi_nn_errno_t error) {
  return error ? fprintf(stderr, "%s: %s\n", call, wasi_nn_strerror(error)), 1 : 0;
}

static int load(const inference_t *inference) {
  wasi_nn_graph_t graph;
  return failed("load_by_name", wasi_nn_load_named(inference->model, &graph)) ||
         failed("init_execution_context", wasi_nn_init_execution_context(graph, &context));
}

static int set_input(const inference_t *inference) {
  const wasi_nn_tensor_t tensor = {
      .dimensions = {inference->dimensions, inference->rank},
      .type = inference->is_float ? WASI_NN_TENSOR_TYPE_F32 : WASI_NN_TENSOR_TYPE_I32,
      .data = {inference->data, inference->bytes}};
  return failed("set_input", wasi_nn_set_input(context, 0, &tensor));
}

static int compute(void) { return failed("compute", wasi_nn_compute(context)); }

static int get_output(const inference_t *inference) {
  wasi_nn_buffer_size_t size = 0;
  return failed("get_output", wasi_nn_get_output(context, 0, inference->output, inference->output_bytes, &size));
}

#endif /* GUEST_H */
