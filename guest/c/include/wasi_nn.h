/**
 * wasi_nn.h: what a WASI-NN guest in C or C++ does around the six calls. Everything in the interface itself
 * (`wasi_nn_load`, `wasi_nn_compute`, the types, the constants) comes from wasi_ephemeral_nn.h, included here.
 *
 * A whole classification, for a model that takes f32 [1,3,227,227] and answers 1000 scores:
 *
 *     static float pixels[3 * 227 * 227], scores[1000];          // large: not on the 64 KB wasm stack
 *     const uint32_t shape[] = {1, 3, 227, 227};
 *     wasi_nn_errno_t error = wasi_nn_load_named("squeezenet", &graph);
 *     if (!error) error = wasi_nn_init_execution_context(graph, &context);
 *     if (!error) error = wasi_nn_tensor_f32(shape, 4, pixels, 3 * 227 * 227, &input);
 *     if (!error) error = wasi_nn_run(context, &input, 1);
 *     if (!error) error = wasi_nn_get_output_into(context, 0, scores, sizeof scores, &size);
 *     if (error) fprintf(stderr, "wasi-nn: %s; %s\n", wasi_nn_strerror(error), wasi_nn_error_hint(error));
 *     else best_count = wasi_nn_top_k(scores, size / sizeof *scores, 5, best); // wasi_nn_math.h
 *
 * Rules that hold for the whole header:
 * - Header-only, C99 and later and C++17. It needs libc; what is not called is not linked.
 * - Nothing allocates unless its name ends in `_malloc` or `_realloc`.
 * - Pointers are borrowed for the call, unless the function says otherwise. Outputs come last.
 * - A pointer may be NULL where its count is 0 or the function says so. Any other NULL gives
 *   `invalid_argument`, before the host is called; the functions of wasi_ephemeral_nn.h leave that to the host.
 * - Graphs and contexts are numbers, free to copy. They live until the guest ends: the interface has no call to
 *   release one. Some hosts have: see wasi_nn_extensions.h.
 * - An element's bytes are little-endian on the wire; so is wasm memory, hence arrays go as they are.
 */
#ifndef WASI_NN_H
#define WASI_NN_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasi_ephemeral_nn.h"

/* ---- Errors ---------------------------------------------------------------------------------------- */

/**
 * Describe an error in a few lower-case words, without a full stop.
 *
 * @param error What a call returned. A code this header does not know gives "unknown error"; print the number
 *        beside it, since hosts have codes of their own.
 * @return A string constant; never NULL, not to be freed.
 */
static inline const char *wasi_nn_strerror(wasi_nn_errno_t error);

/**
 * Say what to try against an error, in one lower-case sentence without a full stop.
 *
 * @param error What a call returned.
 * @return A string constant; never NULL, not to be freed. Empty for success.
 */
static inline const char *wasi_nn_error_hint(wasi_nn_errno_t error);

/* ---- Loading a model ------------------------------------------------------------------------------- */

/**
 * Load the graph that the host's operator registered under a name: `wasi_nn_load_by_name` for a C string.
 *
 * @param name The name, UTF-8, ended by a NUL. It is never a path.
 * @param graph_out The graph's handle. Undefined on error.
 * @return 0 on success, else the error.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_load_named(const char *name, wasi_nn_graph_t *graph_out);

/**
 * Load a graph from bytes: `wasi_nn_load` for the one or two parts that the encodings have.
 *
 * The host reads the bytes during the call only; they may be freed or changed afterwards.
 *
 * @param model The model: an IR's XML, or the one part of any other encoding.
 * @param model_len How many bytes it has.
 * @param weights An IR's weights; NULL, with a length of 0, for an encoding of one part.
 * @param weights_len How many bytes they have.
 * @param encoding The format of the model.
 * @param target The kind of device to execute on.
 * @param graph_out The graph's handle. Undefined on error.
 * @return 0 on success, else the error.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_load_bytes(
    const void *model,
    size_t model_len,
    const void *weights,
    size_t weights_len,
    wasi_nn_graph_encoding_t encoding,
    wasi_nn_execution_target_t target,
    wasi_nn_graph_t *graph_out);

/** The largest model file, in bytes, that `wasi_nn_load_file_malloc` reads; define it first to choose your own. */
#ifndef WASI_NN_MODEL_FILE_MAX
#define WASI_NN_MODEL_FILE_MAX ((size_t)1 << 30)
#endif

