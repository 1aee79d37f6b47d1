/* set_input: dimensions that the model's input has not are invalid_argument, at set_input and not later. */
#include "conformance.h"

static void refused(
    const char *claim, wasi_nn_graph_execution_context_t context, const uint32_t *shape, size_t rank, uint32_t count) {
  static const float values[6] = {0};
  expect_errno(
      claim, WASI_NN_ERRNO_INVALID_ARGUMENT,
      set_tensor(context, 0, tensor(WASI_NN_TENSOR_TYPE_F32, shape, rank, values, count * sizeof *values)));
}

int main(void) {
  wasi_nn_graph_execution_context_t fixed = context_of(graph_of(DOUBLE("f32", "1,2")));
  wasi_nn_graph_execution_context_t dynamic = context_of(graph_of(DOUBLE("f32", "?,2")));
  refused("a rank too low", fixed, (uint32_t[]){2}, 1, 2);
  refused("a rank too high", fixed, (uint32_t[]){1, 1, 2}, 3, 2);
  refused("no dimensions", fixed, (uint32_t[]){0}, 0, 1);
  refused("dimensions the wrong way round", fixed, (uint32_t[]){2, 1}, 2, 2);
  refused("a dimension too long", fixed, (uint32_t[]){1, 3}, 2, 3);
  refused("a dimension of 0", fixed, (uint32_t[]){1, 0}, 2, 0);
  refused("a fixed dimension of a dynamic shape", dynamic, (uint32_t[]){2, 3}, 2, 6);
  expect_doubles("the context works on", fixed);
  return verdict();
}
