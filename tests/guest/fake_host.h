/*
 * A wasi-nn host for native tests: it defines the imports, notes what it is handed and answers as it is told. It
 * computes nothing: its one output is `output_len` bytes that count up.
 */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include <wasi_nn_extensions.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What `get_output` does with an output that does not fit. */
enum fake_manner {
  TELLS,    /* too_large, and the size */
  SILENT,   /* too_large, and nothing */
  CUTS,     /* success: as much as there is room for */
  OVERRUNS, /* success, and a size larger than the room, though nothing is written behind it */
  SMALL,    /* too_large, and a size that does fit */
  ENORMOUS      /* too_large, and a size that nobody has */
};

static struct {
  /* Told: */
  int32_t answer[9]; /* by call, in the order of the interface, extensions last; not 0: this error */
  enum fake_manner manner;
  size_t output_len;
  /* Noted: */
  int calls[9];
  size_t parts, part_len[2];
  const uint8_t *part[2];
  int32_t encoding, target, index;
  uint32_t handle;
  const char *name, *config;
  size_t name_len, config_len, room;
  wasi_nn_tensor_t tensor[4];
} fake;

enum { LOAD, LOAD_BY_NAME, INIT, SET_INPUT, COMPUTE, GET_OUTPUT, LOAD_CONFIG, UNLOAD, FINALIZE };

static int32_t fake_call(int call) {
  fake.calls[call]++;
  return fake.answer[call];
}

int32_t wasi_nn_raw_load(
    const wasi_nn_graph_builder_t *builder, size_t builder_len, int32_t encoding, int32_t target,
    wasi_nn_graph_t *graph_out) {
  fake.parts = builder_len;
  for (size_t i = 0; i < builder_len && i < 2; i++) {
    fake.part[i] = builder[i].ptr;
    fake.part_len[i] = builder[i].len;
  }
  fake.encoding = encoding;
  fake.target = target;
  *graph_out = 7;
  return fake_call(LOAD);
}

int32_t wasi_nn_raw_load_by_name(const char *name, size_t name_len, wasi_nn_graph_t *graph_out) {
  fake.name = name;
  fake.name_len = name_len;
  *graph_out = 7;
  return fake_call(LOAD_BY_NAME);
}

int32_t wasi_nn_raw_init_execution_context(int32_t graph, wasi_nn_graph_execution_context_t *context_out) {
  fake.handle = (uint32_t)graph;
  *context_out = 3;
  return fake_call(INIT);
}

int32_t wasi_nn_raw_set_input(int32_t context, int32_t index, const wasi_nn_tensor_t *tensor) {
  fake.handle = (uint32_t)context;
  if (index < 4) fake.tensor[index] = *tensor;
  return fake_call(SET_INPUT);
}

int32_t wasi_nn_raw_compute(int32_t context) {
  fake.handle = (uint32_t)context;
  return fake_call(COMPUTE);
}

int32_t wasi_nn_raw_get_output(
    int32_t context, int32_t index, uint8_t *out_buffer, int32_t out_buffer_max_size, wasi_nn_buffer_size_t *size_out) {
  const size_t room = (uint32_t)out_buffer_max_size;
  const size_t size = fake.output_len;
  const int32_t error = fake_call(GET_OUTPUT);
  fake.handle = (uint32_t)context;
  fake.index = index;
  fake.room = room;
  if (error) return error;
  for (size_t i = 0; i < size && i < room && (size <= room || fake.manner == CUTS); i++) out_buffer[i] = (uint8_t)i;
  if (size > room && fake.manner == SILENT) return WASI_NN_ERRNO_TOO_LARGE;
  *size_out = (wasi_nn_buffer_size_t)size;
  if (size <= room) return 0;
  if (fake.manner == CUTS) *size_out = (wasi_nn_buffer_size_t)room;
  if (fake.manner == OVERRUNS) *size_out = (wasi_nn_buffer_size_t)(room + 1);
  if (fake.manner == SMALL) *size_out = (wasi_nn_buffer_size_t)(room / 2);
  if (fake.manner == ENORMOUS) *size_out = UINT32_MAX;
  return fake.manner == CUTS || fake.manner == OVERRUNS ? 0 : WASI_NN_ERRNO_TOO_LARGE;
}

int32_t wasi_nn_raw_load_by_name_with_config(
    const char *name, size_t name_len, const char *config, size_t config_len, wasi_nn_graph_t *graph_out) {
  fake.name = name;
  fake.name_len = name_len;
  fake.config = config;
  fake.config_len = config_len;
  *graph_out = 7;
  return fake_call(LOAD_CONFIG);
}

int32_t wasi_nn_raw_unload(int32_t graph) {
  fake.handle = (uint32_t)graph;
  return fake_call(UNLOAD);
}

int32_t wasi_nn_raw_finalize_execution_context(int32_t context) {
  fake.handle = (uint32_t)context;
  return fake_call(FINALIZE);
}

#ifdef __cplusplus
}
#endif

static int failures;

static void check(int holds, const char *claim) {
  printf("%s: %s\n", holds ? "ok" : "FAIL", claim);
  failures += !holds;
}

#endif /* FAKE_HOST_H */