/** Which file could not be read, and why. */
typedef struct wasi_nn_file_error_t {
  /** The path as the caller passed it, not a copy; NULL when no file is to blame. */
  const char *path;
  /** An `errno` value, for `strerror`; 0 when no file is to blame. */
  int code;
} wasi_nn_file_error_t;

/**
 * Load a graph from files the guest may open.
 *
 * The files are held in `malloc`ed memory during the call and freed before it returns.
 *
 * @param model_path The model: an IR's XML, or the one file of any other encoding.
 * @param weights_path An IR's weights; NULL for an encoding of one file.
 * @param encoding The format of the model.
 * @param target The kind of device to execute on.
 * @param graph_out The graph's handle. Undefined on error.
 * @param file_error_out Names the file that could not be read, else its `path` is NULL: then the error is
 *        the host's answer to the bytes. NULL when the caller does not want to know.
 * @return 0 on success; for a file that cannot be read `too_large` (over `WASI_NN_MODEL_FILE_MAX` or out of
 *         memory) or `invalid_argument` (anything else); else the host's error.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_load_file_malloc(
    const char *model_path,
    const char *weights_path,
    wasi_nn_graph_encoding_t encoding,
    wasi_nn_execution_target_t target,
    wasi_nn_graph_t *graph_out,
    wasi_nn_file_error_t *file_error_out);

/* ---- Tensors --------------------------------------------------------------------------------------- */

/**
 * Make a tensor over an array of floats.
 *
 * The tensor points at `dimensions` and `data` and copies neither: both must stay as they are until `compute`
 * has returned, since some hosts read them only then.
 *
 * @param dimensions The extent of each dimension, outermost first.
 * @param rank How many dimensions; 0 for a scalar.
 * @param data The elements, row-major, in the layout the model was trained with.
 * @param count How many floats `data` has: the product of the dimensions.
 * @param tensor_out The tensor. All zero on error.
 * @return 0 on success, `invalid_argument` when `count` is not the product of the dimensions, `too_large` when
 *         that product in bytes does not fit a `size_t`. Checked here because hosts have been seen to crash on it.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_tensor_f32(
    const uint32_t *dimensions, size_t rank, const float *data, size_t count, wasi_nn_tensor_t *tensor_out);

/** As `wasi_nn_tensor_f32`, over half-precision numbers: each a `uint16_t` that holds its bits. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_tensor_f16(
    const uint32_t *dimensions, size_t rank, const uint16_t *data, size_t count, wasi_nn_tensor_t *tensor_out);

/** As `wasi_nn_tensor_f32`, over doubles. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_tensor_f64(
    const uint32_t *dimensions, size_t rank, const double *data, size_t count, wasi_nn_tensor_t *tensor_out);

/** As `wasi_nn_tensor_f32`, over unsigned bytes. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_tensor_u8(
    const uint32_t *dimensions, size_t rank, const uint8_t *data, size_t count, wasi_nn_tensor_t *tensor_out);

/** As `wasi_nn_tensor_f32`, over 32-bit integers. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_tensor_i32(
    const uint32_t *dimensions, size_t rank, const int32_t *data, size_t count, wasi_nn_tensor_t *tensor_out);

/** As `wasi_nn_tensor_f32`, over 64-bit integers. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_tensor_i64(
    const uint32_t *dimensions, size_t rank, const int64_t *data, size_t count, wasi_nn_tensor_t *tensor_out);

/**
 * Make a tensor of any element type. As `wasi_nn_tensor_f32`, but the length is in bytes.
 *
 * @param type The type of the elements.
 * @param dimensions The extent of each dimension, outermost first.
 * @param rank How many dimensions; 0 for a scalar.
 * @param data The elements, row-major; any alignment.
 * @param data_len How many bytes `data` has: the product of the dimensions times the element size.
 * @param tensor_out The tensor. All zero on error.
 * @return 0 on success, `invalid_argument` for an unknown type or another length, `too_large` when the length
 *         does not fit a `size_t`.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_tensor(
    wasi_nn_tensor_type_t type,
    const uint32_t *dimensions,
    size_t rank,
    const void *data,
    size_t data_len,
    wasi_nn_tensor_t *tensor_out);

/**
 * Compute how many bytes a tensor's elements take: for sizing a buffer.
 *
 * @param type The type of the elements.
 * @param dimensions The extent of each dimension. One of 0 makes the size 0, whatever the others are.
 * @param rank How many dimensions; 0 for a scalar, which is one element.
 * @param size_out The size in bytes. 0 on error.
 * @return 0 on success, `invalid_argument` for an unknown type, `too_large` when it does not fit a `size_t`.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_tensor_size(
    wasi_nn_tensor_type_t type, const uint32_t *dimensions, size_t rank, size_t *size_out);

/** Return the bytes one element of this type takes; 0 for an unknown type. */
static inline size_t wasi_nn_element_size(wasi_nn_tensor_type_t type);

