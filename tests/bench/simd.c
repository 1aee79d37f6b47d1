/* Times the functions of wasi_nn_image.h and wasi_nn_math.h: a line each, name and nanoseconds of the fastest call. */
#include <stdio.h>
#include <time.h>

#include <wasi_nn_image.h>

enum { WIDTH = 640, HEIGHT = 480, SIDE = 224, CLASSES = 1000, PIXELS = SIDE * SIDE, INPUT = 3 * PIXELS };

static uint8_t photo[WIDTH * HEIGHT * 3], small[INPUT], planes[INPUT];
static float photo_f32[WIDTH * HEIGHT * 3], input[INPUT], wide[INPUT];
static uint16_t halves[INPUT];
static int8_t signed_bytes[INPUT];
static float scores[CLASSES], results[CLASSES];

static uint64_t now(void) {
  struct timespec time;
  if (clock_gettime(CLOCK_MONOTONIC, &time)) return 0;
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static const wasi_nn_image_t from = {WIDTH, HEIGHT, 3, WIDTH * 3, 0}, to = {SIDE, SIDE, 3, SIDE * 3, 0};
static const wasi_nn_image_t grey = {SIDE, SIDE, 1, SIDE, 0};
static const float mean[] = {123.675f, 116.28f, 103.53f}, std[] = {58.395f, 57.12f, 57.375f};

/* Not static: what nobody reads would not be computed. */
extern size_t position;
extern wasi_nn_score_t top[5];
size_t position;
wasi_nn_score_t top[5];

/* Times a call, which returns 0, in many short turns; the fastest counts: the others were interrupted. */
#define TIME(name, call) \
  { \
    const uint64_t end = now() + 40000000; \
    uint64_t best = UINT64_MAX, begin = now(), after; \
    unsigned repeat = 1, failed = 0; \
    for (; begin < end; begin = after) { \
      for (unsigned i = 0; i < repeat; i++) { \
        failed |= (call) != 0; \
        __asm__ volatile("" ::: "memory"); \
      } \
      after = now(); \
      if ((after - begin) / repeat < best) best = (after - begin) / repeat; \
      if (after - begin < 200000) repeat *= 2; \
    } \
    if (failed) return 1; \
    printf("%s\t%llu\n", name, (unsigned long long)best); \
  }

static int time_sizes(void) {
  TIME("resize nearest, u8", wasi_nn_resize_nearest_u8(photo, &from, &to, small))
  TIME("resize bilinear, u8", wasi_nn_resize_bilinear_u8(photo, &from, &to, small))
  TIME("resize bilinear, f32", wasi_nn_resize_bilinear_f32(photo_f32, &from, &to, input))
  TIME("resize area, u8", wasi_nn_resize_area_u8(photo, &from, &to, small))
  TIME("resize area, f32", wasi_nn_resize_area_f32(photo_f32, &from, &to, input))
  return 0;
}

static int time_layouts(void) {
  TIME("HWC to CHW, u8", wasi_nn_hwc_to_chw_u8(small, &to, INPUT, planes))
  TIME("CHW to HWC, u8", wasi_nn_chw_to_hwc_u8(planes, INPUT, &to, small))
  TIME("RGB to BGR, u8", wasi_nn_swap_rgb_bgr_u8(&to, small))
  TIME("grey", wasi_nn_grey(small, &to, &grey, planes))
  TIME("normalise HWC, u8 to f32", wasi_nn_normalise_hwc_u8_f32(small, &to, mean, std, INPUT, input))
  TIME("normalise CHW, u8 to f32", wasi_nn_normalise_chw_u8_f32(small, &to, mean, std, INPUT, input))
  TIME("normalise CHW, u8 to f16", wasi_nn_normalise_chw_u8_f16(small, &to, mean, std, INPUT, halves))
  return 0;
}

static int time_numbers(void) {
  TIME("u8 to f32", wasi_nn_u8_to_f32(small, INPUT, input))
  TIME("u8 to f16", wasi_nn_u8_to_f16(small, INPUT, halves))
  TIME("u8 to i8", wasi_nn_u8_to_i8(small, INPUT, signed_bytes))
  TIME("f32 to f16", wasi_nn_f32_to_f16(wide, INPUT, halves))
  TIME("f16 to f32", wasi_nn_f16_to_f32(halves, INPUT, input))
  TIME("dequantise u8", wasi_nn_dequantise_u8(small, INPUT, 0.5f, 3, input))
  TIME("dequantise i32", wasi_nn_dequantise_i32((const int32_t *)(const void *)wide, INPUT, 0.5f, 3, input))
  TIME("softmax", wasi_nn_softmax(scores, CLASSES, results))
  TIME("sigmoid", wasi_nn_sigmoid(scores, CLASSES, results))
  TIME("argmax", wasi_nn_argmax(scores, CLASSES, &position))
  TIME("top 5", wasi_nn_top_k(scores, CLASSES, 5, top) != 5)
  return 0;
}

int main(void) {
  uint32_t random = 1;
  for (size_t i = 0; i < sizeof photo; i++) {
    random = random * 1664525 + 1013904223;
    photo[i] = (uint8_t)(random >> 24);
    photo_f32[i] = (float)photo[i];
    if (i < INPUT) wide[i] = ((float)(int32_t)random) * 0x1p-20f;
    if (i < CLASSES) scores[i] = ((float)(int32_t)random) * 0x1p-28f;
  }
  return time_sizes() || time_layouts() || time_numbers();
}
