/* Many rows in a call: each is the numbers of one row of the model's input, and its answer those of the output.
 *
 * The variable ROW_TYPE is f32, or i64 for a model that wants these. With ALONE a record is a row without a frame. */
#include <stdbool.h>
#include "wasi_nn.h"
#include "wasi_nn_reactor.h"

static uint32_t word(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static const char *infer(uint8_t *rows, uint32_t count, uint32_t width, uint8_t *out, uint32_t room, uint32_t *size) {
  static wasi_nn_graph_execution_context_t context;
  static bool is_ready, is_wide;
  wasi_nn_graph_t graph;
  if (!is_ready) {
    const char *type = getenv("ROW_TYPE");
    is_wide = type && !strcmp(type, "i64");
    if (wasi_nn_load_named("net", &graph)) return "no graph `net`";
    if (wasi_nn_init_execution_context(graph, &context)) return "no context";
    is_ready = true;
  }
  uint32_t shape[] = {count, width / (is_wide ? 8 : 4)};
  wasi_nn_tensor_t input = {.dimensions = {shape, 2}, .data = {rows, count * width}};
  input.type = is_wide ? WASI_NN_TENSOR_TYPE_I64 : WASI_NN_TENSOR_TYPE_F32;
  if (wasi_nn_set_input(context, 0, &input)) return "the rows are not as long as the model wants them";
  if (wasi_nn_compute(context)) return "no inference";
  return wasi_nn_get_output(context, 0, out, room, size) ? "no output" : NULL;
}

static int answer_rows(uint8_t *frame, size_t size, wasi_nn_answer_t *answer) {
  static uint8_t out[1 << 20];
  uint32_t count = size >= 4 ? word(frame) : 0, head = 4 * (1 + count), given = 0;
  const char *why = NULL;
  if (getenv("ALONE")) {
    if ((why = infer(frame, 1, (uint32_t)size, out, sizeof out, &given))) return wasi_nn_answer_text(answer, why), 1;
    answer->ptr = out;
    answer->len = given;
    return 0;
  }
  if (!count || count > size / 4 - 1) why = "no frame of rows";
  uint32_t width = why ? 0 : word(frame + 4);
  for (uint32_t i = 0; !why && i < count; i++)
    if (word(frame + 4 * (1 + i)) != width) why = "the rows are not of one length";
  if (!why) why = infer(frame + head, count, width, out + head, sizeof out - head, &given);
  if (why) return wasi_nn_answer_text(answer, why), 1;
  memcpy(out, &count, sizeof count);
  width = given / count;
  for (uint32_t i = 0; i < count; i++) memcpy(out + 4 * (1 + i), &width, sizeof width);
  answer->ptr = out;
  answer->len = head + given;
  return 0;
}

WASI_NN_REACTOR(answer_rows);