/* ---- Running a model ------------------------------------------------------------------------------- */

/**
 * Bind the inputs, the first to index 0, and run the model. Inputs bound before at other indices stay.
 *
 * @param context The context to run.
 * @param inputs The tensors; what they point at must be there during the call.
 * @param count How many.
 * @return 0 on success, else the error of the first call that failed.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_run(
    wasi_nn_graph_execution_context_t context, const wasi_nn_tensor_t *inputs, size_t count);

/**
 * Copy an output into the caller's memory: `wasi_nn_get_output`, for a buffer of any type.
 *
 * @param context The context that computed.
 * @param index Which output: 0 is the model's first.
 * @param buffer Where the bytes go. Undefined on error; behind the output's last byte it stays as it was.
 * @param capacity How many bytes fit there.
 * @param size_out How many bytes the output has. On `too_large` how many it needs, and 0 where the host does
 *        not say; on any other error 0.
 * @return 0 on success, else the error: `too_large` when the output does not fit, also where the host says that
 *         it wrote more than there was room for.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_get_output_into(
    wasi_nn_graph_execution_context_t context, uint32_t index, void *buffer, size_t capacity, size_t *size_out);

/**
 * Ask how many bytes an output has.
 *
 * @param context The context that computed.
 * @param index Which output: 0 is the model's first.
 * @param size_out The size in bytes; 0 when the output is empty or the host does not say. 0 on error.
 * @return 0 on success, else the error.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_output_size(
    wasi_nn_graph_execution_context_t context, uint32_t index, size_t *size_out);

/** The largest output, in bytes, that `wasi_nn_get_output_realloc` takes; define it first to choose your own. */
#ifndef WASI_NN_OUTPUT_MAX
#define WASI_NN_OUTPUT_MAX ((size_t)1 << 30)
#endif

/** An output in `malloc`ed memory. All zero to begin with; the caller frees `data` with `free` in the end. */
typedef struct wasi_nn_output_t {
  /** The bytes, aligned for any element type. */
  void *data;
  /** How many bytes the output has. */
  size_t size;
  /** How many bytes are allocated. */
  size_t capacity;
} wasi_nn_output_t;

