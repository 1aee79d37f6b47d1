/*
 * Claims about the calls of wasi_nn.h, checked natively against a host that misbehaves as it is told: a line
 * "ok: …" or "FAIL: …" each, exit code 1 if one fails.
 */
#include <stdlib.h>

/* Told by a test: there is no memory left. */
static int is_out_of_memory;

static void *limited_malloc(size_t size) { return is_out_of_memory ? NULL : malloc(size); }
#define malloc limited_malloc

#include "fake_host.h"

#include <wasi_nn_sha256.h>

static int starts_over(void) {
  memset(&fake, 0, sizeof fake);
  return 1;
}

static int counts_up(const void *data, size_t size) {
  const uint8_t *bytes = (const uint8_t *)data;
  for (size_t i = 0; i < size; i++) {
    if (bytes[i] != (uint8_t)i) return 0;
  }
  return 1;
}

static void test_hint(void) {
  int are_distinct = 1;
  for (wasi_nn_errno_t i = 1; i <= WASI_NN_ERRNO_NOT_FOUND + 1; i++) {
    are_distinct = are_distinct && strlen(wasi_nn_error_hint(i)) > 9;
    for (wasi_nn_errno_t j = 1; j < i; j++) {
      are_distinct = are_distinct && strcmp(wasi_nn_error_hint(i), wasi_nn_error_hint(j)) != 0;
    }
  }
  check(are_distinct, "error_hint: every error of the spec has a hint of its own, unknown ones share another");
  check(wasi_nn_error_hint(0)[0] == 0, "error_hint: empty for success");
  check(wasi_nn_error_hint(100) == wasi_nn_error_hint(65535), "error_hint: any unknown code has the same");
}

static void test_load(void) {
  static const uint8_t xml[] = {1, 2, 3}, bin[] = {4, 5};
  wasi_nn_graph_t graph = 0;
  check(!wasi_nn_load_bytes(xml, 3, NULL, 0, WASI_NN_GRAPH_ENCODING_ONNX, WASI_NN_EXECUTION_TARGET_GPU, &graph) &&
            graph == 7 && fake.parts == 1 && fake.part[0] == xml && fake.part_len[0] == 3 &&
            fake.encoding == WASI_NN_GRAPH_ENCODING_ONNX && fake.target == WASI_NN_EXECUTION_TARGET_GPU,
        "load_bytes: without weights one part");
  check(!wasi_nn_load_bytes(xml, 3, bin, 2, 0, 0, &graph) && fake.parts == 2 && fake.part[1] == bin &&
            fake.part_len[1] == 2,
        "load_bytes: with weights two parts");
  check(!wasi_nn_load_bytes(xml, 3, bin, 0, 0, 0, &graph) && fake.parts == 2 && fake.part_len[1] == 0,
        "load_bytes: weights of no bytes are still a part");
  check(!wasi_nn_load_bytes(NULL, 0, NULL, 0, 0, 0, &graph) && fake.part_len[0] == 0,
        "load_bytes: whether no bytes are a model is for the host to say");
  fake.answer[LOAD] = WASI_NN_ERRNO_RUNTIME_ERROR;
  check(wasi_nn_load_bytes(xml, 3, NULL, 0, 0, 0, &graph) == WASI_NN_ERRNO_RUNTIME_ERROR,
        "load_bytes: the host's error comes through");
  starts_over();
  check(wasi_nn_load_bytes(NULL, 3, NULL, 0, 0, 0, &graph) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "load_bytes: a NULL model with a length");
  check(wasi_nn_load_bytes(xml, 3, NULL, 2, 0, 0, &graph) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "load_bytes: NULL weights with a length");
  check(wasi_nn_load_bytes(xml, 3, bin, 2, 0, 0, NULL) == WASI_NN_ERRNO_INVALID_ARGUMENT, "load_bytes: NULL graph_out");
  check(wasi_nn_load_named(NULL, &graph) == WASI_NN_ERRNO_INVALID_ARGUMENT &&
            wasi_nn_load_named("a", NULL) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "load_named: a NULL");
  check(wasi_nn_load_named_with_config(NULL, "{}", &graph) == WASI_NN_ERRNO_INVALID_ARGUMENT &&
            wasi_nn_load_named_with_config("a", NULL, &graph) == WASI_NN_ERRNO_INVALID_ARGUMENT &&
            wasi_nn_load_named_with_config("a", "{}", NULL) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "load_named_with_config: a NULL");
  wasi_nn_file_error_t file_error = {"untouched", 99};
  check(wasi_nn_load_file_malloc(NULL, NULL, 0, 0, &graph, &file_error) == WASI_NN_ERRNO_INVALID_ARGUMENT &&
            !file_error.path && !file_error.code,
        "load_file: a NULL path, and no file to blame");
  check(wasi_nn_load_file_malloc("a", NULL, 0, 0, NULL, NULL) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "load_file: NULL graph_out");
  check(!fake.calls[LOAD] && !fake.calls[LOAD_BY_NAME] && !fake.calls[LOAD_CONFIG], "load: none of these was called");
  check(!wasi_nn_load_named_with_config("gr\xc3\xbcn", "{\"a\":1}", &graph) && graph == 7 && fake.name_len == 5 &&
            fake.config_len == 7,
        "load_named_with_config: both without their NUL");
}

