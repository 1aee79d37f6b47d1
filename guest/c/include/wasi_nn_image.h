/**
 * wasi_nn_image.h: what stands between a picture and a model: resizing, cropping, layout, colour order,
 * normalising. It decodes no files.
 *
 * What each function computes is specified to the last bit in the repository's docs/image-and-math.md, and the
 * same with and without `-msimd128`. The middle square of a photo of 640 x 480 RGB bytes, resized, as planes
 * with ImageNet's mean and deviation:
 *
 *     error = wasi_nn_image(640, 480, 3, sizeof photo, &whole);
 *     if (!error) error = wasi_nn_image_crop(&whole, 80, 0, 480, 480, &square);
 *     if (!error) error = wasi_nn_image(224, 224, 3, sizeof small, &to);
 *     if (!error) error = wasi_nn_resize_area_u8(photo, &square, &to, small);
 *     if (!error) error = wasi_nn_normalise_chw_u8_f32(small, &to, mean, std, 3 * 224 * 224, input);
 *
 * Rules that hold for the whole header:
 * - Header-only, C99 and later and C++17. Of libc it needs <string.h>. What is not called is not linked.
 * - Nothing allocates. Every input has a result or an error; on an error nothing is written.
 * - A picture is an array of samples, `uint8_t` or `float`, rows from the top, pixels from the left, samples of a
 *   pixel side by side (HWC), and a `wasi_nn_image_t` that says where in the array they lie.
 * - Functions take the samples, where they lie, then the same for the result. Pointers are borrowed for the call.
 * - `invalid_argument` for a width or height of 0 or over `WASI_NN_IMAGE_EXTENT_MAX`, for no channels, counts that
 *   do not fit together, NULL, and a result in memory that the input spans; `too_large` for samples whose bytes
 *   do not fit a `size_t`.
 * - A half-precision number (f16) is its bits, in a `uint16_t`. Floating point is as in wasi_nn_math.h.
 */
#ifndef WASI_NN_IMAGE_H
#define WASI_NN_IMAGE_H

#include "wasi_nn_math.h"

/* ---- Pictures -------------------------------------------------------------------------------------- */

/** The largest width and height, in pixels: up to here every position is exact in `float`. */
#define WASI_NN_IMAGE_EXTENT_MAX ((size_t)1 << 23)

/** Where the samples of a picture lie in an array. Made by `wasi_nn_image` and `wasi_nn_image_crop`. */
typedef struct wasi_nn_image_t {
  /** In pixels. */
  size_t width, height;
  /** Samples per pixel. */
  size_t channels;
  /** Samples from one row's begin to the next one's. */
  size_t stride;
  /** The position of the first sample in the array. */
  size_t start;
} wasi_nn_image_t;

/**
 * Describe a picture without gaps.
 *
 * @param width In pixels.
 * @param height In pixels.
 * @param channels Samples per pixel.
 * @param count How many samples the array has: the product of the three.
 * @param image_out Where they lie. All zero on error, which every function refuses.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_image(
    size_t width, size_t height, size_t channels, size_t count, wasi_nn_image_t *image_out);

/**
 * Describe a region of a picture, in the same array: to read from it, or to put something there.
 *
 * @param image The picture.
 * @param left How many pixels are left of the region.
 * @param top How many are above it.
 * @param width Its width, in pixels.
 * @param height Its height.
 * @param region_out Where its samples lie. May be `image`. All zero on error.
 * @return 0 on success, `invalid_argument` also when the region is empty or not inside.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_image_crop(
    const wasi_nn_image_t *image,
    size_t left,
    size_t top,
    size_t width,
    size_t height,
    wasi_nn_image_t *region_out);

/**
 * Copy a picture to one of the same size: with `wasi_nn_image_crop`, a crop that owns its samples.
 *
 * @param src The samples.
 * @param from Where in them the picture lies.
 * @param to Where in the result it shall lie; of the same width, height and channels.
 * @param dst The result.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_image_copy_u8(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst);
/** As `wasi_nn_image_copy_u8`. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_image_copy_f32(
    const float *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, float *dst);

/* ---- Size ------------------------------------------------------------------------------------------ */

/**
 * Resize by taking the input under each output's centre, which is exact for labels and masks.
 *
 * @param src The samples.
 * @param from Where in them the picture lies.
 * @param to Where in the result it shall lie: its new width and height, and the same channels.
 * @param dst The result.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_resize_nearest_u8(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst);
/** As `wasi_nn_resize_nearest_u8`. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_resize_nearest_f32(
    const float *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, float *dst);

/**
 * Resize by interpolating between the four inputs around each output's centre; at the border the outermost goes
 * on. It looks at four inputs only: to shrink a picture to less than half, `wasi_nn_resize_area_u8` first or
 * instead. Parameters and result as `wasi_nn_resize_nearest_u8`.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_resize_bilinear_u8(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst);
/** As `wasi_nn_resize_bilinear_u8`. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_resize_bilinear_f32(
    const float *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, float *dst);

/**
 * Resize by taking the mean over the rectangle of inputs that each output covers, parts of pixels included.
 * Parameters and result as `wasi_nn_resize_nearest_u8`.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_resize_area_u8(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst);
/** As `wasi_nn_resize_area_u8`. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_resize_area_f32(
    const float *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, float *dst);

/* ---- Layout and colour ----------------------------------------------------------------------------- */

/**
 * Take the channels apart: one plane after the other (CHW).
 *
 * @param src The samples.
 * @param from Where in them the picture lies.
 * @param count How many samples the planes have: as many as the picture.
 * @param planes_out The planes.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_hwc_to_chw_u8(
    const uint8_t *src, const wasi_nn_image_t *from, size_t count, uint8_t *planes_out);
/** As `wasi_nn_hwc_to_chw_u8`. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_hwc_to_chw_f32(
    const float *src, const wasi_nn_image_t *from, size_t count, float *planes_out);

/**
 * Put planes (CHW) together.
 *
 * @param planes The planes, one after the other.
 * @param count How many samples they have: as many as the picture.
 * @param to Where in the result the picture shall lie.
 * @param dst The result.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_chw_to_hwc_u8(
    const uint8_t *planes, size_t count, const wasi_nn_image_t *to, uint8_t *dst);
/** As `wasi_nn_chw_to_hwc_u8`. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_chw_to_hwc_f32(
    const float *planes, size_t count, const wasi_nn_image_t *to, float *dst);

/**
 * Swap the first and the third channel, in place: RGB to BGR and back. A fourth stays.
 *
 * @param image Where in the samples the picture lies; at least 3 channels.
 * @param samples The samples.
 * @return 0 on success, `invalid_argument` also for fewer channels.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_swap_rgb_bgr_u8(const wasi_nn_image_t *image, uint8_t *samples);
/** As `wasi_nn_swap_rgb_bgr_u8`. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_swap_rgb_bgr_f32(const wasi_nn_image_t *image, float *samples);

/**
 * Make a picture grey: (19595 R + 38470 G + 7471 B + 32768) / 65536, rounded down.
 *
 * @param src The samples.
 * @param from Where in them the picture lies; of 3 channels, or 4, of which the last is not looked at.
 * @param to Where in the result the grey one shall lie: equally large, one channel.
 * @param dst The result.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_grey(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst);

/* ---- Numbers --------------------------------------------------------------------------------------- */