/**
 * Copy an output of any size, making the memory larger when it has to be.
 *
 * Where the host tells the size this allocates once; where not, 4 KiB, then eight times that, and so on. Hand in
 * the same `output` for output after output: what is allocated is used again. Earlier bytes are not kept.
 *
 * @param context The context that computed.
 * @param index Which output: 0 is the model's first.
 * @param output The output. On error its size is 0, and the caller still owns what is allocated.
 * @return 0 on success, else the error: `too_large` over `WASI_NN_OUTPUT_MAX` and when out of memory.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_get_output_realloc(
    wasi_nn_graph_execution_context_t context, uint32_t index, wasi_nn_output_t *output);

/* ---- Files ----------------------------------------------------------------------------------------- */

/**
 * Read a whole file: models, labels, inputs.
 *
 * @param path The file; it must be seekable (a pipe is not) and under 2 GiB.
 * @param max_size The largest size to accept, in bytes.
 * @param data_out The bytes, and one NUL after them; the caller frees it with `free`. NULL on error.
 * @param size_out How many bytes, without that NUL. 0 on error.
 * @return 0 on success, else an `errno` value for `strerror`: `EFBIG` when over `max_size`, `ENOMEM` when out
 *         of memory, `EIO` when the file ends early, else what `fopen`, `fseek`, `ftell` or `fread` gave.
 */
WASI_NN_MUST_CHECK
static inline int wasi_nn_read_file_malloc(
    const char *path, size_t max_size, uint8_t **data_out, size_t *size_out);

/* ==== Implementation: nothing below here is needed to use the header ================================ */

static inline const char *wasi_nn_strerror(wasi_nn_errno_t error) {
  switch (error) {
    case WASI_NN_ERRNO_SUCCESS: return "success";
    case WASI_NN_ERRNO_INVALID_ARGUMENT: return "invalid argument";
    case WASI_NN_ERRNO_INVALID_ENCODING: return "the host has no backend for this model format";
    case WASI_NN_ERRNO_MISSING_MEMORY: return "the guest exports no memory named `memory`";
    case WASI_NN_ERRNO_BUSY: return "the host is out of graphs or contexts";
    case WASI_NN_ERRNO_RUNTIME_ERROR: return "the host's backend failed";
    case WASI_NN_ERRNO_UNSUPPORTED_OPERATION: return "the host does not support this";
    case WASI_NN_ERRNO_TOO_LARGE: return "too large";
    case WASI_NN_ERRNO_NOT_FOUND: return "no graph is registered under this name";
    default: return "unknown error";
  }
}

static inline const char *wasi_nn_error_hint(wasi_nn_errno_t error) {
  switch (error) {
    case WASI_NN_ERRNO_SUCCESS: return "";
    case WASI_NN_ERRNO_INVALID_ARGUMENT: return "compare index, shape and element type with the model's ports";
    case WASI_NN_ERRNO_INVALID_ENCODING:
      return "convert the model to a format the host reads, or name its own encoding";
    case WASI_NN_ERRNO_MISSING_MEMORY: return "link the guest so that it exports its memory";
    case WASI_NN_ERRNO_BUSY: return "make graphs and contexts once and use them again";
    case WASI_NN_ERRNO_RUNTIME_ERROR:
      return "set every input before compute, compute before an output, and load a whole model";
    case WASI_NN_ERRNO_UNSUPPORTED_OPERATION: return "try the target cpu, or a host that has this call";
    case WASI_NN_ERRNO_TOO_LARGE: return "use a larger buffer, a smaller tensor, or raise the host's limit";
    case WASI_NN_ERRNO_NOT_FOUND: return "register the model with the host under exactly this name";
    default: return "the code is one of this host's own; see its documentation";
  }
}

