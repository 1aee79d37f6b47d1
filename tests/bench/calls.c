/* What each wasi-nn call costs a guest: loads a model by name, infers again and again, prints medians as JSON.
 *
 *   calls NAME ROUNDS ELEMENT_TYPE ELEMENT_BYTES OUTPUT_BYTES DIMENSION...
 *
 * The input is a fixed pattern, set anew for every inference. Times are in nanoseconds, of the guest's clock; what
 * reading it costs is measured too and not taken off. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "wasi_nn.h"

enum { SET_INPUT, COMPUTE, GET_OUTPUT, ROUND, CLOCK, SERIES };
static const char *const NAMES[SERIES] = {"set_input", "compute", "get_output", "round", "clock"};
static const int WARM_UP = 20;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static int failed(const char *call, wasi_nn_errno_t error) {
  fprintf(stderr, "%s: %s\n", call, wasi_nn_strerror(error));
  return 1;
}

int main(int count, char **words) {
  if (count < 6) return fprintf(stderr, "calls NAME ROUNDS TYPE ELEMENT_BYTES OUTPUT_BYTES DIMENSION...\n"), 2;
  const int rounds = atoi(words[2]);
  const uint32_t rank = (uint32_t)(count - 6), output_bytes = (uint32_t)atol(words[5]);
  uint32_t dimensions[32], bytes = (uint32_t)atol(words[4]);
  if (rounds < 1 || rank > 32) return fprintf(stderr, "no such rounds or rank\n"), 2;
  for (uint32_t i = 0; i < rank; i++) bytes *= dimensions[i] = (uint32_t)atol(words[6 + i]);
  uint8_t *data = calloc(bytes ? bytes : 1, 1), *output = malloc(output_bytes ? output_bytes : 1);
  uint64_t *times[SERIES];
  for (int i = 0; i < SERIES; i++) times[i] = malloc((size_t)rounds * sizeof **times);

  wasi_nn_graph_t graph;
  wasi_nn_graph_execution_context_t context;
  wasi_nn_buffer_size_t size = 0;
  const wasi_nn_tensor_t tensor = {
      .dimensions = {dimensions, rank}, .type = (wasi_nn_tensor_type_t)atoi(words[3]), .data = {data, bytes}};
  wasi_nn_errno_t error = wasi_nn_load_named(words[1], &graph);
  if (error) return failed("load_by_name", error);
  if ((error = wasi_nn_init_execution_context(graph, &context))) return failed("init_execution_context", error);

  for (int i = -WARM_UP; i < rounds; i++) {
    uint64_t at[6];
    at[0] = now();
    if ((error = wasi_nn_set_input(context, 0, &tensor))) return failed("set_input", error);
    at[1] = now();
    if ((error = wasi_nn_compute(context))) return failed("compute", error);
    at[2] = now();
    if ((error = wasi_nn_get_output(context, 0, output, output_bytes, &size))) return failed("get_output", error);
    at[3] = now();
    at[4] = now();
    if (i < 0) continue;
    for (int series = 0; series <= GET_OUTPUT; series++) times[series][i] = at[series + 1] - at[series];
    times[ROUND][i] = at[3] - at[0];
    times[CLOCK][i] = at[4] - at[3];
  }
  for (int i = 0; i < SERIES; i++) {
    qsort(times[i], (size_t)rounds, sizeof **times, by_value);
    printf("%s\"%s\": %llu", i ? ", " : "{", NAMES[i], (unsigned long long)times[i][rounds / 2]);
  }
  return printf("}\n") < 0;
}
