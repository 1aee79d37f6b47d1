/*
 * Claims about wasi_nn.h, checked in the guest: a line "ok: …" or "FAIL: …" each, exit code 1 if one fails.
 * Runs in wasmtime, where the test stands in for the host, and natively under sanitizers with the stand-in
 * below.
 */
#define WASI_NN_MODEL_FILE_MAX ((size_t)5)
#include <wasi_nn.h>

#ifdef WASI_NN_NATIVE
/* As the test's host: success, and handle 7 for a graph. */
int32_t wasi_nn_raw_load(
    const wasi_nn_graph_builder_t *builder, size_t builder_len, int32_t encoding, int32_t target,
    wasi_nn_graph_t *out) {
  (void)builder, (void)builder_len, (void)encoding, (void)target;
  *out = 7;
  return 0;
}
int32_t wasi_nn_raw_load_by_name(const char *name, size_t name_len, wasi_nn_graph_t *out) {
  (void)name, (void)name_len;
  *out = 7;
  return 0;
}
int32_t wasi_nn_raw_set_input(int32_t context, int32_t index, const wasi_nn_tensor_t *tensor) {
  (void)context, (void)index, (void)tensor;
  return 0;
}
#endif

static int failures;

static void check(int holds, const char *claim) {
  printf("%s: %s\n", holds ? "ok" : "FAIL", claim);
  failures += !holds;
}

static int all_zero(const void *data, size_t size) {
  const unsigned char *bytes = (const unsigned char *)data;
  for (size_t i = 0; i < size; i++) {
    if (bytes[i]) return 0;
  }
  return 1;
}

static void test_strerror(void) {
  check(strcmp(wasi_nn_strerror(WASI_NN_ERRNO_SUCCESS), "success") == 0, "strerror: 0 is success");
  check(strcmp(wasi_nn_strerror(100), "unknown error") == 0, "strerror: an unknown code has a text");
  check(strcmp(wasi_nn_strerror(65535), "unknown error") == 0, "strerror: the largest code has a text");
  int are_distinct = 1;
  for (wasi_nn_errno_t i = 0; i <= WASI_NN_ERRNO_NOT_FOUND; i++) {
    for (wasi_nn_errno_t j = 0; j < i; j++) {
      are_distinct = are_distinct && strcmp(wasi_nn_strerror(i), wasi_nn_strerror(j)) != 0;
    }
    are_distinct = are_distinct && strcmp(wasi_nn_strerror(i), "unknown error") != 0;
  }
  check(are_distinct, "strerror: every code of the spec has a text of its own");
}

static void test_size(void) {
  const uint32_t shape[] = {1, 3, 227, 227}, huge[] = {65536, 65536, 65536, 65536}, one[] = {UINT32_MAX};
  const uint32_t zero_last[] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, 0}, zero_first[] = {0, UINT32_MAX, UINT32_MAX};
  size_t size = 99;
  check(!wasi_nn_tensor_size(WASI_NN_TENSOR_TYPE_F32, shape, 4, &size) && size == 618348, "size: f32 image");
  check(!wasi_nn_tensor_size(WASI_NN_TENSOR_TYPE_I64, NULL, 0, &size) && size == 8, "size: a scalar is one element");
  size = 99;
  check(wasi_nn_tensor_size(WASI_NN_TENSOR_TYPE_U8, huge, 4, &size) == WASI_NN_ERRNO_TOO_LARGE && size == 0,
        "size: overflow is too_large");
  check(!wasi_nn_tensor_size(WASI_NN_TENSOR_TYPE_U8, one, 1, &size) && size == UINT32_MAX,
        "size: the largest length that fits is no overflow");
  size = 99;
  check(!wasi_nn_tensor_size(WASI_NN_TENSOR_TYPE_F32, zero_last, 4, &size) && size == 0,
        "size: a 0 after large extents makes it 0");
  size = 99;
  check(!wasi_nn_tensor_size(WASI_NN_TENSOR_TYPE_F32, zero_first, 3, &size) && size == 0,
        "size: a 0 before large extents makes it 0");
  size = 99;
  check(wasi_nn_tensor_size(200, shape, 4, &size) == WASI_NN_ERRNO_INVALID_ARGUMENT && size == 0,
        "size: an unknown type is invalid_argument");
  check(wasi_nn_element_size(WASI_NN_TENSOR_TYPE_F16) == 2 && wasi_nn_element_size(WASI_NN_TENSOR_TYPE_F32) == 4 &&
            wasi_nn_element_size(WASI_NN_TENSOR_TYPE_F64) == 8 && wasi_nn_element_size(WASI_NN_TENSOR_TYPE_U8) == 1 &&
            wasi_nn_element_size(WASI_NN_TENSOR_TYPE_I32) == 4 && wasi_nn_element_size(WASI_NN_TENSOR_TYPE_I64) == 8,
        "element_size: as the type's name says");
  check(wasi_nn_element_size(6) == 0 && wasi_nn_element_size(255) == 0, "element_size: 0 for an unknown type");
}