static inline wasi_nn_errno_t wasi_nn_load_named(const char *name, wasi_nn_graph_t *graph_out) {
  if (!name || !graph_out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  return wasi_nn_load_by_name(name, strlen(name), graph_out);
}

static inline wasi_nn_errno_t wasi_nn_load_bytes(
    const void *model,
    size_t model_len,
    const void *weights,
    size_t weights_len,
    wasi_nn_graph_encoding_t encoding,
    wasi_nn_execution_target_t target,
    wasi_nn_graph_t *graph_out) {
  wasi_nn_graph_builder_t parts[2];
  if (!graph_out || (!model && model_len) || (!weights && weights_len)) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  parts[0].ptr = (const uint8_t *)model;
  parts[0].len = model_len;
  parts[1].ptr = (const uint8_t *)weights;
  parts[1].len = weights_len;
  return wasi_nn_load(parts, weights ? 2 : 1, encoding, target, graph_out);
}

static inline wasi_nn_errno_t wasi_nn_load_file_malloc(
    const char *model_path,
    const char *weights_path,
    wasi_nn_graph_encoding_t encoding,
    wasi_nn_execution_target_t target,
    wasi_nn_graph_t *graph_out,
    wasi_nn_file_error_t *file_error_out) {
  const char *paths[2];
  uint8_t *data[2] = {NULL, NULL};
  size_t sizes[2] = {0, 0};
  const size_t count = weights_path ? 2 : 1;
  size_t i;
  wasi_nn_file_error_t file_error = {NULL, 0};
  wasi_nn_errno_t error = WASI_NN_ERRNO_SUCCESS;
  if (file_error_out) *file_error_out = file_error;
  if (!model_path || !graph_out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  paths[0] = model_path;
  paths[1] = weights_path;
  for (i = 0; i < count && !file_error.path; i++) {
    file_error.code = wasi_nn_read_file_malloc(paths[i], WASI_NN_MODEL_FILE_MAX, &data[i], &sizes[i]);
    if (file_error.code) file_error.path = paths[i];
  }
  if (!file_error.path) {
    error = wasi_nn_load_bytes(data[0], sizes[0], data[1], sizes[1], encoding, target, graph_out);
  } else if (file_error.code == EFBIG || file_error.code == ENOMEM) {
    error = WASI_NN_ERRNO_TOO_LARGE;
  } else {
    error = WASI_NN_ERRNO_INVALID_ARGUMENT;
  }
  free(data[0]);
  free(data[1]);
  if (file_error_out) *file_error_out = file_error;
  return error;
}

/* As `wasi_nn_tensor`, but the length is in elements. Not part of the interface of this header. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_tensor_counted_(
    wasi_nn_tensor_type_t type,
    const uint32_t *dimensions,
    size_t rank,
    const void *data,
    size_t count,
    wasi_nn_tensor_t *tensor_out) {
  const size_t size = wasi_nn_element_size(type);
  /* A count whose bytes overflow is no real array; SIZE_MAX then stands for it: being odd, it fits no shape. */
  const size_t data_len = count > SIZE_MAX / size ? SIZE_MAX : count * size;
  return wasi_nn_tensor(type, dimensions, rank, data, data_len, tensor_out);
}

static inline wasi_nn_errno_t wasi_nn_tensor_f32(
    const uint32_t *dimensions, size_t rank, const float *data, size_t count, wasi_nn_tensor_t *tensor_out) {
  return wasi_nn_tensor_counted_(WASI_NN_TENSOR_TYPE_F32, dimensions, rank, data, count, tensor_out);
}

static inline wasi_nn_errno_t wasi_nn_tensor_f16(
    const uint32_t *dimensions, size_t rank, const uint16_t *data, size_t count, wasi_nn_tensor_t *tensor_out) {
  return wasi_nn_tensor_counted_(WASI_NN_TENSOR_TYPE_F16, dimensions, rank, data, count, tensor_out);
}

static inline wasi_nn_errno_t wasi_nn_tensor_f64(
    const uint32_t *dimensions, size_t rank, const double *data, size_t count, wasi_nn_tensor_t *tensor_out) {
  return wasi_nn_tensor_counted_(WASI_NN_TENSOR_TYPE_F64, dimensions, rank, data, count, tensor_out);
}

static inline wasi_nn_errno_t wasi_nn_tensor_u8(
    const uint32_t *dimensions, size_t rank, const uint8_t *data, size_t count, wasi_nn_tensor_t *tensor_out) {
  return wasi_nn_tensor_counted_(WASI_NN_TENSOR_TYPE_U8, dimensions, rank, data, count, tensor_out);
}

static inline wasi_nn_errno_t wasi_nn_tensor_i32(
    const uint32_t *dimensions, size_t rank, const int32_t *data, size_t count, wasi_nn_tensor_t *tensor_out) {
  return wasi_nn_tensor_counted_(WASI_NN_TENSOR_TYPE_I32, dimensions, rank, data, count, tensor_out);
}

static inline wasi_nn_errno_t wasi_nn_tensor_i64(
    const uint32_t *dimensions, size_t rank, const int64_t *data, size_t count, wasi_nn_tensor_t *tensor_out) {
  return wasi_nn_tensor_counted_(WASI_NN_TENSOR_TYPE_I64, dimensions, rank, data, count, tensor_out);
}

static inline wasi_nn_errno_t wasi_nn_tensor(
    wasi_nn_tensor_type_t type,
    const uint32_t *dimensions,
    size_t rank,
    const void *data,
    size_t data_len,
    wasi_nn_tensor_t *tensor_out) {
  size_t size;
  wasi_nn_errno_t error = wasi_nn_tensor_size(type, dimensions, rank, &size);
  if (!tensor_out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  /* Clears the padding too: hosts may read the type as a 32-bit word. */
  memset(tensor_out, 0, sizeof *tensor_out);
  if (error) return error;
  if (size != data_len || (!data && data_len)) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  tensor_out->dimensions.ptr = dimensions;
  tensor_out->dimensions.len = rank;
  tensor_out->type = type;
  tensor_out->data.ptr = (const uint8_t *)data;
  tensor_out->data.len = data_len;
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_tensor_size(
    wasi_nn_tensor_type_t type, const uint32_t *dimensions, size_t rank, size_t *size_out) {
  size_t size = wasi_nn_element_size(type);
  size_t i;
  if (!size_out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  *size_out = 0;
  if (size == 0 || (!dimensions && rank)) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  /* First, so that the answer does not depend on where among large extents the 0 stands. */
  for (i = 0; i < rank; i++) {
    if (dimensions[i] == 0) return WASI_NN_ERRNO_SUCCESS;
  }
  for (i = 0; i < rank; i++) {
    if (size > SIZE_MAX / dimensions[i]) return WASI_NN_ERRNO_TOO_LARGE;
    size *= dimensions[i];
  }
  *size_out = size;
  return WASI_NN_ERRNO_SUCCESS;
}

static inline size_t wasi_nn_element_size(wasi_nn_tensor_type_t type) {
  switch (type) {
    case WASI_NN_TENSOR_TYPE_F16: return 2;
    case WASI_NN_TENSOR_TYPE_F32: return 4;
    case WASI_NN_TENSOR_TYPE_F64: return 8;
    case WASI_NN_TENSOR_TYPE_U8: return 1;
    case WASI_NN_TENSOR_TYPE_I32: return 4;
    case WASI_NN_TENSOR_TYPE_I64: return 8;
    default: return 0;
  }
}

static inline wasi_nn_errno_t wasi_nn_run(
    wasi_nn_graph_execution_context_t context, const wasi_nn_tensor_t *inputs, size_t count) {
  size_t i;
  if ((!inputs && count) || count > UINT32_MAX) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  for (i = 0; i < count; i++) {
    wasi_nn_errno_t error = wasi_nn_set_input(context, (uint32_t)i, &inputs[i]);
    if (error) return error;
  }
  return wasi_nn_compute(context);
}

static inline wasi_nn_errno_t wasi_nn_get_output_into(
    wasi_nn_graph_execution_context_t context, uint32_t index, void *buffer, size_t capacity, size_t *size_out) {
  const wasi_nn_buffer_size_t room = capacity > UINT32_MAX ? UINT32_MAX : (wasi_nn_buffer_size_t)capacity;
  wasi_nn_buffer_size_t size = 0; /* Some hosts write nothing on an error. */
  wasi_nn_errno_t error;
  if (!size_out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  *size_out = 0;
  if (!buffer && capacity) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  error = wasi_nn_get_output(context, index, (uint8_t *)buffer, room, &size);
  if (!error && size > room) error = WASI_NN_ERRNO_TOO_LARGE;
  if (!error || error == WASI_NN_ERRNO_TOO_LARGE) *size_out = size;
  return error;
}

static inline wasi_nn_errno_t wasi_nn_output_size(
    wasi_nn_graph_execution_context_t context, uint32_t index, size_t *size_out) {
  wasi_nn_errno_t error = wasi_nn_get_output_into(context, index, NULL, 0, size_out);
  /* Success with 0 is an empty output, or a host that cuts an output to the room there is. */
  return error == WASI_NN_ERRNO_TOO_LARGE ? WASI_NN_ERRNO_SUCCESS : error;
}

/* What to allocate where `capacity` was too little: what the host says it needs, else eight times as much. At least
   twice as much, so that it soon ends whatever a host says. */
static inline size_t wasi_nn_larger_(size_t capacity, size_t needed) {
  const size_t most = WASI_NN_OUTPUT_MAX;
  if (needed > capacity) {
    const size_t twice = capacity > most / 2 ? most : 2 * capacity;
    return needed > twice ? needed : twice;
  }
  if (capacity == 0) return most < 4096 ? most : 4096;
  return capacity > most / 8 ? most : 8 * capacity;
}

static inline wasi_nn_errno_t wasi_nn_get_output_realloc(
    wasi_nn_graph_execution_context_t context, uint32_t index, wasi_nn_output_t *output) {
  if (!output) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  output->size = 0;
  for (;;) { /* Ends: each turn has more room than the one before, and there is a most. */
    size_t size;
    size_t capacity;
    wasi_nn_errno_t error = wasi_nn_get_output_into(context, index, output->data, output->capacity, &size);
    if (error && error != WASI_NN_ERRNO_TOO_LARGE) return error;
    /* A full buffer may be all a host had room for: one byte must be left, and is allocated below. */
    if (!error && size < output->capacity) {
      output->size = size;
      return WASI_NN_ERRNO_SUCCESS;
    }
    capacity = wasi_nn_larger_(output->capacity, size);
    if (capacity > WASI_NN_OUTPUT_MAX || capacity < output->capacity || capacity == SIZE_MAX) {
      return WASI_NN_ERRNO_TOO_LARGE;
    }
    free(output->data);
    output->capacity = 0;
    output->data = malloc(capacity + 1);
    if (!output->data) return WASI_NN_ERRNO_TOO_LARGE;
    output->capacity = capacity + 1;
  }
}

static inline int wasi_nn_read_file_malloc(
    const char *path, size_t max_size, uint8_t **data_out, size_t *size_out) {
  uint8_t *data = NULL;
  size_t size = 0;
  int code = 0;
  long end = -1;
  FILE *file;
  if (data_out) *data_out = NULL;
  if (size_out) *size_out = 0;
  if (!path || !data_out || !size_out) return EINVAL;
  errno = 0;
  file = fopen(path, "rb");
  if (!file) return errno ? errno : EIO;
  if (fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0) {
    code = errno ? errno : EIO;
  } else if ((unsigned long)end > max_size || (unsigned long)end >= SIZE_MAX) {
    code = EFBIG;
  } else if (!(data = (uint8_t *)malloc((size_t)end + 1))) {
    code = ENOMEM;
  } else {
    size = (size_t)end;
    if (fread(data, 1, size, file) != size) code = ferror(file) && errno ? errno : EIO;
  }
  fclose(file); /* Only read from, so there is nothing left that could fail. */
  if (code) {
    free(data);
    return code;
  }
  data[size] = 0;
  *data_out = data;
  *size_out = size;
  return 0;
}

#endif /* WASI_NN_H */
