/* Nothing but inference, in bulk: a record is the model's input as it is, the answer is the best class.
 *
 * The words of inference.h are in the variable INFERENCE. */
#include "guest.h"
#include "wasi_nn_reactor.h"

static const char *start(inference_t *inference) {
  static char *words[3 + RANK_MAX];
  int count = 0;
  char *text = getenv("INFERENCE");
  if (!text) return "no INFERENCE";
  for (char *word = strtok(text, " "); word && count < 3 + RANK_MAX; word = strtok(NULL, " ")) words[count++] = word;
  return read_inference(count, words, inference) || load(inference) ? "no such inference" : NULL;
}

static int best(uint8_t *record, size_t size, wasi_nn_answer_t *answer) {
  static inference_t inference;
  static char text[32];
  const char *why = context ? NULL : start(&inference);
  if (!why && size != inference.bytes) why = "the record is not as long as the input";
  if (why) return wasi_nn_answer_text(answer, why), 1;
  inference.data = record;
  if (infer(&inference)) return wasi_nn_answer_text(answer, "no inference"), 1;
  const float *scores = (const float *)(const void *)inference.output;
  size_t at = 0;
  for (size_t i = 1; i < inference.output_bytes / sizeof *scores; i++) at = scores[i] > scores[at] ? i : at;
  snprintf(text, sizeof text, "%zu", at);
  wasi_nn_answer_text(answer, text);
  return 0;
}

WASI_NN_REACTOR(best);
