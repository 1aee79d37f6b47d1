/* What the programs that are measured share: how an inference is described, its input, and the loop around it.
 *
 *   MODEL f32|i32 OUTPUT_BYTES DIMENSION...
 *
 * are the words of an inference. Times are in nanoseconds, of the clock that the program is given; what reading it
 * costs is measured too and not taken off. */
#ifndef INFERENCE_H
#define INFERENCE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RANK_MAX = 32, WARM_UP = 20 };

typedef struct inference_t {
  const char *model;
  int is_float;
  uint32_t rank, dimensions[RANK_MAX];
  uint32_t bytes, output_bytes;
  uint8_t *data, *output;
} inference_t;

/* Each program has its own; 0 is success, and they say on stderr what failed. */
static int set_input(const inference_t *inference);
static int compute(void);
static int get_output(const inference_t *inference);

static uint64_t now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Every element is a number that any model takes, and the pages are the program's own: pages never written to are
 * all one, and reading them would be quicker than reading real data. */
static int read_inference(int count, char **words, inference_t *inference) {
  if (count < 3 || count - 3 > RANK_MAX) return fprintf(stderr, "wanted MODEL f32|i32 OUTPUT_BYTES DIMENSION...\n"), 2;
  inference->model = words[0];
  inference->is_float = strcmp(words[1], "f32") == 0;
  inference->output_bytes = (uint32_t)strtoul(words[2], NULL, 10);
  inference->rank = (uint32_t)count - 3;
  uint32_t elements = 1;
  for (uint32_t i = 0; i < inference->rank; i++) {
    elements *= inference->dimensions[i] = (uint32_t)strtoul(words[3 + i], NULL, 10);
  }
  inference->bytes = 4 * elements;
  inference->data = malloc(inference->bytes + 1u);
  inference->output = malloc(inference->output_bytes + 1u);
  if (!inference->data || !inference->output) return fprintf(stderr, "no memory\n"), 1;
  for (uint32_t i = 0; i < elements; i++) {
    const int32_t whole = (int32_t)(i % 256);
    const float real = (float)whole;
    memcpy(inference->data + 4 * (size_t)i, inference->is_float ? (const void *)&real : (const void *)&whole, 4);
  }
  return 0;
}

static inline int infer(const inference_t *inference) {
  return set_input(inference) || compute() || get_output(inference);
}

static inline int by_value(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* Infer so often, set the input anew each time, and print the median of each call as JSON. */
static inline int measure(const inference_t *inference, int rounds) {
  enum { SET_INPUT, COMPUTE, GET_OUTPUT, ROUND, CLOCK, SERIES };
  static const char *const names[SERIES] = {"set_input", "compute", "get_output", "round", "clock"};
  if (rounds < 1) return fprintf(stderr, "no such number of rounds\n"), 2;
  uint64_t *times[SERIES];
  for (int i = 0; i < SERIES; i++) {
    if (!(times[i] = malloc((size_t)rounds * sizeof **times))) return fprintf(stderr, "no memory\n"), 1;
  }
  for (int i = rounds > 1 ? -WARM_UP : 0; i < rounds; i++) {
    const uint64_t begin = now(CLOCK_MONOTONIC);
    if (set_input(inference)) return 1;
    const uint64_t set = now(CLOCK_MONOTONIC);
    if (compute()) return 1;
    const uint64_t computed = now(CLOCK_MONOTONIC);
    if (get_output(inference)) return 1;
    const uint64_t end = now(CLOCK_MONOTONIC), after = now(CLOCK_MONOTONIC);
    if (i < 0) continue;
    times[SET_INPUT][i] = set - begin;
    times[COMPUTE][i] = computed - set;
    times[GET_OUTPUT][i] = end - computed;
    times[ROUND][i] = end - begin;
    times[CLOCK][i] = after - end;
  }
  for (int i = 0; i < SERIES; i++) {
    qsort(times[i], (size_t)rounds, sizeof **times, by_value);
    printf("%s\"%s\": %llu", i ? ", " : "{", names[i], (unsigned long long)times[i][rounds / 2]);
  }
  return printf("}\n") < 0;
}

#endif /* INFERENCE_H */