/**
 * Normalise, channels interleaved: (sample - mean) / std of its channel, in f32. A `std` of 0 gives an infinity,
 * or NaN for 0 / 0.
 *
 * Mean and deviation are in the samples' own units: for bytes and figures made for 0 to 1, multiply both by 255.
 *
 * @param src The samples.
 * @param from Where in them the picture lies.
 * @param mean One number per channel.
 * @param std One number per channel.
 * @param count How many numbers the result has: as many as the picture has samples.
 * @param out The result, without gaps; apart from the mean and deviation too.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_normalise_hwc_u8_f32(
    const uint8_t *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    float *out);
/** As `wasi_nn_normalise_hwc_u8_f32`, into planes (CHW). */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_normalise_chw_u8_f32(
    const uint8_t *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    float *out);
/** As `wasi_nn_normalise_hwc_u8_f32`, then rounded to half precision. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_normalise_hwc_u8_f16(
    const uint8_t *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    uint16_t *out);
/** As `wasi_nn_normalise_chw_u8_f32`, then rounded to half precision. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_normalise_chw_u8_f16(
    const uint8_t *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    uint16_t *out);
/** As `wasi_nn_normalise_hwc_u8_f32`, of floats. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_normalise_hwc_f32_f32(
    const float *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    float *out);
/** As `wasi_nn_normalise_chw_u8_f32`, of floats. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_normalise_chw_f32_f32(
    const float *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    float *out);
/** As `wasi_nn_normalise_hwc_u8_f16`, of floats. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_normalise_hwc_f32_f16(
    const float *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    uint16_t *out);
/** As `wasi_nn_normalise_chw_u8_f16`, of floats. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_normalise_chw_f32_f16(
    const float *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    uint16_t *out);

/**
 * Widen each sample: 0 to 255 as a float.
 *
 * @param src The samples.
 * @param n How many; 0 does nothing.
 * @param out The numbers.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_u8_to_f32(const uint8_t *src, size_t n, float *out);
/** As `wasi_nn_u8_to_f32`, as halves; exact. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_u8_to_f16(const uint8_t *src, size_t n, uint16_t *out);
/** As `wasi_nn_u8_to_f32`, shifted: sample - 128, for models quantised with a zero point of -128. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_u8_to_i8(const uint8_t *src, size_t n, int8_t *out);

/* ==== Implementation: nothing below here is needed to use the header ================================ */

/* Element types, known when it is compiled: each function below is inlined where it is called with one. */
enum { WASI_NN_IMPL_U8, WASI_NN_IMPL_F16, WASI_NN_IMPL_F32 };

WASI_NN_IMPL_INLINE size_t wasi_nn_impl_size_of(int type) {
  return type == WASI_NN_IMPL_U8 ? 1 : type == WASI_NN_IMPL_F16 ? 2 : 4;
}

/* The address of an element. */
WASI_NN_IMPL_INLINE const void *wasi_nn_impl_at(const void *samples, size_t index, int type) {
  return (const uint8_t *)samples + index * wasi_nn_impl_size_of(type);
}
WASI_NN_IMPL_INLINE void *wasi_nn_impl_at_mut(void *samples, size_t index, int type) {
  return (uint8_t *)samples + index * wasi_nn_impl_size_of(type);
}

WASI_NN_IMPL_INLINE float wasi_nn_impl_get(const void *samples, size_t index, int type) {
  return type == WASI_NN_IMPL_U8 ? (float)((const uint8_t *)samples)[index] : ((const float *)samples)[index];
}

/* A byte's value is at least 0 and rounded, halves up. */
WASI_NN_IMPL_INLINE void wasi_nn_impl_put(void *samples, size_t index, int type, float value) {
  if (type == WASI_NN_IMPL_U8) {
    ((uint8_t *)samples)[index] = (uint8_t)(int32_t)(value + 0.5f);
  } else if (type == WASI_NN_IMPL_F16) {
    ((uint16_t *)samples)[index] = (uint16_t)wasi_nn_impl_half(value);
  } else {
    ((float *)samples)[index] = value;
  }
}

#ifdef __wasm_simd128__
/* Four samples side by side, as floats. */
WASI_NN_IMPL_INLINE v128_t wasi_nn_impl_get_x4(const void *samples, size_t index, int type) {
  const void *at = wasi_nn_impl_at(samples, index, type);
  if (type == WASI_NN_IMPL_F32) return wasm_v128_load(at);
  return wasm_f32x4_convert_u32x4(
      wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(at))));
}

WASI_NN_IMPL_INLINE void wasi_nn_impl_put_x4(void *samples, size_t index, int type, v128_t values) {
  void *at = wasi_nn_impl_at_mut(samples, index, type);
  if (type == WASI_NN_IMPL_F16) {
    const v128_t halves = wasi_nn_impl_half_x4(values);
    wasm_v128_store64_lane(at, wasm_u16x8_narrow_i32x4(halves, halves), 0);
  } else {
    wasm_v128_store(at, values);
  }
}

/* Where in 16 pixels of 2 to 4 bytes the 16 bytes of one channel are: for each of the 16 loaded at a time. */
typedef struct wasi_nn_impl_picks_t {
  v128_t of[4];
} wasi_nn_impl_picks_t;

static inline wasi_nn_impl_picks_t wasi_nn_impl_picks(size_t channels, size_t channel) {
  wasi_nn_impl_picks_t picks;
  uint8_t bytes[64];
  size_t i;
  memset(bytes, 255, sizeof bytes); /* an index of no byte gives 0 */
  for (i = 0; i < 16; i++) {
    const size_t at = i * channels + channel;
    bytes[at / 16 * 16 + i] = (uint8_t)(at % 16);
  }
  memcpy(picks.of, bytes, sizeof bytes);
  return picks;
}

WASI_NN_IMPL_INLINE v128_t wasi_nn_impl_pick(
    const uint8_t *pixels, const wasi_nn_impl_picks_t *picks, size_t channels) {
  v128_t picked = wasm_i8x16_swizzle(wasm_v128_load(pixels), picks->of[0]);
  size_t i;
  for (i = 1; i < channels; i++) {
    picked = wasm_v128_or(picked, wasm_i8x16_swizzle(wasm_v128_load(pixels + 16 * i), picks->of[i]));
  }
  return picked;
}
#endif /* __wasm_simd128__ */

/* ---- Pictures -------------------------------------------------------------------------------------- */

/* Whether samples of this size may lie there. */
static inline wasi_nn_errno_t wasi_nn_impl_check_image(
    const void *samples, size_t sample_size, const wasi_nn_image_t *image) {
  const size_t most = SIZE_MAX / sample_size;
  size_t row, rest;
  if (!samples || !image || image->channels == 0) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  if (image->width == 0 || image->width > WASI_NN_IMAGE_EXTENT_MAX) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  if (image->height == 0 || image->height > WASI_NN_IMAGE_EXTENT_MAX) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  if (image->channels > most / image->width) return WASI_NN_ERRNO_TOO_LARGE;
  row = image->width * image->channels;
  if (image->stride < row) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  rest = most - row;
  if (image->start > rest) return WASI_NN_ERRNO_TOO_LARGE;
  if (image->height > 1 && image->stride > (rest - image->start) / (image->height - 1)) {
    return WASI_NN_ERRNO_TOO_LARGE;
  }
  return WASI_NN_ERRNO_SUCCESS;
}

/* How many samples it spans in the array, gaps included. */
static inline size_t wasi_nn_impl_span(const wasi_nn_image_t *image) {
  return (image->height - 1) * image->stride + image->width * image->channels;
}

static inline size_t wasi_nn_impl_samples(const wasi_nn_image_t *image) {
  return image->width * image->height * image->channels;
}

/* Whether two pieces of memory, which exist, share a byte. */
static inline int wasi_nn_impl_share(const void *one, size_t one_len, const void *other, size_t other_len) {
  const uintptr_t a = (uintptr_t)one, b = (uintptr_t)other;
  return a <= b ? b - a < one_len : a - b < other_len;
}

