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
 *     if (!error) error = wasi_nn_set_input(context, 0, &input);
 *     if (!error) error = wasi_nn_compute(context);
 *     if (!error) error = wasi_nn_get_output(context, 0, (uint8_t *)scores, sizeof scores, &size);
 *     if (error) fprintf(stderr, "wasi-nn: %s\n", wasi_nn_strerror(error));
 *     else best_count = wasi_nn_top_k(scores, size / sizeof *scores, 5, best);
 *
 * Rules that hold for the whole header:
 * - Header-only, C99 and later and C++17. It needs libc; what is not called is not linked.
 * - Nothing allocates unless its name ends in `_malloc`.
 * - Pointers are borrowed for the call, unless the function says otherwise. Outputs come last.
 * - No pointer may be NULL, unless the function says so or its count is 0.
 * - An element's bytes are little-endian on the wire; so is wasm memory, hence arrays go as they are.
 */
#ifndef WASI_NN_H
#define WASI_NN_H

#include <errno.h>
#include <math.h>
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

/* ---- Reading scores -------------------------------------------------------------------------------- */

/**
 * Turn logits into probabilities: out[i] = exp(in[i]) / sum of all exp(in[j]), without overflow.
 *
 * Not for a model that ends in a softmax already: its scores add up to 1.
 * A NaN among the inputs makes every output NaN. Infinities are limits: where there is +inf, those elements
 * share 1 equally and the others get 0; -inf gets 0, unless all are -inf: then each gets 1/n.
 * (`-ffast-math` voids these promises.)
 *
 * @param in The logits.
 * @param out The probabilities. May be `in`; must not overlap it otherwise.
 * @param n How many; 0 does nothing.
 */
static inline void wasi_nn_softmax(const float *in, float *out, size_t n);

/** A class and its score. */
typedef struct wasi_nn_score_t {
  /** The position among the scores: the class number. */
  size_t index;
  float score;
} wasi_nn_score_t;

/**
 * Find the k highest scores, best first. Equal scores keep their order; NaN comes after every number.
 *
 * It is meant for a small k: it takes n * k steps at worst.
 *
 * @param scores The scores; any scale.
 * @param n How many scores.
 * @param k How many are wanted.
 * @param best_out Room for min(n, k) results.
 * @return How many there are: min(n, k).
 */
static inline size_t wasi_nn_top_k(const float *scores, size_t n, size_t k, wasi_nn_score_t *best_out);

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

static inline wasi_nn_errno_t wasi_nn_load_named(const char *name, wasi_nn_graph_t *graph_out) {
  return wasi_nn_load_by_name(name, strlen(name), graph_out);
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
  wasi_nn_graph_builder_t parts[2];
  const size_t count = weights_path ? 2 : 1;
  size_t i;
  wasi_nn_file_error_t file_error = {NULL, 0};
  wasi_nn_errno_t error = WASI_NN_ERRNO_SUCCESS;
  paths[0] = model_path;
  paths[1] = weights_path;
  for (i = 0; i < count && !file_error.path; i++) {
    file_error.code = wasi_nn_read_file_malloc(paths[i], WASI_NN_MODEL_FILE_MAX, &data[i], &parts[i].len);
    if (file_error.code) file_error.path = paths[i];
    parts[i].ptr = data[i];
  }
  if (!file_error.path) {
    error = wasi_nn_load(parts, count, encoding, target, graph_out);
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

static inline wasi_nn_errno_t wasi_nn_tensor_f32(
    const uint32_t *dimensions, size_t rank, const float *data, size_t count, wasi_nn_tensor_t *tensor_out) {
  /* A count whose bytes overflow is no real array; SIZE_MAX then stands for it: no multiple of 4, so no shape fits. */
  const size_t data_len = count > SIZE_MAX / sizeof *data ? SIZE_MAX : count * sizeof *data;
  return wasi_nn_tensor(WASI_NN_TENSOR_TYPE_F32, dimensions, rank, data, data_len, tensor_out);
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
  /* Clears the padding too: hosts may read the type as a 32-bit word. */
  memset(tensor_out, 0, sizeof *tensor_out);
  if (error) return error;
  if (size != data_len) return WASI_NN_ERRNO_INVALID_ARGUMENT;
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
  *size_out = 0;
  if (size == 0) return WASI_NN_ERRNO_INVALID_ARGUMENT;
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

static inline void wasi_nn_softmax(const float *in, float *out, size_t n) {
  float max;
  double sum = 0;
  size_t i;
  if (n == 0) return;
  max = in[0];
  for (i = 1; i < n; i++) {
    if (in[i] > max) max = in[i];
  }
  for (i = 0; i < n; i++) {
    /* Without the comparison an infinite maximum would give inf - inf. A NaN is equal to nothing and spreads. */
    out[i] = in[i] == max ? 1.0f : expf(in[i] - max);
    sum += (double)out[i];
  }
  for (i = 0; i < n; i++) out[i] = (float)((double)out[i] / sum);
}

static inline size_t wasi_nn_top_k(const float *scores, size_t n, size_t k, wasi_nn_score_t *best_out) {
  size_t count = 0;
  size_t i;
  if (k == 0) return 0;
  for (i = 0; i < n; i++) {
    const float score = scores[i];
    const int is_nan = score != score;
    size_t at = count;
    /* `!(a >= b)` also holds when `a` is NaN, so a number passes every NaN and stops at its equals. */
    while (at > 0 && !is_nan && !(best_out[at - 1].score >= score)) at--;
    if (at == k) continue;
    if (count < k) count++;
    memmove(&best_out[at + 1], &best_out[at], (count - 1 - at) * sizeof *best_out);
    best_out[at].index = i;
    best_out[at].score = score;
  }
  return count;
}

static inline int wasi_nn_read_file_malloc(
    const char *path, size_t max_size, uint8_t **data_out, size_t *size_out) {
  uint8_t *data = NULL;
  size_t size = 0;
  int code = 0;
  long end = -1;
  FILE *file;
  *data_out = NULL;
  *size_out = 0;
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