static void test_read_file(void) {
  uint8_t *data = NULL;
  size_t size = 99;
  check(wasi_nn_read_file_malloc(NULL, 9, &data, &size) == EINVAL && !data && !size, "read_file: a NULL path is EINVAL");
  check(wasi_nn_read_file_malloc("a", 9, NULL, &size) == EINVAL && wasi_nn_read_file_malloc("a", 9, &data, NULL) == EINVAL,
        "read_file: a NULL output is EINVAL");
}

static void test_tensors(void) {
  static const uint32_t shape[] = {2, 2}, huge[] = {65536, 65536, 65536, 65536};
  static const float f32[4] = {0};
  static const uint16_t f16[4] = {0};
  static const double f64[4] = {0};
  static const uint8_t u8[4] = {0};
  static const int32_t i32[4] = {0};
  static const int64_t i64[4] = {0};
  wasi_nn_tensor_t tensor, before;
#define TYPED(name, value, bytes)                                                                                     \
  memset(&tensor, 0xA5, sizeof tensor);                                                                               \
  check(!wasi_nn_tensor_##name(shape, 2, name, 4, &tensor) && tensor.type == (value) && tensor.data.len == (bytes) && \
            tensor.data.ptr == (const uint8_t *)name && tensor.dimensions.ptr == shape &&                             \
            !(tensor.padding9[0] | tensor.padding9[1] | tensor.padding9[2]),                                          \
        "tensor_" #name ": type, size, pointers, zero padding");                                                      \
  check(wasi_nn_tensor_##name(shape, 2, name, 3, &tensor) == WASI_NN_ERRNO_INVALID_ARGUMENT && !tensor.data.ptr,      \
        "tensor_" #name ": one element short");                                                                       \
  check(wasi_nn_tensor_##name(huge, 4, name, SIZE_MAX, &tensor) == WASI_NN_ERRNO_TOO_LARGE && !tensor.data.ptr,       \
        "tensor_" #name ": a product that overflows");                                                                \
  check(wasi_nn_tensor_##name(shape, 2, NULL, 4, &tensor) == WASI_NN_ERRNO_INVALID_ARGUMENT,                          \
        "tensor_" #name ": NULL data")
  TYPED(f32, WASI_NN_TENSOR_TYPE_F32, 16);
  TYPED(f16, WASI_NN_TENSOR_TYPE_F16, 8);
  TYPED(f64, WASI_NN_TENSOR_TYPE_F64, 32);
  TYPED(u8, WASI_NN_TENSOR_TYPE_U8, 4);
  TYPED(i32, WASI_NN_TENSOR_TYPE_I32, 16);
  TYPED(i64, WASI_NN_TENSOR_TYPE_I64, 32);
  check(wasi_nn_tensor_i64(shape, 2, i64, SIZE_MAX / 8 + 5, &tensor) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "tensor_i64: a count whose bytes would wrap to the right length");
  memset(&before, 0, sizeof before);
  memset(&tensor, 0xA5, sizeof tensor);
  check(wasi_nn_tensor_f32(NULL, 2, f32, 4, &tensor) == WASI_NN_ERRNO_INVALID_ARGUMENT &&
            memcmp(&tensor, &before, sizeof tensor) == 0,
        "tensor: NULL dimensions with a rank, and it is all zero");
  check(wasi_nn_tensor_f32(shape, 2, f32, 4, NULL) == WASI_NN_ERRNO_INVALID_ARGUMENT, "tensor: NULL tensor_out");
  check(wasi_nn_tensor_size(WASI_NN_TENSOR_TYPE_U8, shape, 2, NULL) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "tensor_size: NULL size_out");
}

static void test_run(void) {
  static const uint32_t shape[] = {1};
  static const float one = 1;
  static const uint8_t two = 2;
  wasi_nn_tensor_t inputs[2];
  check(!wasi_nn_tensor_f32(shape, 1, &one, 1, &inputs[0]) && !wasi_nn_tensor_u8(shape, 1, &two, 1, &inputs[1]) &&
            !wasi_nn_run(3, inputs, 2) && fake.calls[SET_INPUT] == 2 && fake.calls[COMPUTE] == 1 &&
            fake.tensor[0].data.ptr == inputs[0].data.ptr && fake.tensor[1].data.ptr == &two && fake.handle == 3,
        "run: binds in order, then computes");
  starts_over();
  check(!wasi_nn_run(3, NULL, 0) && fake.calls[COMPUTE] == 1 && !fake.calls[SET_INPUT], "run: no inputs, it computes");
  check(wasi_nn_run(3, NULL, 1) == WASI_NN_ERRNO_INVALID_ARGUMENT && fake.calls[COMPUTE] == 1, "run: NULL inputs");
  fake.answer[SET_INPUT] = 100;
  check(wasi_nn_run(3, inputs, 2) == 100 && fake.calls[SET_INPUT] == 1 && fake.calls[COMPUTE] == 1,
        "run: stops at the first error, which comes through though unknown");
}

static void test_get_output_into(void) {
  uint8_t buffer[8];
  size_t size = 99;
  fake.output_len = 5;
  memset(buffer, 0xA5, sizeof buffer);
  check(!wasi_nn_get_output_into(3, 1, buffer, 8, &size) && size == 5 && counts_up(buffer, 5) && buffer[5] == 0xA5 &&
            fake.index == 1 && fake.room == 8,
        "get_output_into: the bytes and no more");
  check(!wasi_nn_get_output_into(3, 0, buffer, 5, &size) && size == 5, "get_output_into: an exact fit");
  check(wasi_nn_get_output_into(3, 0, buffer, 4, &size) == WASI_NN_ERRNO_TOO_LARGE && size == 5,
        "get_output_into: what is needed, where the host says");
  fake.manner = SILENT;
  size = 99;
  check(wasi_nn_get_output_into(3, 0, buffer, 4, &size) == WASI_NN_ERRNO_TOO_LARGE && size == 0,
        "get_output_into: 0 where the host does not say");
  fake.manner = OVERRUNS;
  check(wasi_nn_get_output_into(3, 0, buffer, 4, &size) == WASI_NN_ERRNO_TOO_LARGE && size == 5,
        "get_output_into: a host that claims to have written more than fits is not believed");
  fake.answer[GET_OUTPUT] = WASI_NN_ERRNO_BUSY;
  check(wasi_nn_get_output_into(3, 0, buffer, 8, &size) == WASI_NN_ERRNO_BUSY && size == 0,
        "get_output_into: 0 with any other error");
  starts_over();
  check(wasi_nn_get_output_into(3, 0, NULL, 8, &size) == WASI_NN_ERRNO_INVALID_ARGUMENT && size == 0 &&
            wasi_nn_get_output_into(3, 0, buffer, 8, NULL) == WASI_NN_ERRNO_INVALID_ARGUMENT && !fake.calls[GET_OUTPUT],
        "get_output_into: a NULL, and the host is not called");
  check(!wasi_nn_get_output_into(3, 0, NULL, 0, &size) && size == 0, "get_output_into: an empty output needs no buffer");
}

static void test_output_size(void) {
  size_t size = 99;
  fake.output_len = 5;
  check(!wasi_nn_output_size(3, 0, &size) && size == 5 && fake.room == 0, "output_size: what the host says");
  fake.manner = SILENT;
  check(!wasi_nn_output_size(3, 0, &size) && size == 0, "output_size: 0 where it does not say");
  fake.manner = CUTS;
  check(!wasi_nn_output_size(3, 0, &size) && size == 0, "output_size: 0 where it cuts outputs");
  fake.answer[GET_OUTPUT] = WASI_NN_ERRNO_RUNTIME_ERROR;
  check(wasi_nn_output_size(3, 0, &size) == WASI_NN_ERRNO_RUNTIME_ERROR && size == 0, "output_size: an error is one");
  check(wasi_nn_output_size(3, 0, NULL) == WASI_NN_ERRNO_INVALID_ARGUMENT, "output_size: a NULL");
}

/* Whether an output of so many bytes arrives whole from a host of that manner, in so many calls. */
static int arrives(enum fake_manner manner, size_t size, int calls) {
  wasi_nn_output_t output = {NULL, 0, 0};
  starts_over();
  fake.manner = manner;
  fake.output_len = size;
  const wasi_nn_errno_t error = wasi_nn_get_output_realloc(3, 0, &output);
  const int whole = !error && output.size == size && output.capacity > size && counts_up(output.data, size);
  const int made = fake.calls[GET_OUTPUT];
  free(output.data);
  return whole && made == calls;
}

static void test_get_output_realloc(void) {
  check(arrives(TELLS, 100000, 2), "get_output_realloc: one query, one copy where the host tells the size");
  check(arrives(SILENT, 100000, 4), "get_output_realloc: 4 KiB, 32 KiB, 256 KiB where it does not");
  check(arrives(CUTS, 100000, 4), "get_output_realloc: the same where it cuts outputs");
  check(arrives(CUTS, 4097, 3), "get_output_realloc: a buffer that is just full is taken for a cut output");
  check(arrives(SMALL, 100000, 4), "get_output_realloc: a size that cannot be is no size");
  check(arrives(OVERRUNS, 100, 8), "get_output_realloc: a host that always claims a byte more is soon given enough");
  check(arrives(SILENT, 1, 2) && arrives(TELLS, 1, 2), "get_output_realloc: one byte");
  check(arrives(TELLS, 0, 2) && arrives(SILENT, 0, 2), "get_output_realloc: an empty output");

  wasi_nn_output_t output = {NULL, 0, 0};
  starts_over();
  fake.output_len = 1000;
  check(!wasi_nn_get_output_realloc(3, 0, &output), "get_output_realloc: a first output");
  const void *data = output.data;
  check(!wasi_nn_get_output_realloc(3, 0, &output) && output.data == data && fake.calls[GET_OUTPUT] == 3,
        "get_output_realloc: the next of that size allocates nothing and asks nothing");
  fake.output_len = 10;
  check(!wasi_nn_get_output_realloc(3, 0, &output) && output.data == data && output.size == 10,
        "get_output_realloc: a smaller one neither");
  fake.answer[GET_OUTPUT] = WASI_NN_ERRNO_RUNTIME_ERROR;
  check(wasi_nn_get_output_realloc(3, 0, &output) == WASI_NN_ERRNO_RUNTIME_ERROR && output.data == data &&
            output.size == 0 && output.capacity == 1001,
        "get_output_realloc: an error leaves the memory to the caller");
  fake.answer[GET_OUTPUT] = 0;
  fake.output_len = 2000000;
  fake.manner = ENORMOUS;
  check(wasi_nn_get_output_realloc(3, 0, &output) == WASI_NN_ERRNO_TOO_LARGE && output.size == 0 &&
            output.capacity == 1001,
        "get_output_realloc: an announced size over the limit is not allocated");
  fake.manner = SILENT;
  check(wasi_nn_get_output_realloc(3, 0, &output) == WASI_NN_ERRNO_TOO_LARGE && output.size == 0 &&
            output.capacity == WASI_NN_OUTPUT_MAX + 1,
        "get_output_realloc: growing ends at the limit");
  fake.output_len = WASI_NN_OUTPUT_MAX;
  check(!wasi_nn_get_output_realloc(3, 0, &output) && output.size == WASI_NN_OUTPUT_MAX,
        "get_output_realloc: an output of just the limit");
  fake.output_len = 2000;
  free(output.data);
  output.data = NULL;
  output.capacity = 0;
  is_out_of_memory = 1;
  check(wasi_nn_get_output_realloc(3, 0, &output) == WASI_NN_ERRNO_TOO_LARGE && !output.data && output.size == 0 &&
            output.capacity == 0,
        "get_output_realloc: out of memory");
  is_out_of_memory = 0;
  output.capacity = 1001;
  check(wasi_nn_get_output_realloc(3, 0, &output) == WASI_NN_ERRNO_INVALID_ARGUMENT &&
            wasi_nn_get_output_realloc(3, 0, NULL) == WASI_NN_ERRNO_INVALID_ARGUMENT,
        "get_output_realloc: a NULL that should be memory");
}

/* The SHA-256 of no bytes. */
#define OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_load_expected(void) {
  static const char *const hashes[] = {OF_NOTHING, NULL}, *const others[] = {OF_NOTHING, "00"};
  static const wasi_nn_graph_builder_t parts[2] = {{NULL, 0}, {NULL, 0}};
  static const char *const paths[2] = {NULL, NULL};
  wasi_nn_file_error_t wrong;
  wasi_nn_graph_t graph;
  size_t other = 9;
  check(starts_over() && wasi_nn_load_expected(parts, hashes, 2, 0, 0, &graph, &other) == WASI_NN_ERRNO_INVALID_ARGUMENT &&
            other == 1 && fake.calls[LOAD] == 0,
        "load_expected: a NULL hash is nobody's");
  check(wasi_nn_load_expected_file_malloc(paths, others, 2, 0, 0, &graph, &wrong) == WASI_NN_ERRNO_INVALID_ARGUMENT &&
            wrong.path && strcmp(wrong.path, "") == 0 && wrong.code == 0 && fake.calls[LOAD] == 0,
        "load_expected_file: a part that is missing is no error of the host's");
  fake.answer[LOAD] = WASI_NN_ERRNO_BUSY;
  check(wasi_nn_load_expected_file_malloc(paths, hashes, 1, 0, 0, &graph, &wrong) == WASI_NN_ERRNO_BUSY && !wrong.path &&
            fake.calls[LOAD] == 1,
        "load_expected_file: an error of the host's has no path");
}

int main(void) {
  test_hint();
  test_load();
  test_read_file();
  starts_over();
  test_tensors();
  test_run();
  starts_over();
  test_get_output_into();
  starts_over();
  test_output_size();
  test_get_output_realloc();
  test_load_expected();
  printf("end\n");
  return failures > 0;
}