/* Whether one picture may be made of another: both may lie where they do, apart. */
static inline wasi_nn_errno_t wasi_nn_impl_check_images(
    const void *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, const void *dst, size_t sample_size) {
  wasi_nn_errno_t error = wasi_nn_impl_check_image(src, sample_size, from);
  if (!error) error = wasi_nn_impl_check_image(dst, sample_size, to);
  if (error) return error;
  if (wasi_nn_impl_share(
          (const uint8_t *)src + from->start * sample_size,
          wasi_nn_impl_span(from) * sample_size,
          (const uint8_t *)dst + to->start * sample_size,
          wasi_nn_impl_span(to) * sample_size)) {
    return WASI_NN_ERRNO_INVALID_ARGUMENT;
  }
  return WASI_NN_ERRNO_SUCCESS;
}

/* Whether a picture and an array of its samples without gaps may be made of each other. */
static inline wasi_nn_errno_t wasi_nn_impl_check_array(
    const void *samples,
    size_t sample_size,
    const wasi_nn_image_t *image,
    const void *array,
    size_t element_size,
    size_t count) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_image(samples, sample_size, image);
  if (error) return error;
  if (!array || count != wasi_nn_impl_samples(image)) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  if (count > SIZE_MAX / element_size) return WASI_NN_ERRNO_TOO_LARGE;
  if (wasi_nn_impl_share(
          (const uint8_t *)samples + image->start * sample_size,
          wasi_nn_impl_span(image) * sample_size,
          array,
          count * element_size)) {
    return WASI_NN_ERRNO_INVALID_ARGUMENT;
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_image(
    size_t width, size_t height, size_t channels, size_t count, wasi_nn_image_t *image_out) {
  wasi_nn_image_t image;
  wasi_nn_errno_t error;
  if (!image_out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  memset(image_out, 0, sizeof *image_out);
  if (width > 0 && channels > SIZE_MAX / width) return WASI_NN_ERRNO_TOO_LARGE;
  image.width = width;
  image.height = height;
  image.channels = channels;
  image.stride = width * channels;
  image.start = 0;
  error = wasi_nn_impl_check_image(&image, 1, &image);
  if (error) return error;
  if (count != wasi_nn_impl_samples(&image)) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  *image_out = image;
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_image_crop(
    const wasi_nn_image_t *image,
    size_t left,
    size_t top,
    size_t width,
    size_t height,
    wasi_nn_image_t *region_out) {
  wasi_nn_image_t region = {0, 0, 0, 0, 0};
  wasi_nn_errno_t error = wasi_nn_impl_check_image(image, 1, image);
  if (!region_out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  if (!error) {
    if (left >= image->width || width == 0 || width > image->width - left || top >= image->height || height == 0 ||
        height > image->height - top) {
      error = WASI_NN_ERRNO_INVALID_ARGUMENT;
    } else {
      region = *image;
      region.width = width;
      region.height = height;
      region.start += top * image->stride + left * image->channels;
    }
  }
  *region_out = region;
  return error;
}

static inline wasi_nn_errno_t wasi_nn_impl_copy(
    const void *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, void *dst, int type) {
  const size_t size = wasi_nn_impl_size_of(type);
  const wasi_nn_errno_t error = wasi_nn_impl_check_images(src, from, to, dst, size);
  size_t y;
  if (error) return error;
  if (from->width != to->width || from->height != to->height || from->channels != to->channels) {
    return WASI_NN_ERRNO_INVALID_ARGUMENT;
  }
  for (y = 0; y < to->height; y++) {
    memcpy(
        wasi_nn_impl_at_mut(dst, to->start + y * to->stride, type),
        wasi_nn_impl_at(src, from->start + y * from->stride, type),
        to->width * to->channels * size);
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_image_copy_u8(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst) {
  return wasi_nn_impl_copy(src, from, to, dst, WASI_NN_IMPL_U8);
}

static inline wasi_nn_errno_t wasi_nn_image_copy_f32(
    const float *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, float *dst) {
  return wasi_nn_impl_copy(src, from, to, dst, WASI_NN_IMPL_F32);
}

/* ---- Size ------------------------------------------------------------------------------------------ */

/* What the columns of outputs are made of is worked out for so many at a time, since it takes divisions. */
enum { WASI_NN_IMPL_COLUMNS = 64 };

static inline wasi_nn_errno_t wasi_nn_impl_check_resize(
    const void *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, const void *dst, size_t sample_size) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_images(src, from, to, dst, sample_size);
  if (!error && from->channels != to->channels) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  return error;
}

/* How many columns there are from `left` on, up to that many. */
static inline size_t wasi_nn_impl_columns(const wasi_nn_image_t *to, size_t left) {
  const size_t rest = to->width - left;
  if (rest < WASI_NN_IMPL_COLUMNS) return rest;
  return WASI_NN_IMPL_COLUMNS;
}

static inline size_t wasi_nn_impl_nearest_input(size_t output, size_t from, size_t to) {
  return (size_t)((2 * (uint64_t)output + 1) * from / (2 * (uint64_t)to));
}

WASI_NN_IMPL_INLINE void wasi_nn_impl_nearest_row(
    const void *src, const size_t *pixels, size_t count, size_t pixel_size, void *dst) {
  size_t x;
  for (x = 0; x < count; x++) {
    memcpy((uint8_t *)dst + x * pixel_size, (const uint8_t *)src + pixels[x] * pixel_size, pixel_size);
  }
}

static inline wasi_nn_errno_t wasi_nn_impl_nearest(
    const void *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, void *dst, size_t sample_size) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_resize(src, from, to, dst, sample_size);
  size_t left, x, y;
  if (error) return error;
  for (left = 0; left < to->width; left += WASI_NN_IMPL_COLUMNS) {
    const size_t count = wasi_nn_impl_columns(to, left), pixel_size = to->channels * sample_size;
    size_t pixels[WASI_NN_IMPL_COLUMNS];
    for (x = 0; x < count; x++) pixels[x] = wasi_nn_impl_nearest_input(left + x, from->width, to->width);
    for (y = 0; y < to->height; y++) {
      const size_t row = wasi_nn_impl_nearest_input(y, from->height, to->height);
      const uint8_t *source = (const uint8_t *)src + (from->start + row * from->stride) * sample_size;
      uint8_t *result = (uint8_t *)dst + (to->start + y * to->stride) * sample_size + left * pixel_size;
      /* Copies of a size known when it is compiled are no calls. */
      switch (pixel_size) {
        case 1: wasi_nn_impl_nearest_row(source, pixels, count, 1, result); break;
        case 3: wasi_nn_impl_nearest_row(source, pixels, count, 3, result); break;
        case 4: wasi_nn_impl_nearest_row(source, pixels, count, 4, result); break;
        case 12: wasi_nn_impl_nearest_row(source, pixels, count, 12, result); break;
        default: wasi_nn_impl_nearest_row(source, pixels, count, pixel_size, result); break;
      }
    }
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_resize_nearest_u8(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst) {
  return wasi_nn_impl_nearest(src, from, to, dst, sizeof *dst);
}

static inline wasi_nn_errno_t wasi_nn_resize_nearest_f32(
    const float *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, float *dst) {
  return wasi_nn_impl_nearest(src, from, to, dst, sizeof *dst);
}

/* Where an output's centre falls: so far between two inputs, each by how many steps of the array it is away. */
typedef struct wasi_nn_impl_tap_t {
  size_t near_, far_;
  float fraction;
} wasi_nn_impl_tap_t;

static inline wasi_nn_impl_tap_t wasi_nn_impl_tap(size_t output, size_t from, size_t to, size_t step) {
  const uint64_t unit = 2 * (uint64_t)to, centre = (2 * (uint64_t)output + 1) * from;
  const uint64_t position = centre > to ? centre - to : 0;
  const size_t index = (size_t)(position / unit);
  wasi_nn_impl_tap_t tap;
  tap.near_ = index * step;
  tap.far_ = (index + 1 < from ? index + 1 : index) * step;
  tap.fraction = (float)(position % unit) / (float)unit;
  return tap;
}

WASI_NN_IMPL_INLINE float wasi_nn_impl_mix(float a, float b, float fraction) {
  WASI_NN_IMPL_NO_FMA
  return a + (b - a) * fraction;
}

#ifdef __wasm_simd128__
WASI_NN_IMPL_INLINE v128_t wasi_nn_impl_mix_x4(v128_t a, v128_t b, v128_t fraction) {
  return wasm_f32x4_add(a, wasm_f32x4_mul(wasm_f32x4_sub(b, a), fraction));
}

/* 3 or 4 bytes side by side, as integers. Nothing after them is touched. */
WASI_NN_IMPL_INLINE v128_t wasi_nn_impl_lanes_u8(const void *at, size_t lanes) {
  v128_t bytes;
  if (lanes == 4) {
    bytes = wasm_v128_load32_zero(at);
  } else {
    uint16_t two;
    memcpy(&two, at, sizeof two);
    bytes = wasm_i32x4_splat((int32_t)(two | (uint32_t)((const uint8_t *)at)[2] << 16));
  }
  return wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(bytes));
}

/* 3 or 4 samples side by side, as floats. */
WASI_NN_IMPL_INLINE v128_t wasi_nn_impl_lanes(const void *samples, size_t index, int type, size_t lanes) {
  const void *at = wasi_nn_impl_at(samples, index, type);
  if (type == WASI_NN_IMPL_U8) return wasm_f32x4_convert_u32x4(wasi_nn_impl_lanes_u8(at, lanes));
  if (lanes == 4) return wasm_v128_load(at);
  return wasm_v128_load32_lane((const float *)at + 2, wasm_v128_load64_zero(at), 2);
}

WASI_NN_IMPL_INLINE void wasi_nn_impl_put_lanes(void *samples, size_t index, int type, size_t lanes, v128_t values) {
  void *at = wasi_nn_impl_at_mut(samples, index, type);
  if (type == WASI_NN_IMPL_U8) {
    const v128_t rounded = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_add(values, wasm_f32x4_splat(0.5f)));
    const v128_t words = wasm_i16x8_narrow_i32x4(rounded, rounded);
    const v128_t bytes = wasm_u8x16_narrow_i16x8(words, words);
    if (lanes == 4) {
      wasm_v128_store32_lane(at, bytes, 0);
    } else {
      wasm_v128_store16_lane(at, bytes, 0);
      wasm_v128_store8_lane((uint8_t *)at + 2, bytes, 2);
    }
  } else if (lanes == 4) {
    wasm_v128_store(at, values);
  } else {
    wasm_v128_store64_lane(at, values, 0);
    wasm_v128_store32_lane((float *)at + 2, values, 2);
  }
}
#endif /* __wasm_simd128__ */

/* Some lanes (channels side by side) of one output. Rows begin at `upper` and `lower`; `last` is their last pixel. */
WASI_NN_IMPL_INLINE void wasi_nn_impl_bilinear_pixel(
    const void *src,
    size_t upper,
    size_t lower,
    wasi_nn_impl_tap_t column,
    float down,
    void *dst,
    size_t result,
    size_t last,
    int type,
    size_t lanes) {
  size_t i;
  (void)last;
#ifdef __wasm_simd128__
  if (lanes >= 3) {
    /* Where another pixel follows in the row, all may be read as if they had four channels, which is quicker. */
    const v128_t across = wasm_f32x4_splat(column.fraction);
    v128_t a, b, c, d, above, below;
    if (column.far_ < last) {
      a = wasi_nn_impl_lanes(src, upper + column.near_, type, 4);
      b = wasi_nn_impl_lanes(src, upper + column.far_, type, 4);
      c = wasi_nn_impl_lanes(src, lower + column.near_, type, 4);
      d = wasi_nn_impl_lanes(src, lower + column.far_, type, 4);
    } else {
      a = wasi_nn_impl_lanes(src, upper + column.near_, type, lanes);
      b = wasi_nn_impl_lanes(src, upper + column.far_, type, lanes);
      c = wasi_nn_impl_lanes(src, lower + column.near_, type, lanes);
      d = wasi_nn_impl_lanes(src, lower + column.far_, type, lanes);
    }
    above = wasi_nn_impl_mix_x4(a, b, across);
    below = wasi_nn_impl_mix_x4(c, d, across);
    wasi_nn_impl_put_lanes(dst, result, type, lanes, wasi_nn_impl_mix_x4(above, below, wasm_f32x4_splat(down)));
    return;
  }
#endif
  for (i = 0; i < lanes; i++) {
    const float a = wasi_nn_impl_get(src, upper + column.near_ + i, type);
    const float b = wasi_nn_impl_get(src, upper + column.far_ + i, type);
    const float c = wasi_nn_impl_get(src, lower + column.near_ + i, type);
    const float d = wasi_nn_impl_get(src, lower + column.far_ + i, type);
    const float above = wasi_nn_impl_mix(a, b, column.fraction), below = wasi_nn_impl_mix(c, d, column.fraction);
    wasi_nn_impl_put(dst, result + i, type, wasi_nn_impl_mix(above, below, down));
  }
}

WASI_NN_IMPL_INLINE void wasi_nn_impl_bilinear_lanes(
    const void *src,
    const wasi_nn_image_t *from,
    const wasi_nn_image_t *to,
    void *dst,
    int type,
    size_t channel,
    size_t lanes) {
  size_t left, x, y;
  for (left = 0; left < to->width; left += WASI_NN_IMPL_COLUMNS) {
    const size_t count = wasi_nn_impl_columns(to, left), channels = to->channels;
    const size_t last = (from->width - 1) * channels;
    wasi_nn_impl_tap_t columns[WASI_NN_IMPL_COLUMNS];
    for (x = 0; x < count; x++) columns[x] = wasi_nn_impl_tap(left + x, from->width, to->width, channels);
    for (y = 0; y < to->height; y++) {
      const wasi_nn_impl_tap_t row = wasi_nn_impl_tap(y, from->height, to->height, from->stride);
      const size_t first = from->start + channel;
      size_t result = to->start + y * to->stride + left * channels + channel;
      for (x = 0; x < count; x++, result += channels) {
        wasi_nn_impl_bilinear_pixel(
            src, first + row.near_, first + row.far_, columns[x], row.fraction, dst, result, last, type, lanes);
      }
    }
  }
}

WASI_NN_IMPL_INLINE wasi_nn_errno_t wasi_nn_impl_bilinear(
    const void *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, void *dst, int type) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_resize(src, from, to, dst, wasi_nn_impl_size_of(type));
  size_t channel = 0;
  if (error) return error;
  for (; to->channels - channel >= 4; channel += 4) {
    wasi_nn_impl_bilinear_lanes(src, from, to, dst, type, channel, 4);
  }
  if (to->channels - channel == 3) {
    wasi_nn_impl_bilinear_lanes(src, from, to, dst, type, channel, 3);
  } else {
    for (; channel < to->channels; channel++) {
      wasi_nn_impl_bilinear_lanes(src, from, to, dst, type, channel, 1);
    }
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_resize_bilinear_u8(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst) {
  return wasi_nn_impl_bilinear(src, from, to, dst, WASI_NN_IMPL_U8);
}

static inline wasi_nn_errno_t wasi_nn_resize_bilinear_f32(
    const float *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, float *dst) {
  return wasi_nn_impl_bilinear(src, from, to, dst, WASI_NN_IMPL_F32);
}

/* The inputs that one output covers. An input is `to` long here and an output `from`, so that all is exact. */
typedef struct wasi_nn_impl_cover_t {
  size_t first, last;
  uint32_t first_weight, inner_weight, last_weight;
} wasi_nn_impl_cover_t;

static inline wasi_nn_impl_cover_t wasi_nn_impl_cover(size_t output, size_t from, size_t to) {
  const uint64_t start = (uint64_t)output * from, end = start + from;
  const uint64_t first = start / to, last = (end - 1) / to;
  wasi_nn_impl_cover_t cover;
  cover.first = (size_t)first;
  cover.last = (size_t)last;
  cover.first_weight = (uint32_t)((end < (first + 1) * to ? end : (first + 1) * to) - start);
  cover.inner_weight = (uint32_t)to;
  cover.last_weight = (uint32_t)(end - last * to);
  return cover;
}

WASI_NN_IMPL_INLINE uint32_t wasi_nn_impl_weight(wasi_nn_impl_cover_t cover, size_t input) {
  if (input == cover.first) return cover.first_weight;
  return input == cover.last ? cover.last_weight : cover.inner_weight;
}

/*
 * sum / weights, rounded, halves up; `inverse` is 0.5 / weights. A product of f64 that is corrected is quicker than a
 * division of 64-bit integers.
 */
static inline uint8_t wasi_nn_impl_mean(uint64_t sum, uint64_t weights, double inverse) {
  const uint64_t twice = 2 * weights, dividend = 2 * sum + weights; /* below 2^55 */
  /* Of signed numbers, which machines convert in one step. */
  uint64_t quotient = (uint64_t)(int32_t)((double)(int64_t)dividend * inverse);
  if (quotient * twice > dividend) {
    quotient--;
  } else if ((quotient + 1) * twice <= dividend) {
    quotient++;
  }
  return (uint8_t)quotient;
}

/* Some lanes of one output. Sums of bytes are integers and exact, in whatever order. */
WASI_NN_IMPL_INLINE void wasi_nn_impl_area_pixel_u8(
    const uint8_t *src,
    size_t start,
    size_t stride,
    size_t channels,
    wasi_nn_impl_cover_t rows,
    wasi_nn_impl_cover_t columns,
    uint64_t weights,
    double inverse,
    uint8_t *result,
    size_t lanes) {
  uint64_t sums[4] = {0, 0, 0, 0};
  size_t i, x, y;
#ifdef __wasm_simd128__
  if (lanes >= 3) {
    v128_t low = wasm_i64x2_splat(0), high = low;
    for (y = rows.first; y <= rows.last; y++) {
      const uint8_t *at = src + start + y * stride + columns.first * channels;
      const v128_t weight = wasm_u32x4_splat(wasi_nn_impl_weight(rows, y));
      v128_t row = wasm_i32x4_splat(0);
      uint32_t last_weight = columns.first_weight;
      if (columns.last > columns.first) {
        /* Another pixel follows each but the last, so that all may be read as if they had four channels. */
        v128_t inner = row;
        row = wasm_i32x4_mul(wasi_nn_impl_lanes_u8(at, 4), wasm_u32x4_splat(columns.first_weight));
        at += channels;
        for (x = columns.first + 1; x < columns.last; x++, at += channels) {
          inner = wasm_i32x4_add(inner, wasi_nn_impl_lanes_u8(at, 4));
        }
        row = wasm_i32x4_add(row, wasm_i32x4_mul(inner, wasm_u32x4_splat(columns.inner_weight)));
        last_weight = columns.last_weight;
      }
      row = wasm_i32x4_add(row, wasm_i32x4_mul(wasi_nn_impl_lanes_u8(at, lanes), wasm_u32x4_splat(last_weight)));
      low = wasm_i64x2_add(low, wasm_u64x2_extmul_low_u32x4(row, weight));
      high = wasm_i64x2_add(high, wasm_u64x2_extmul_high_u32x4(row, weight));
    }
    wasm_v128_store(sums, low);
    wasm_v128_store(sums + 2, high);
    for (i = 0; i < lanes; i++) result[i] = wasi_nn_impl_mean(sums[i], weights, inverse);
    return;
  }
#endif
  for (y = rows.first; y <= rows.last; y++) {
    const uint8_t *at = src + start + y * stride + columns.first * channels;
    const uint64_t weight = wasi_nn_impl_weight(rows, y);
    uint32_t row[4] = {0, 0, 0, 0}; /* 255 times the largest extent fits */
    for (x = columns.first; x <= columns.last; x++, at += channels) {
      const uint32_t across = wasi_nn_impl_weight(columns, x);
      for (i = 0; i < lanes; i++) row[i] += across * at[i];
    }
    for (i = 0; i < lanes; i++) sums[i] += weight * row[i];
  }
  for (i = 0; i < lanes; i++) result[i] = wasi_nn_impl_mean(sums[i], weights, inverse);
}

/* The same for floats, where the order of the sums counts. */
WASI_NN_IMPL_INLINE void wasi_nn_impl_area_pixel_f32(
    const float *src,
    size_t start,
    size_t stride,
    size_t channels,
    wasi_nn_impl_cover_t rows,
    wasi_nn_impl_cover_t columns,
    uint64_t weights,
    float *result,
    size_t lanes) {
  WASI_NN_IMPL_NO_FMA
  double sums[4] = {0, 0, 0, 0};
  size_t i, x, y;
  for (y = rows.first; y <= rows.last; y++) {
    const float *at = src + start + y * stride + columns.first * channels;
    const double weight = wasi_nn_impl_weight(rows, y);
    double row[4] = {0, 0, 0, 0};
    for (x = columns.first; x <= columns.last; x++, at += channels) {
      const double across = wasi_nn_impl_weight(columns, x);
      for (i = 0; i < lanes; i++) row[i] = row[i] + across * (double)at[i];
    }
    for (i = 0; i < lanes; i++) sums[i] = sums[i] + weight * row[i];
  }
  for (i = 0; i < lanes; i++) result[i] = (float)(sums[i] / (double)weights);
}

WASI_NN_IMPL_INLINE void wasi_nn_impl_area_lanes(
    const void *src,
    const wasi_nn_image_t *from,
    const wasi_nn_image_t *to,
    void *dst,
    int type,
    size_t channel,
    size_t lanes) {
  const uint64_t weights = (uint64_t)from->width * from->height;
  const double inverse = 0.5 / (double)weights;
  const size_t channels = to->channels, first = from->start + channel;
  size_t left, x, y;
  for (left = 0; left < to->width; left += WASI_NN_IMPL_COLUMNS) {
    const size_t count = wasi_nn_impl_columns(to, left);
    wasi_nn_impl_cover_t columns[WASI_NN_IMPL_COLUMNS];
    for (x = 0; x < count; x++) columns[x] = wasi_nn_impl_cover(left + x, from->width, to->width);
    for (y = 0; y < to->height; y++) {
      const wasi_nn_impl_cover_t rows = wasi_nn_impl_cover(y, from->height, to->height);
      size_t result = to->start + y * to->stride + left * channels + channel;
      for (x = 0; x < count; x++, result += channels) {
        if (type == WASI_NN_IMPL_U8) {
          wasi_nn_impl_area_pixel_u8(
              (const uint8_t *)src, first, from->stride, channels, rows, columns[x], weights, inverse,
              (uint8_t *)dst + result, lanes);
        } else {
          wasi_nn_impl_area_pixel_f32(
              (const float *)src, first, from->stride, channels, rows, columns[x], weights,
              (float *)dst + result, lanes);
        }
      }
    }
  }
}

WASI_NN_IMPL_INLINE wasi_nn_errno_t wasi_nn_impl_area(
    const void *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, void *dst, int type) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_resize(src, from, to, dst, wasi_nn_impl_size_of(type));
  size_t channel = 0;
  if (error) return error;
  for (; to->channels - channel >= 4; channel += 4) {
    wasi_nn_impl_area_lanes(src, from, to, dst, type, channel, 4);
  }
  if (to->channels - channel == 3) {
    wasi_nn_impl_area_lanes(src, from, to, dst, type, channel, 3);
  } else {
    for (; channel < to->channels; channel++) wasi_nn_impl_area_lanes(src, from, to, dst, type, channel, 1);
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_resize_area_u8(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst) {
  return wasi_nn_impl_area(src, from, to, dst, WASI_NN_IMPL_U8);
}

static inline wasi_nn_errno_t wasi_nn_resize_area_f32(
    const float *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, float *dst) {
  return wasi_nn_impl_area(src, from, to, dst, WASI_NN_IMPL_F32);
}

/* ---- Layout and colour ----------------------------------------------------------------------------- */

WASI_NN_IMPL_INLINE wasi_nn_errno_t wasi_nn_impl_hwc_to_chw(
    const void *src, const wasi_nn_image_t *from, size_t count, void *planes_out, int type) {
  const size_t size = wasi_nn_impl_size_of(type);
  const wasi_nn_errno_t error = wasi_nn_impl_check_array(src, size, from, planes_out, size, count);
  size_t channel, x, y;
  uint8_t *result = (uint8_t *)planes_out;
  if (error) return error;
  for (channel = 0; channel < from->channels; channel++) {
#ifdef __wasm_simd128__
    const int is_picked = type == WASI_NN_IMPL_U8 && from->channels >= 2 && from->channels <= 4;
    wasi_nn_impl_picks_t picks;
    if (is_picked) picks = wasi_nn_impl_picks(from->channels, channel);
#endif
    for (y = 0; y < from->height; y++, result += from->width * size) {
      const uint8_t *row = (const uint8_t *)src + (from->start + y * from->stride) * size;
      x = 0;
#ifdef __wasm_simd128__
      for (; is_picked && from->width - x >= 16; x += 16) {
        wasm_v128_store(result + x, wasi_nn_impl_pick(row + x * from->channels, &picks, from->channels));
      }
#endif
      for (; x < from->width; x++) {
        memcpy(result + x * size, row + (x * from->channels + channel) * size, size);
      }
    }
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_hwc_to_chw_u8(
    const uint8_t *src, const wasi_nn_image_t *from, size_t count, uint8_t *planes_out) {
  return wasi_nn_impl_hwc_to_chw(src, from, count, planes_out, WASI_NN_IMPL_U8);
}

static inline wasi_nn_errno_t wasi_nn_hwc_to_chw_f32(
    const float *src, const wasi_nn_image_t *from, size_t count, float *planes_out) {
  return wasi_nn_impl_hwc_to_chw(src, from, count, planes_out, WASI_NN_IMPL_F32);
}

#ifdef __wasm_simd128__
/* Where in a plane's 16 bytes those of 16 pixels of 2 to 4 bytes come from, for each of the 16 stored at a time. */
static inline wasi_nn_impl_picks_t wasi_nn_impl_spread(size_t channels, size_t channel) {
  wasi_nn_impl_picks_t picks;
  uint8_t bytes[64];
  size_t i;
  memset(bytes, 255, sizeof bytes);
  for (i = 0; i < 16; i++) bytes[i * channels + channel] = (uint8_t)i;
  memcpy(picks.of, bytes, sizeof bytes);
  return picks;
}

/* As many pixels of a row as there are sixteens; returns how many that is. */
static inline size_t wasi_nn_impl_interleave(
    const uint8_t *planes, size_t plane, size_t channels, size_t width, uint8_t *row) {
  wasi_nn_impl_picks_t picks[4];
  size_t x, i, channel;
  for (channel = 0; channel < channels; channel++) picks[channel] = wasi_nn_impl_spread(channels, channel);
  for (x = 0; width - x >= 16; x += 16) {
    for (i = 0; i < channels; i++) {
      v128_t bytes = wasm_i8x16_swizzle(wasm_v128_load(planes + x), picks[0].of[i]);
      for (channel = 1; channel < channels; channel++) {
        const v128_t samples = wasm_v128_load(planes + channel * plane + x);
        bytes = wasm_v128_or(bytes, wasm_i8x16_swizzle(samples, picks[channel].of[i]));
      }
      wasm_v128_store(row + x * channels + 16 * i, bytes);
    }
  }
  return x;
}
#endif /* __wasm_simd128__ */

WASI_NN_IMPL_INLINE wasi_nn_errno_t wasi_nn_impl_chw_to_hwc(
    const void *planes, size_t count, const wasi_nn_image_t *to, void *dst, int type) {
  const size_t size = wasi_nn_impl_size_of(type);
  const wasi_nn_errno_t error = wasi_nn_impl_check_array(dst, size, to, planes, size, count);
  size_t channel, x, y;
  if (error) return error;
  for (y = 0; y < to->height; y++) {
    const size_t plane = to->width * to->height * size;
    const uint8_t *source = (const uint8_t *)planes + y * to->width * size;
    uint8_t *row = (uint8_t *)dst + (to->start + y * to->stride) * size;
    size_t done = 0;
#ifdef __wasm_simd128__
    if (type == WASI_NN_IMPL_U8 && to->channels >= 2 && to->channels <= 4) {
      done = wasi_nn_impl_interleave(source, plane, to->channels, to->width, row);
    }
#endif
    for (channel = 0; channel < to->channels; channel++) {
      for (x = done; x < to->width; x++) {
        memcpy(row + (x * to->channels + channel) * size, source + channel * plane + x * size, size);
      }
    }
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_chw_to_hwc_u8(
    const uint8_t *planes, size_t count, const wasi_nn_image_t *to, uint8_t *dst) {
  return wasi_nn_impl_chw_to_hwc(planes, count, to, dst, WASI_NN_IMPL_U8);
}

static inline wasi_nn_errno_t wasi_nn_chw_to_hwc_f32(
    const float *planes, size_t count, const wasi_nn_image_t *to, float *dst) {
  return wasi_nn_impl_chw_to_hwc(planes, count, to, dst, WASI_NN_IMPL_F32);
}

#ifdef __wasm_simd128__
/* As many RGB pixels of a row as there are sixteens; returns how many that is. */
static inline size_t wasi_nn_impl_swap_x16(uint8_t *row, size_t width) {
  size_t x;
  for (x = 0; width - x >= 16; x += 16, row += 48) {
    const v128_t a = wasm_v128_load(row), b = wasm_v128_load(row + 16), c = wasm_v128_load(row + 32);
    /* The pixel of bytes 15 to 17 lies in two of them, that of bytes 30 to 32 too. */
    const v128_t first = wasm_i8x16_shuffle(a, b, 2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9, 14, 13, 12, 17);
    const v128_t part = wasm_i8x16_shuffle(a, b, 16, 15, 20, 19, 18, 23, 22, 21, 26, 25, 24, 29, 28, 27, 30, 31);
    const v128_t second = wasm_i8x16_shuffle(part, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 15);
    const v128_t third = wasm_i8x16_shuffle(b, c, 14, 19, 18, 17, 22, 21, 20, 25, 24, 23, 28, 27, 26, 31, 30, 29);
    wasm_v128_store(row, first);
    wasm_v128_store(row + 16, second);
    wasm_v128_store(row + 32, third);
  }
  return x;
}
#endif /* __wasm_simd128__ */

static inline wasi_nn_errno_t wasi_nn_swap_rgb_bgr_u8(const wasi_nn_image_t *image, uint8_t *samples) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_image(samples, sizeof *samples, image);
  size_t x, y;
  if (error) return error;
  if (image->channels < 3) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  for (y = 0; y < image->height; y++) {
    uint8_t *row = samples + image->start + y * image->stride;
    x = 0;
#ifdef __wasm_simd128__
    if (image->channels == 3) x = wasi_nn_impl_swap_x16(row, image->width);
#endif
    for (; x < image->width; x++) {
      uint8_t *pixel = row + x * image->channels;
      const uint8_t first = pixel[0];
      pixel[0] = pixel[2];
      pixel[2] = first;
    }
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_swap_rgb_bgr_f32(const wasi_nn_image_t *image, float *samples) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_image(samples, sizeof *samples, image);
  size_t x, y;
  if (error) return error;
  if (image->channels < 3) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  for (y = 0; y < image->height; y++) {
    for (x = 0; x < image->width; x++) {
      float *pixel = samples + image->start + y * image->stride + x * image->channels;
      const float first = pixel[0];
      pixel[0] = pixel[2];
      pixel[2] = first;
    }
  }
  return WASI_NN_ERRNO_SUCCESS;
}

#ifdef __wasm_simd128__
/* 16-bit sums weighted and rounded, eight pixels of 16-bit samples. */
WASI_NN_IMPL_INLINE v128_t wasi_nn_impl_grey_x8(v128_t red, v128_t green, v128_t blue) {
  const v128_t r = wasm_u16x8_splat(19595), g = wasm_u16x8_splat(38470), b = wasm_u16x8_splat(7471);
  v128_t low = wasm_i32x4_add(wasm_u32x4_extmul_low_u16x8(red, r), wasm_u32x4_extmul_low_u16x8(green, g));
  v128_t high = wasm_i32x4_add(wasm_u32x4_extmul_high_u16x8(red, r), wasm_u32x4_extmul_high_u16x8(green, g));
  low = wasm_i32x4_add(low, wasm_i32x4_add(wasm_u32x4_extmul_low_u16x8(blue, b), wasm_i32x4_splat(0x8000)));
  high = wasm_i32x4_add(high, wasm_i32x4_add(wasm_u32x4_extmul_high_u16x8(blue, b), wasm_i32x4_splat(0x8000)));
  return wasm_u16x8_narrow_i32x4(wasm_u32x4_shr(low, 16), wasm_u32x4_shr(high, 16));
}

/* As many pixels of a row as there are sixteens; returns how many that is. */
static inline size_t wasi_nn_impl_grey_x16(
    const uint8_t *row, const wasi_nn_impl_picks_t *picks, size_t channels, size_t width, uint8_t *result) {
  size_t x;
  for (x = 0; width - x >= 16; x += 16) {
    const v128_t red = wasi_nn_impl_pick(row + x * channels, &picks[0], channels);
    const v128_t green = wasi_nn_impl_pick(row + x * channels, &picks[1], channels);
    const v128_t blue = wasi_nn_impl_pick(row + x * channels, &picks[2], channels);
    const v128_t low = wasi_nn_impl_grey_x8(
        wasm_u16x8_extend_low_u8x16(red), wasm_u16x8_extend_low_u8x16(green), wasm_u16x8_extend_low_u8x16(blue));
    const v128_t high = wasi_nn_impl_grey_x8(
        wasm_u16x8_extend_high_u8x16(red), wasm_u16x8_extend_high_u8x16(green), wasm_u16x8_extend_high_u8x16(blue));
    wasm_v128_store(result + x, wasm_u8x16_narrow_i16x8(low, high));
  }
  return x;
}
#endif /* __wasm_simd128__ */

static inline wasi_nn_errno_t wasi_nn_grey(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_images(src, from, to, dst, sizeof *dst);
  size_t x, y;
#ifdef __wasm_simd128__
  wasi_nn_impl_picks_t picks[3];
#endif
  if (error) return error;
  if ((from->channels != 3 && from->channels != 4) || to->channels != 1 || from->width != to->width ||
      from->height != to->height) {
    return WASI_NN_ERRNO_INVALID_ARGUMENT;
  }
#ifdef __wasm_simd128__
  for (x = 0; x < 3; x++) picks[x] = wasi_nn_impl_picks(from->channels, x);
#endif
  for (y = 0; y < to->height; y++) {
    const uint8_t *row = src + from->start + y * from->stride;
    uint8_t *result = dst + to->start + y * to->stride;
    x = 0;
#ifdef __wasm_simd128__
    x = wasi_nn_impl_grey_x16(row, picks, from->channels, to->width, result);
#endif
    for (; x < to->width; x++) {
      const uint8_t *pixel = row + x * from->channels;
      const uint32_t red_green = UINT32_C(19595) * pixel[0] + UINT32_C(38470) * pixel[1];
      result[x] = (uint8_t)((red_green + UINT32_C(7471) * pixel[2] + 0x8000) >> 16);
    }
  }
  return WASI_NN_ERRNO_SUCCESS;
}

/* ---- Numbers --------------------------------------------------------------------------------------- */

static inline wasi_nn_errno_t wasi_nn_impl_check_normalise(
    const void *src,
    size_t sample_size,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    const void *out,
    size_t element_size) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_array(src, sample_size, from, out, element_size, count);
  if (error) return error;
  if (!mean || !std) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  if (wasi_nn_impl_share(mean, from->channels * sizeof *mean, out, count * element_size) ||
      wasi_nn_impl_share(std, from->channels * sizeof *std, out, count * element_size)) {
    return WASI_NN_ERRNO_INVALID_ARGUMENT;
  }
  return WASI_NN_ERRNO_SUCCESS;
}

#ifdef __wasm_simd128__
/* As many samples of a row as there are twelves, in which 1, 2, 3, 4, 6 or 12 channels come back to the first. */
WASI_NN_IMPL_INLINE size_t wasi_nn_impl_normalise_x12(
    const void *row,
    size_t channels,
    const float *mean,
    const float *std,
    size_t count,
    void *out,
    int type,
    int out_type) {
  float repeated[2][12];
  size_t i, x;
  for (i = 0; i < 12; i++) {
    repeated[0][i] = mean[i % channels];
    repeated[1][i] = std[i % channels];
  }
  for (x = 0; count - x >= 12; x += 12) {
    for (i = 0; i < 12; i += 4) {
      const v128_t rest = wasm_f32x4_sub(wasi_nn_impl_get_x4(row, x + i, type), wasm_v128_load(&repeated[0][i]));
      wasi_nn_impl_put_x4(out, x + i, out_type, wasm_f32x4_div(rest, wasm_v128_load(&repeated[1][i])));
    }
  }
  return x;
}
#endif

WASI_NN_IMPL_INLINE wasi_nn_errno_t wasi_nn_impl_normalise_hwc(
    const void *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    void *out,
    int type,
    int out_type) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_normalise(
      src, wasi_nn_impl_size_of(type), from, mean, std, count, out, wasi_nn_impl_size_of(out_type));
  size_t x, y, channel;
  if (error) return error;
  for (y = 0; y < from->height; y++) {
    const size_t length = from->width * from->channels;
    const void *row = wasi_nn_impl_at(src, from->start + y * from->stride, type);
    void *result = wasi_nn_impl_at_mut(out, y * length, out_type);
    x = 0;
#ifdef __wasm_simd128__
    if (12 % from->channels == 0) {
      x = wasi_nn_impl_normalise_x12(row, from->channels, mean, std, length, result, type, out_type);
    }
#endif
    for (; x < length; x += from->channels) {
      for (channel = 0; channel < from->channels; channel++) {
        const float sample = wasi_nn_impl_get(row, x + channel, type);
        wasi_nn_impl_put(result, x + channel, out_type, (sample - mean[channel]) / std[channel]);
      }
    }
  }
  return WASI_NN_ERRNO_SUCCESS;
}

#ifdef __wasm_simd128__
/* As many pixels of a row as there are sixteens, of one of 2 to 4 channels of bytes. */
WASI_NN_IMPL_INLINE size_t wasi_nn_impl_normalise_plane(
    const uint8_t *row,
    size_t channels,
    const wasi_nn_impl_picks_t *picks,
    float mean,
    float std,
    size_t width,
    void *out,
    int out_type) {
  const v128_t means = wasm_f32x4_splat(mean), stds = wasm_f32x4_splat(std);
  size_t i, x;
  for (x = 0; width - x >= 16; x += 16) {
    const v128_t bytes = wasi_nn_impl_pick(row + x * channels, picks, channels);
    const v128_t low = wasm_u16x8_extend_low_u8x16(bytes), high = wasm_u16x8_extend_high_u8x16(bytes);
    v128_t four[4];
    four[0] = wasm_u32x4_extend_low_u16x8(low);
    four[1] = wasm_u32x4_extend_high_u16x8(low);
    four[2] = wasm_u32x4_extend_low_u16x8(high);
    four[3] = wasm_u32x4_extend_high_u16x8(high);
    for (i = 0; i < 4; i++) {
      const v128_t rest = wasm_f32x4_sub(wasm_f32x4_convert_u32x4(four[i]), means);
      wasi_nn_impl_put_x4(out, x + 4 * i, out_type, wasm_f32x4_div(rest, stds));
    }
  }
  return x;
}
#endif

WASI_NN_IMPL_INLINE wasi_nn_errno_t wasi_nn_impl_normalise_chw(
    const void *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    void *out,
    int type,
    int out_type) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_normalise(
      src, wasi_nn_impl_size_of(type), from, mean, std, count, out, wasi_nn_impl_size_of(out_type));
  size_t x, y, channel, result = 0;
  if (error) return error;
  for (channel = 0; channel < from->channels; channel++) {
#ifdef __wasm_simd128__
    const int is_picked = type == WASI_NN_IMPL_U8 && from->channels >= 2 && from->channels <= 4;
    wasi_nn_impl_picks_t picks;
    if (is_picked) picks = wasi_nn_impl_picks(from->channels, channel);
#endif
    for (y = 0; y < from->height; y++, result += from->width) {
      const void *row = wasi_nn_impl_at(src, from->start + y * from->stride, type);
      void *plane = wasi_nn_impl_at_mut(out, result, out_type);
      x = 0;
#ifdef __wasm_simd128__
      if (is_picked) {
        x = wasi_nn_impl_normalise_plane(
            (const uint8_t *)row, from->channels, &picks, mean[channel], std[channel], from->width, plane, out_type);
      }
#endif
      for (; x < from->width; x++) {
        const float sample = wasi_nn_impl_get(row, x * from->channels + channel, type);
        wasi_nn_impl_put(plane, x, out_type, (sample - mean[channel]) / std[channel]);
      }
    }
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_normalise_hwc_u8_f32(
    const uint8_t *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    float *out) {
  return wasi_nn_impl_normalise_hwc(src, from, mean, std, count, out, WASI_NN_IMPL_U8, WASI_NN_IMPL_F32);
}

static inline wasi_nn_errno_t wasi_nn_normalise_chw_u8_f32(
    const uint8_t *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    float *out) {
  return wasi_nn_impl_normalise_chw(src, from, mean, std, count, out, WASI_NN_IMPL_U8, WASI_NN_IMPL_F32);
}

static inline wasi_nn_errno_t wasi_nn_normalise_hwc_u8_f16(
    const uint8_t *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    uint16_t *out) {
  return wasi_nn_impl_normalise_hwc(src, from, mean, std, count, out, WASI_NN_IMPL_U8, WASI_NN_IMPL_F16);
}

static inline wasi_nn_errno_t wasi_nn_normalise_chw_u8_f16(
    const uint8_t *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    uint16_t *out) {
  return wasi_nn_impl_normalise_chw(src, from, mean, std, count, out, WASI_NN_IMPL_U8, WASI_NN_IMPL_F16);
}

static inline wasi_nn_errno_t wasi_nn_normalise_hwc_f32_f32(
    const float *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    float *out) {
  return wasi_nn_impl_normalise_hwc(src, from, mean, std, count, out, WASI_NN_IMPL_F32, WASI_NN_IMPL_F32);
}

static inline wasi_nn_errno_t wasi_nn_normalise_chw_f32_f32(
    const float *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    float *out) {
  return wasi_nn_impl_normalise_chw(src, from, mean, std, count, out, WASI_NN_IMPL_F32, WASI_NN_IMPL_F32);
}

static inline wasi_nn_errno_t wasi_nn_normalise_hwc_f32_f16(
    const float *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    uint16_t *out) {
  return wasi_nn_impl_normalise_hwc(src, from, mean, std, count, out, WASI_NN_IMPL_F32, WASI_NN_IMPL_F16);
}

static inline wasi_nn_errno_t wasi_nn_normalise_chw_f32_f16(
    const float *src,
    const wasi_nn_image_t *from,
    const float *mean,
    const float *std,
    size_t count,
    uint16_t *out) {
  return wasi_nn_impl_normalise_chw(src, from, mean, std, count, out, WASI_NN_IMPL_F32, WASI_NN_IMPL_F16);
}

static inline wasi_nn_errno_t wasi_nn_u8_to_f32(const uint8_t *src, size_t n, float *out) {
  const wasi_nn_errno_t error = wasi_nn_impl_check(src, sizeof *src, out, sizeof *out, n);
  size_t i;
  if (error) return error;
  for (i = 0; i < n; i++) out[i] = (float)src[i];
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_u8_to_f16(const uint8_t *src, size_t n, uint16_t *out) {
  const wasi_nn_errno_t error = wasi_nn_impl_check(src, sizeof *src, out, sizeof *out, n);
  size_t i = 0;
  if (error) return error;
#ifdef __wasm_simd128__
  for (; n - i >= 4; i += 4) {
    wasi_nn_impl_put_x4(out, i, WASI_NN_IMPL_F16, wasi_nn_impl_get_x4(src, i, WASI_NN_IMPL_U8));
  }
#endif
  for (; i < n; i++) out[i] = (uint16_t)wasi_nn_impl_half((float)src[i]);
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_u8_to_i8(const uint8_t *src, size_t n, int8_t *out) {
  const wasi_nn_errno_t error = wasi_nn_impl_check(src, sizeof *src, out, sizeof *out, n);
  size_t i;
  if (error) return error;
  for (i = 0; i < n; i++) out[i] = (int8_t)(src[i] - 128);
  return WASI_NN_ERRNO_SUCCESS;
}

#endif /* WASI_NN_IMAGE_H */