static void test_tensor(void) {
  static const float data[6] = {1, 2, 3, 4, 5, 6};
  static const uint8_t bytes[6] = {1, 2, 3, 4, 5, 6};
  static const uint32_t shape[] = {2, 3}, huge[] = {65536, 65536}, empty[] = {0, 3};
  wasi_nn_tensor_t tensor;
  memset(&tensor, 0xA5, sizeof tensor);
  check(!wasi_nn_tensor_f32(shape, 2, data, 6, &tensor), "tensor_f32: a fitting shape is accepted");
  check(tensor.dimensions.ptr == shape && tensor.dimensions.len == 2 && tensor.type == WASI_NN_TENSOR_TYPE_F32 &&
            tensor.data.ptr == (const uint8_t *)data && tensor.data.len == 24,
        "tensor_f32: it points at the caller's arrays, length in bytes");
  check(all_zero((const uint8_t *)&tensor.type + 1, 3), "tensor_f32: the padding is zero");
  check(wasi_nn_set_input(3, 0, &tensor) == 0, "tensor_f32: the host is handed it");
  memset(&tensor, 0xA5, sizeof tensor);
  check(wasi_nn_tensor_f32(shape, 2, data, 5, &tensor) == WASI_NN_ERRNO_INVALID_ARGUMENT &&
            all_zero(&tensor, sizeof tensor),
        "tensor_f32: another count is invalid_argument and leaves zeros");
  memset(&tensor, 0xA5, sizeof tensor);
  check(wasi_nn_tensor_f32(huge, 2, data, 6, &tensor) != WASI_NN_ERRNO_SUCCESS && all_zero(&tensor, sizeof tensor),
        "tensor_f32: an overflowing shape is an error and leaves zeros");
  check(wasi_nn_tensor_f32(shape, 2, data, SIZE_MAX / 4 + 7, &tensor) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "tensor_f32: a count whose bytes would wrap to the right length is refused");
  check(!wasi_nn_tensor_f32(empty, 2, NULL, 0, &tensor) && tensor.data.len == 0, "tensor_f32: no elements, no data");
  check(!wasi_nn_tensor_f32(NULL, 0, data, 1, &tensor) && tensor.dimensions.len == 0 && tensor.data.len == 4,
        "tensor_f32: rank 0 is a scalar");
  check(!wasi_nn_tensor(WASI_NN_TENSOR_TYPE_U8, shape, 2, bytes, 6, &tensor) && tensor.type == WASI_NN_TENSOR_TYPE_U8,
        "tensor: u8");
  check(!wasi_nn_tensor(WASI_NN_TENSOR_TYPE_F16, shape, 1, bytes + 1, 4, &tensor) && tensor.data.ptr == bytes + 1,
        "tensor: data may be unaligned");
  check(wasi_nn_tensor(99, shape, 2, bytes, 6, &tensor) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "tensor: an unknown type is invalid_argument");
}

static void test_read_file(const char *folder) {
  char path[1024];
  uint8_t *data;
  size_t size;
  snprintf(path, sizeof path, "%s/five", folder);
  check(wasi_nn_read_file_malloc(path, 5, &data, &size) == 0 && size == 5 && memcmp(data, "12345", 6) == 0,
        "read_file: all bytes, and a NUL");
  free(data);
  check(wasi_nn_read_file_malloc(path, 4, &data, &size) == EFBIG && !data && size == 0, "read_file: over the limit");
  snprintf(path, sizeof path, "%s/empty", folder);
  check(wasi_nn_read_file_malloc(path, 0, &data, &size) == 0 && data && !data[0] && size == 0, "read_file: empty");
  free(data);
  check(wasi_nn_read_file_malloc(folder, 99, &data, &size) != 0 && !data, "read_file: a folder is an error");
  snprintf(path, sizeof path, "%s/none", folder);
  check(wasi_nn_read_file_malloc(path, 99, &data, &size) == ENOENT && !data, "read_file: missing is ENOENT");
}

static void test_load(const char *folder) {
  char five[1024], six[1024], empty[1024], none[1024];
  wasi_nn_graph_t graph = 0;
  wasi_nn_file_error_t file_error = {"untouched", 99};
  snprintf(five, sizeof five, "%s/five", folder);
  snprintf(six, sizeof six, "%s/six", folder);
  snprintf(empty, sizeof empty, "%s/empty", folder);
  snprintf(none, sizeof none, "%s/none", folder);
  check(!wasi_nn_load_named("gr\xc3\xbcn", &graph) && graph == 7, "load_named: without the NUL");
  graph = 0;
  check(!wasi_nn_load_file_malloc(five, empty, WASI_NN_GRAPH_ENCODING_OPENVINO, WASI_NN_EXECUTION_TARGET_CPU, &graph,
                                  &file_error) &&
            graph == 7 && !file_error.path && !file_error.code,
        "load_file: two files, no file error");
  check(!wasi_nn_load_file_malloc(five, NULL, WASI_NN_GRAPH_ENCODING_ONNX, WASI_NN_EXECUTION_TARGET_GPU, &graph, NULL),
        "load_file: one file, nobody asks for the file error");
  check(wasi_nn_load_file_malloc(five, none, WASI_NN_GRAPH_ENCODING_OPENVINO, WASI_NN_EXECUTION_TARGET_CPU, &graph,
                                 &file_error) == WASI_NN_ERRNO_INVALID_ARGUMENT &&
            file_error.path == none && file_error.code == ENOENT,
        "load_file: missing weights are named");
  check(wasi_nn_load_file_malloc(none, five, WASI_NN_GRAPH_ENCODING_OPENVINO, WASI_NN_EXECUTION_TARGET_CPU, &graph,
                                 NULL) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "load_file: a missing model with nobody asking which");
  check(wasi_nn_load_file_malloc(six, NULL, WASI_NN_GRAPH_ENCODING_ONNX, WASI_NN_EXECUTION_TARGET_CPU, &graph,
                                 &file_error) == WASI_NN_ERRNO_TOO_LARGE &&
            file_error.path == six && file_error.code == EFBIG,
        "load_file: a model over the limit is named");
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  test_strerror();
  test_size();
  test_tensor();
  test_read_file(argv[1]);
  test_load(argv[1]);
  printf("end\n");
  return failures > 0;
}
