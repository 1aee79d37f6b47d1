/*
 * Runs one function of wasi_nn_image.h or wasi_nn_math.h: `numbers FUNCTION ARGUMENT...`, data on stdin, result on
 * stdout, as rust/numbers.rs does. Data and result are in memory of just their size, for a sanitizer to watch. In
 * wasm one of the two ends where memory does, so that a byte too far traps: the data, or with -DGUARD_RESULT the result.
 */
#include <stdio.h>
#include <stdlib.h>

#include <wasi_nn_image.h>

enum { MOST = 16 << 20, NUMBERS = 32, POSITIONS = 4096 };

static const char *name;
static double numbers[NUMBERS];
static size_t size; /* of the data, in bytes */
static const void *data;
static void *result;

static void *room(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) exit(3);
  return memory;
}

#ifdef __wasm__
enum { PAGE = 1 << 16 };

static size_t pages; /* of memory, when something was put at its end */

static void *room_at_the_end(size_t bytes) {
  if (__builtin_wasm_memory_grow(0, bytes / PAGE + 1) == SIZE_MAX) exit(3);
  pages = __builtin_wasm_memory_size(0);
  return (void *)(pages * PAGE - bytes);
}
#endif

/* Make room for a result, and guard it or the data. */
static void prepare(size_t bytes) {
#ifndef __wasm__
  result = room(bytes);
#elif defined(GUARD_RESULT)
  result = room_at_the_end(bytes);
#else
  result = room(bytes);
  data = memcpy(room_at_the_end(size), data, size);
#endif
}

static int finish(wasi_nn_errno_t error, size_t bytes) {
#ifdef __wasm__
  if (pages != __builtin_wasm_memory_size(0)) exit(3); /* the end has moved: nothing was guarded */
#endif
  if (!error && fwrite(result, 1, bytes, stdout) != bytes) exit(3);
  return error;
}

/* A function, how many bytes its result has, and the call. */
#define CASE(function, bytes, call) \
  if (strcmp(name, function) == 0) { \
    prepare(bytes); \
    return finish(call, bytes); \
  }

static wasi_nn_errno_t swapped_u8(const wasi_nn_image_t *from, const wasi_nn_image_t *to) {
  const wasi_nn_errno_t error = wasi_nn_image_copy_u8(data, from, to, result);
  return error ? error : wasi_nn_swap_rgb_bgr_u8(to, result);
}

static wasi_nn_errno_t swapped_f32(const wasi_nn_image_t *from, const wasi_nn_image_t *to) {
  const wasi_nn_errno_t error = wasi_nn_image_copy_f32(data, from, to, result);
  return error ? error : wasi_nn_swap_rgb_bgr_f32(to, result);
}

static wasi_nn_errno_t cropped(const wasi_nn_image_t *from, const wasi_nn_image_t *to) {
  wasi_nn_image_t region;
  const wasi_nn_errno_t error =
      wasi_nn_image_crop(from, (size_t)numbers[5], (size_t)numbers[6], to->width, to->height, &region);
  return error ? error : wasi_nn_image_copy_u8(data, &region, to, result);
}

/* Into the middle of a larger picture, from the middle of the other. */
static wasi_nn_errno_t inset(const wasi_nn_image_t *from, const wasi_nn_image_t *to, size_t count) {
  wasi_nn_image_t source, target;
  wasi_nn_errno_t error = wasi_nn_image_crop(from, 1, 1, from->width - 2, from->height - 2, &source);
  if (!error) error = wasi_nn_image_crop(to, 1, 1, to->width - 2, to->height - 2, &target);
  memset(result, 0, count);
  return error ? error : wasi_nn_resize_bilinear_u8(data, &source, &target, result);
}

