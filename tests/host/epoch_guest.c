/* One source for the guests of every epoch: the epoch's header comes with `-include`, its constants are what is
   tested. Every line on stdout is a verdict. Run with the folder `m` open and the model `named` registered. */

#include <stdio.h>
#include <string.h>

enum { ELEMENTS = 2, MODEL_BYTES = 65536 };

typedef struct kind {
  const char *name;
  wasi_nn_tensor_type_t type;
  uint32_t bytes;
  uint8_t one[8], two[8];
} kind;

static const kind kinds[] = {
#ifdef WASI_NN_TENSOR_TYPE_F16
  { "f16", WASI_NN_TENSOR_TYPE_F16, 2, { 0, 0x3c }, { 0, 0x40 } },
#endif
#ifdef WASI_NN_TENSOR_TYPE_F32
  { "f32", WASI_NN_TENSOR_TYPE_F32, 4, { 0, 0, 0x80, 0x3f }, { 0, 0, 0, 0x40 } },
#endif
#ifdef WASI_NN_TENSOR_TYPE_F64
  { "f64", WASI_NN_TENSOR_TYPE_F64, 8, { 0, 0, 0, 0, 0, 0, 0xf0, 0x3f }, { 0, 0, 0, 0, 0, 0, 0, 0x40 } },
#endif
#ifdef WASI_NN_TENSOR_TYPE_U8
  { "u8", WASI_NN_TENSOR_TYPE_U8, 1, { 1 }, { 2 } },
#endif
#ifdef WASI_NN_TENSOR_TYPE_I32
  { "i32", WASI_NN_TENSOR_TYPE_I32, 4, { 1 }, { 2 } },
#endif
#ifdef WASI_NN_TENSOR_TYPE_I64
  { "i64", WASI_NN_TENSOR_TYPE_I64, 8, { 1 }, { 2 } },
#endif
};

static const kind *const f32 = &kinds[1];

static uint8_t buffers[2][MODEL_BYTES];

static wasi_nn_graph_builder_t builder(const char *name, const char *suffix, uint8_t *buffer) {
  char path[64];
  snprintf(path, sizeof path, "m/%s.%s", name, suffix);
  FILE *file = fopen(path, "rb");
  wasi_nn_graph_builder_t part = { buffer, file ? fread(buffer, 1, MODEL_BYTES, file) : 0 };
  if (file) fclose(file);
  return part;
}

static int load(const wasi_nn_graph_builder_t *parts, size_t count, int encoding, wasi_nn_graph_t *graph) {
#ifdef LEGACY
  wasi_nn_graph_builder_array_t array = { { parts, count } };
  return wasi_nn_load(&array, (wasi_nn_graph_encoding_t)encoding, WASI_NN_EXECUTION_TARGET_CPU, graph);
#else
  return wasi_nn_load(parts, count, (wasi_nn_graph_encoding_t)encoding, WASI_NN_EXECUTION_TARGET_CPU, graph);
#endif
}

static int set_input(wasi_nn_graph_execution_context_t context, const kind *kind, const uint8_t *data) {
  static const uint32_t shape[] = { ELEMENTS };
  wasi_nn_tensor_dimensions_t dimensions = { shape, 1 };
  wasi_nn_tensor_t tensor;
  memset(&tensor, 0xa5, sizeof tensor); /* as bindings do that set no padding */
  tensor.type = kind->type;
#ifdef LEGACY
  tensor.dimensions = &dimensions;
  tensor.data = (uint8_t *)data; /* WAMR's header has no const there either */
#else
  tensor.dimensions = dimensions;
  tensor.data.ptr = data;
  tensor.data.len = ELEMENTS * kind->bytes;
#endif
  return wasi_nn_set_input(context, 0, &tensor);
}

/* Return the errno, and in `bytes` how long the output is. */
static int get_output(wasi_nn_graph_execution_context_t context, uint8_t *data, uint32_t room, uint32_t *bytes) {
#ifdef LEGACY
  *bytes = room / sizeof(float);
  int errno_ = wasi_nn_get_output(context, 0, data, bytes);
  *bytes *= sizeof(float);
  return errno_;
#else
  return wasi_nn_get_output(context, 0, data, room, bytes);
#endif
}

/* Compute with ones; what comes out has to be twos. */
static int infer(wasi_nn_graph_t graph, const kind *kind) {
  wasi_nn_graph_execution_context_t context;
  uint8_t in[ELEMENTS * 8], out[ELEMENTS * 8] = { 0 };
  uint32_t bytes = 0;
  int errno_ = wasi_nn_init_execution_context(graph, &context);
  if (errno_) return printf("init_execution_context %d\n", errno_);
  for (uint32_t i = 0; i < ELEMENTS; i++) memcpy(in + i * kind->bytes, kind->one, kind->bytes);
  if ((errno_ = set_input(context, kind, in))) return printf("set_input %d\n", errno_);
  if ((errno_ = wasi_nn_compute(context))) return printf("compute %d\n", errno_);
  if ((errno_ = get_output(context, out, sizeof out, &bytes))) return printf("get_output %d\n", errno_);
#ifdef LEGACY
  if (bytes == (ELEMENTS * kind->bytes + 3) / 4 * 4) bytes = ELEMENTS * kind->bytes; /* no fraction of an f32 */
#endif
  if (bytes != ELEMENTS * kind->bytes) return printf("%u bytes\n", bytes);
  for (uint32_t i = 0; i < ELEMENTS; i++)
    if (memcmp(out + i * kind->bytes, kind->two, kind->bytes)) return printf("wrong element %u\n", i);
  return printf("ok\n");
}

int main(void) {
  wasi_nn_graph_t graph;
  if (strcmp(f32->name, "f32")) return 1;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    wasi_nn_graph_builder_t parts[] = {
      builder(kinds[i].name, "xml", buffers[0]), builder(kinds[i].name, "bin", buffers[1])
    };
    int errno_ = load(parts, 2, WASI_NN_GRAPH_ENCODING_OPENVINO, &graph);
    printf("%s ", kinds[i].name);
    errno_ ? printf("load %d\n", errno_) : infer(graph, &kinds[i]);
  }
#ifdef WASI_NN_GRAPH_ENCODING_ONNX
  wasi_nn_graph_builder_t onnx = builder("model", "onnx", buffers[0]);
  int onnx_errno = load(&onnx, 1, WASI_NN_GRAPH_ENCODING_ONNX, &graph);
  printf("onnx ");
  onnx_errno ? printf("load %d\n", onnx_errno) : infer(graph, f32);
#endif
#ifdef HAS_LOAD_BY_NAME
  int named_errno = wasi_nn_load_by_name("named", 5, &graph);
  printf("named ");
  named_errno ? printf("load_by_name %d\n", named_errno) : infer(graph, f32);
#endif
  wasi_nn_graph_execution_context_t none;
  printf("no such graph %d\n", wasi_nn_init_execution_context(77, &none));
  return 0;
}
