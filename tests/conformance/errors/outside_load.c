/* load: a pointer or length outside of memory is invalid_argument. */
#include "conformance.h"

int main(void) {
  static const uint8_t xml[] = DOUBLE("f32", "2");
  const wasi_nn_graph_builder_t good = {xml, sizeof xml - 1}, none = {xml, 0};
  wasi_nn_graph_builder_t ir[] = {good, none};
  wasi_nn_graph_t graph;
  const wasi_nn_errno_t expected = WASI_NN_ERRNO_INVALID_ARGUMENT;
  const wasi_nn_graph_encoding_t openvino = WASI_NN_GRAPH_ENCODING_OPENVINO;
  const wasi_nn_execution_target_t cpu = WASI_NN_EXECUTION_TARGET_CPU;
  expect_errno("the builders outside", expected, wasi_nn_load(address(OUTSIDE), 2, openvino, cpu, &graph));
  expect_errno(
      "builders that leave memory", expected, wasi_nn_load(last_bytes(sizeof good), 2, openvino, cpu, &graph));
  expect_errno("536870912 builders", expected, wasi_nn_load(ir, 0x20000000, openvino, cpu, &graph));
  ir[0].ptr = address(OUTSIDE);
  expect_errno("a builder's bytes outside", expected, wasi_nn_load(ir, 2, openvino, cpu, &graph));
  ir[0] = (wasi_nn_graph_builder_t){xml, OUTSIDE};
  expect_errno("a builder of nearly 4 GiB", expected, wasi_nn_load(ir, 2, openvino, cpu, &graph));
  ir[0] = (wasi_nn_graph_builder_t){last_bytes(8), 9};
  expect_errno("a builder that ends one byte outside", expected, wasi_nn_load(ir, 2, openvino, cpu, &graph));
  ir[0] = good;
  ir[1].ptr = address(OUTSIDE);
  ir[1].len = 1;
  expect_errno("the weights outside", expected, wasi_nn_load(ir, 2, openvino, cpu, &graph));
  ir[1] = none;
  expect_errno("the good one loads", WASI_NN_ERRNO_SUCCESS, wasi_nn_load(ir, 2, openvino, cpu, &graph));
  return verdict();
}