/* The numbers: width, height, channels, width and height of the result, then what the function takes. */
static int on_image(void) {
  const size_t channels = (size_t)numbers[2], width = (size_t)numbers[3], height = (size_t)numbers[4];
  const size_t plane = width * height, n = plane * channels, from_plane = (size_t)(numbers[0] * numbers[1]);
  float mean[NUMBERS], std[NUMBERS];
  wasi_nn_image_t from, to, grey;
  wasi_nn_errno_t error =
      wasi_nn_image((size_t)numbers[0], (size_t)numbers[1], channels, from_plane * channels, &from);
  if (!error) error = wasi_nn_image(width, height, channels, n, &to);
  if (!error) error = wasi_nn_image(width, height, 1, plane, &grey);
  if (error) return error;
  for (size_t i = 0; 5 + channels + i < NUMBERS && i < channels; i++) {
    mean[i] = (float)numbers[5 + i];
    std[i] = (float)numbers[5 + channels + i];
  }
  CASE("image_nearest", n, wasi_nn_resize_nearest_u8(data, &from, &to, result))
  CASE("image_nearest_f32", 4 * n, wasi_nn_resize_nearest_f32(data, &from, &to, result))
  CASE("image_bilinear", n, wasi_nn_resize_bilinear_u8(data, &from, &to, result))
  CASE("image_bilinear_f32", 4 * n, wasi_nn_resize_bilinear_f32(data, &from, &to, result))
  CASE("image_area", n, wasi_nn_resize_area_u8(data, &from, &to, result))
  CASE("image_area_f32", 4 * n, wasi_nn_resize_area_f32(data, &from, &to, result))
  CASE("image_crop", n, cropped(&from, &to))
  CASE("image_inset", n, inset(&from, &to, n))
  CASE("image_hwc_to_chw", n, wasi_nn_hwc_to_chw_u8(data, &from, n, result))
  CASE("image_hwc_to_chw_f32", 4 * n, wasi_nn_hwc_to_chw_f32(data, &from, n, result))
  CASE("image_chw_to_hwc", n, wasi_nn_chw_to_hwc_u8(data, n, &to, result))
  CASE("image_chw_to_hwc_f32", 4 * n, wasi_nn_chw_to_hwc_f32(data, n, &to, result))
  CASE("image_swap_rgb_bgr", n, swapped_u8(&from, &to))
  CASE("image_swap_rgb_bgr_f32", 4 * n, swapped_f32(&from, &to))
  CASE("image_grey", plane, wasi_nn_grey(data, &from, &grey, result))
  CASE("image_normalise_hwc", 4 * n, wasi_nn_normalise_hwc_u8_f32(data, &from, mean, std, n, result))
  CASE("image_normalise_chw", 4 * n, wasi_nn_normalise_chw_u8_f32(data, &from, mean, std, n, result))
  CASE("image_normalise_hwc_f16", 2 * n, wasi_nn_normalise_hwc_u8_f16(data, &from, mean, std, n, result))
  CASE("image_normalise_chw_f16", 2 * n, wasi_nn_normalise_chw_u8_f16(data, &from, mean, std, n, result))
  CASE("image_normalise_hwc_f32", 4 * n, wasi_nn_normalise_hwc_f32_f32(data, &from, mean, std, n, result))
  CASE("image_normalise_chw_f32", 4 * n, wasi_nn_normalise_chw_f32_f32(data, &from, mean, std, n, result))
  CASE("image_normalise_hwc_f16_f32", 2 * n, wasi_nn_normalise_hwc_f32_f16(data, &from, mean, std, n, result))
  CASE("image_normalise_chw_f16_f32", 2 * n, wasi_nn_normalise_chw_f32_f16(data, &from, mean, std, n, result))
  CASE("image_u8_to_f32", 4 * n, wasi_nn_u8_to_f32(data, n, result))
  CASE("image_u8_to_f16", 2 * n, wasi_nn_u8_to_f16(data, n, result))
  CASE("image_u8_to_i8", n, wasi_nn_u8_to_i8(data, n, result))
  return WASI_NN_ERRNO_UNSUPPORTED_OPERATION;
}

static int narrowed(const size_t *positions, size_t count) {
  uint32_t *narrow = result;
  for (size_t i = 0; i < count; i++) narrow[i] = (uint32_t)positions[i];
  return finish(0, count * sizeof *narrow);
}

static int on_positions(size_t n) {
  static size_t positions[POSITIONS];
  static wasi_nn_score_t best[POSITIONS];
  size_t count;
  prepare(POSITIONS * sizeof(uint32_t));
  if (strcmp(name, "math_argmax") == 0) {
    const wasi_nn_errno_t error = wasi_nn_argmax(data, n, positions);
    return error ? error : narrowed(positions, 1);
  }
  if (strcmp(name, "math_top_k") == 0) {
    count = wasi_nn_top_k(data, n, (size_t)numbers[0], best);
    for (size_t i = 0; i < count; i++) positions[i] = best[i].index;
    return narrowed(positions, count);
  }
  count = wasi_nn_nms(
      data, (const float *)data + n / 5 * 4, n / 5, (float)numbers[0], (float)numbers[1], (size_t)numbers[2], positions);
  return narrowed(positions, count);
}

static int on_numbers(void) {
  const size_t n = size / 4;
  const float scale = (float)numbers[0];
  const int32_t zero = (int32_t)numbers[1];
  CASE("math_softmax", 4 * n, wasi_nn_softmax(data, n, result))
  CASE("math_sigmoid", 4 * n, wasi_nn_sigmoid(data, n, result))
  CASE("math_f32_to_f16", 2 * n, wasi_nn_f32_to_f16(data, n, result))
  CASE("math_f16_to_f32", 2 * size, wasi_nn_f16_to_f32(data, size / 2, result))
  CASE("math_dequantise_u8", 4 * size, wasi_nn_dequantise_u8(data, size, scale, zero, result))
  CASE("math_dequantise_i8", 4 * size, wasi_nn_dequantise_i8(data, size, scale, zero, result))
  CASE("math_dequantise_i32", 4 * n, wasi_nn_dequantise_i32(data, n, scale, zero, result))
  return on_positions(n);
}

int main(int argc, char **argv) {
  void *input = room(MOST);
  if (argc < 2 || argc - 2 > NUMBERS) return 2;
  name = argv[1];
  for (int i = 2; i < argc; i++) numbers[i - 2] = strtod(argv[i], NULL);
  size = fread(input, 1, MOST, stdin);
  input = realloc(input, size ? size : 1);
  if (!input) return 3;
  data = input;
  const int error = strncmp(name, "image_", 6) == 0 ? on_image() : on_numbers();
  if (error) fprintf(stderr, "error %d\n", error);
  return error || fflush(stdout) != 0;
}
