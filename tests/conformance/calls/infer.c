/* load, init_execution_context, set_input, compute, get_output: an inference. */
#include "conformance.h"

int main(void) {
  const float values[] = {1.5f, -2}, doubled[] = {3, -4};
  wasi_nn_graph_builder_t ir[] = {
      {(const uint8_t *)DOUBLE("f32", "1,2"), sizeof DOUBLE("f32", "1,2") - 1}, {(const uint8_t *)"", 0}};
  wasi_nn_graph_t graph;
  wasi_nn_graph_execution_context_t context;
  wasi_nn_tensor_t input = pair(values);
  float output[2] = {0};
  wasi_nn_buffer_size_t size = CANARY;
  need("load", wasi_nn_load(ir, COUNT(ir), WASI_NN_GRAPH_ENCODING_OPENVINO, WASI_NN_EXECUTION_TARGET_CPU, &graph));
  need("init_execution_context", wasi_nn_init_execution_context(graph, &context));
  need("set_input", wasi_nn_set_input(context, 0, &input));
  need("compute", wasi_nn_compute(context));
  need("get_output", wasi_nn_get_output(context, 0, (uint8_t *)output, sizeof output, &size));
  expect_u32("get_output says how many bytes it wrote", sizeof output, size);
  expect("the output is right", memcmp(output, doubled, sizeof doubled) == 0);
  return verdict();
}
