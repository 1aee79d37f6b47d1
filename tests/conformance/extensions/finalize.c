/* finalize_execution_context ends a context; its graph goes on. */
#include "conformance.h"
#include "wasi_ephemeral_nn_finalize.h"

int main(void) {
  static const float values[] = {1, 2};
  uint8_t output[8];
  wasi_nn_buffer_size_t size;
  wasi_nn_graph_t graph = graph_of(DOUBLE("f32", "1,2"));
  wasi_nn_graph_execution_context_t context = context_of(graph);
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  expect_doubles("the context works", context);
  expect_errno("finalize of a graph", expected, wasi_nn_finalize_execution_context(graph));
  expect_errno("finalize", WASI_NN_ERRNO_SUCCESS, wasi_nn_finalize_execution_context(context));
  expect_errno("set_input afterwards", expected, set_tensor(context, 0, pair(values)));
  expect_errno("compute afterwards", expected, wasi_nn_compute(context));
  expect_errno(
      "get_output afterwards", expected, wasi_nn_get_output(context, 0, output, sizeof output, &size));
  expect_errno("finalize again", expected, wasi_nn_finalize_execution_context(context));
  wasi_nn_graph_execution_context_t another = context_of(graph);
  expect("its number is not given to the next context", another != context);
  expect_doubles("the next context works", another);
  return verdict();
}
