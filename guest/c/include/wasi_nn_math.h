/**
 * wasi_nn_math.h: what stands between a model's output and an answer: softmax, top-k, boxes, number formats.
 *
 * What each function computes, NaN and infinities included, is specified to the last bit in the repository's
 * docs/image-and-math.md, and the same with and without `-msimd128`.
 *
 *     wasi_nn_score_t best[5];
 *     error = wasi_nn_softmax(scores, 1000, scores);            // not when the model ends in a softmax
 *     best_count = wasi_nn_top_k(scores, 1000, 5, best);
 *
 * Rules that hold for the whole header:
 * - Header-only, C99 and later and C++17. Of libc it needs <string.h>. What is not called is not linked.
 * - Nothing allocates. Every input has a result or an error; on an error nothing is written.
 * - Pointers are borrowed for the call. Outputs come last, and have room for as many as the inputs are.
 * - An output that shares memory with an input is `invalid_argument`, unless the function says otherwise; so is
 *   NULL, unless its count is 0; so many elements that their bytes do not fit a `size_t` are `too_large`.
 * - A half-precision number (f16) is its bits, in a `uint16_t`.
 * - `-ffast-math` voids all promises about numbers, and so does a fused multiply-add: a native GCC needs
 *   `-ffp-contract=off` where the machine has one.
 */
#ifndef WASI_NN_MATH_H
#define WASI_NN_MATH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wasi_ephemeral_nn.h"

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#endif

/* ---- Scores ---------------------------------------------------------------------------------------- */

/**
 * Turn logits into probabilities: out[i] = exp(in[i]) / sum of all exp(in[j]), without overflow.
 *
 * Not for a model that ends in a softmax already: its scores add up to 1.
 * A NaN among the inputs makes every output NaN. Infinities are limits: where there is +inf, those elements
 * share 1 equally and the others get 0; -inf gets 0, unless all are -inf: then each gets 1/n.
 *
 * @param in The logits.
 * @param n How many; 0 does nothing.
 * @param out The probabilities. May be `in`.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_softmax(const float *in, size_t n, float *out);

/**
 * Compute 1 / (1 + exp(-x)) of each number: 0 for -inf, 1 for +inf, NaN for NaN.
 *
 * @param in The numbers.
 * @param n How many; 0 does nothing.
 * @param out The results. May be `in`.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_sigmoid(const float *in, size_t n, float *out);

/**
 * Find the highest score; of equal ones the first. A NaN is below every number.
 *
 * @param scores The scores; any scale.
 * @param n How many.
 * @param index_out The position of the highest among them: the class number.
 * @return 0 on success, `invalid_argument` also for no scores, which have no highest.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_argmax(const float *scores, size_t n, size_t *index_out);

/** A class and its score. */
typedef struct wasi_nn_score_t {
  /** The position among the scores: the class number. */
  size_t index;
  float score;
} wasi_nn_score_t;

/**
 * Find the k highest scores, best first. Equal scores keep their order; NaN comes after every number.
 *
 * It is meant for a small k: it takes n * k steps at worst. It cannot fail: no scores, or NULL, have no best.
 *
 * @param scores The scores; any scale.
 * @param n How many scores.
 * @param k How many are wanted; may be more than there are.
 * @param best_out Room for min(n, k) results, apart from the scores.
 * @return How many there are: min(n, k).
 */
static inline size_t wasi_nn_top_k(const float *scores, size_t n, size_t k, wasi_nn_score_t *best_out);

/* ---- Boxes ----------------------------------------------------------------------------------------- */

/** A box by two opposite corners, in any unit and either order. */
typedef struct wasi_nn_box_t {
  float x0, y0, x1, y1;
} wasi_nn_box_t;

/**
 * Return intersection over union of two boxes, from 0 to 1; 0 where that is no number: for two boxes without
 * area, for infinite ones, and for a NaN.
 */
static inline float wasi_nn_iou(wasi_nn_box_t a, wasi_nn_box_t b);

/**
 * Keep the best of boxes that overlap, best first (non-maximum suppression).
 *
 * In order of score, a box is kept when its score is at least `min_score` and its `wasi_nn_iou` with no kept
 * one is above `max_iou`. Of equal scores the first comes first. A NaN score is never kept; a NaN `min_score`
 * keeps none, a NaN `max_iou` suppresses none. It needs no memory but `kept_out`, and in return looks at all
 * boxes once for each that it keeps. It cannot fail: no boxes, or NULL, leave none.
 *
 * @param boxes The boxes.
 * @param scores One score per box.
 * @param n How many boxes.
 * @param min_score The lowest score to keep.
 * @param max_iou The largest overlap to keep.
 * @param room How many to keep at most.
 * @param kept_out The positions of the kept ones; room for min(n, room), apart from the inputs.
 * @return How many are kept.
 */
static inline size_t wasi_nn_nms(
    const wasi_nn_box_t *boxes,
    const float *scores,
    size_t n,
    float min_score,
    float max_iou,
    size_t room,
    size_t *kept_out);

/* ---- Number formats -------------------------------------------------------------------------------- */

/**
 * Turn quantised values into the numbers they stand for: scale * (value - zero_point). The difference is exact,
 * then rounded to f32 and multiplied there.
 *
 * @param in The values.
 * @param n How many; 0 does nothing.
 * @param scale What a step stands for.
 * @param zero_point The value that stands for 0.
 * @param out The numbers.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_dequantise_u8(
    const uint8_t *in, size_t n, float scale, int32_t zero_point, float *out);
/** As `wasi_nn_dequantise_u8`. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_dequantise_i8(
    const int8_t *in, size_t n, float scale, int32_t zero_point, float *out);
/** As `wasi_nn_dequantise_u8`. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_dequantise_i32(
    const int32_t *in, size_t n, float scale, int32_t zero_point, float *out);

/**
 * Round each number to half precision, to the nearest, ties to even; from 65520 on that is infinity. A NaN keeps
 * its sign and the upper ten bits of its payload, and becomes quiet.
 *
 * @param in The numbers.
 * @param n How many; 0 does nothing.
 * @param out Their halves, as bits.
 * @return 0 on success, else as the rules above say.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_f32_to_f16(const float *in, size_t n, uint16_t *out);

/** Widen each half; exact. As `wasi_nn_f32_to_f16`. */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_f16_to_f32(const uint16_t *in, size_t n, float *out);

/* ==== Implementation: nothing below here is needed to use the header ================================ */

/* What loops are made of is known when it is compiled only if it is inlined: element types, lanes. */
#define WASI_NN_IMPL_INLINE static inline __attribute__((__always_inline__))

/* First in a function that multiplies and adds: the two must round apart. GCC has no such pragma. */
#ifdef __clang__
#define WASI_NN_IMPL_NO_FMA _Pragma("clang fp contract(off)")
#else
#define WASI_NN_IMPL_NO_FMA
#endif

/* Whether `n` elements may go from one array to another: that sizes fit, and the arrays lie apart. */
static inline wasi_nn_errno_t wasi_nn_impl_check(
    const void *in, size_t in_size, const void *out, size_t out_size, size_t n) {
  const uintptr_t from = (uintptr_t)in, to = (uintptr_t)out;
  if (n == 0) return WASI_NN_ERRNO_SUCCESS;
  if (n > SIZE_MAX / (in_size > out_size ? in_size : out_size)) return WASI_NN_ERRNO_TOO_LARGE;
  if (!in || !out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  if (from <= to ? to - from < n * in_size : from - to < n * out_size) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_impl_check_in_place(const float *in, const float *out, size_t n) {
  const wasi_nn_errno_t error = wasi_nn_impl_check(in, sizeof *in, out, sizeof *out, n);
  return error == WASI_NN_ERRNO_INVALID_ARGUMENT && in && in == out ? WASI_NN_ERRNO_SUCCESS : error;
}

static inline uint32_t wasi_nn_impl_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float wasi_nn_impl_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* ln 2 in two parts; the first has so few bits that its product with an exponent is exact. */
#define WASI_NN_IMPL_LOG2_E 1.4426950408889634
#define WASI_NN_IMPL_LN_2_HIGH 6.931471803691238e-01
#define WASI_NN_IMPL_LN_2_LOW 1.9082149292705877e-10
/* 1/n! for n from 11 down to 0. */
#define WASI_NN_IMPL_COEFFICIENTS                                                                              \
  {1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0,                \
   1.0 / 120.0,      1.0 / 24.0,      1.0 / 6.0,      0.5,           1.0,          1.0}

/* e to the power of x, for x not above 0; 0 below -700, NaN for NaN. The relative error is below 2^-45. */
static inline double wasi_nn_impl_exp(double x) {
  WASI_NN_IMPL_NO_FMA
  static const double coefficients[] = WASI_NN_IMPL_COEFFICIENTS;
  double power = 0, r, two_to_k;
  uint64_t bits;
  int32_t k;
  size_t i;
  if (x != x) return x;
  if (x < -700) return 0;
  /* x = k ln 2 + r with |r| about ln 2 / 2 at most: the conversion rounds towards 0, hence up. */
  k = (int32_t)(x * WASI_NN_IMPL_LOG2_E - 0.5);
  r = (x - k * WASI_NN_IMPL_LN_2_HIGH) - k * WASI_NN_IMPL_LN_2_LOW;
  for (i = 0; i < sizeof coefficients / sizeof *coefficients; i++) power = power * r + coefficients[i];
  bits = (uint64_t)(1023 + k) << 52;
  memcpy(&two_to_k, &bits, sizeof two_to_k);
  return power * two_to_k;
}

static inline float wasi_nn_impl_sigmoid(float value) {
  const double x = (double)value;
  /* The exponent is never above 0, so that nothing overflows. */
  const double power = wasi_nn_impl_exp(x > 0 ? -x : x);
  return (float)((x > 0 ? 1 : power) / (1 + power));
}

/* A half, as bits in the lower 16. */
static inline uint32_t wasi_nn_impl_half(float value) {
  const uint32_t bits = wasi_nn_impl_bits(value);
  const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
  if (magnitude >= 0x47800000) return sign | 0x7c00; /* 2^16: twice the highest power of two of a half */
  if (magnitude < 0x38800000) { /* 2^-14, the smallest normal half */
    /* The last bit of a number in [0.5, 1) is 2^-24, that of a subnormal half: the sum rounds to it. */
    return sign | (wasi_nn_impl_bits(wasi_nn_impl_from_bits(magnitude) + 0.5f) - 0x3f000000);
  }
  /* The exponents differ by 112. */
  return sign | ((magnitude - (UINT32_C(112) << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

static inline float wasi_nn_impl_float(uint16_t half) {
  const uint32_t sign = ((uint32_t)half & 0x8000) << 16, magnitude = half & 0x7fff;
  if (magnitude > 0x7c00) return wasi_nn_impl_from_bits(sign | magnitude << 13 | 0x7fc00000);
  if (magnitude == 0x7c00) return wasi_nn_impl_from_bits(sign | 0x7f800000);
  /* The exponent is 112 too low; a product mends it, and makes a normal number of a subnormal one. */
  return wasi_nn_impl_from_bits(sign | wasi_nn_impl_bits(wasi_nn_impl_from_bits(magnitude << 13) * 0x1p112f));
}

/* The same, several at a time: the same operations on each number, so that the bits are the same. */
#ifdef __wasm_simd128__

static inline v128_t wasi_nn_impl_exp_x2(v128_t x) {
  static const double coefficients[] = WASI_NN_IMPL_COEFFICIENTS;
  const v128_t scaled = wasm_f64x2_mul(x, wasm_f64x2_splat(WASI_NN_IMPL_LOG2_E));
  const v128_t k = wasm_i32x4_trunc_sat_f64x2_zero(wasm_f64x2_sub(scaled, wasm_f64x2_splat(0.5)));
  const v128_t wide = wasm_f64x2_convert_low_i32x4(k);
  const v128_t high = wasm_f64x2_mul(wide, wasm_f64x2_splat(WASI_NN_IMPL_LN_2_HIGH));
  const v128_t low = wasm_f64x2_mul(wide, wasm_f64x2_splat(WASI_NN_IMPL_LN_2_LOW));
  const v128_t r = wasm_f64x2_sub(wasm_f64x2_sub(x, high), low);
  const v128_t biased = wasm_i64x2_add(wasm_i64x2_extend_low_i32x4(k), wasm_i64x2_splat(1023));
  v128_t power = wasm_f64x2_splat(0);
  size_t i;
  for (i = 0; i < sizeof coefficients / sizeof *coefficients; i++) {
    power = wasm_f64x2_add(wasm_f64x2_mul(power, r), wasm_f64x2_splat(coefficients[i]));
  }
  power = wasm_f64x2_mul(power, wasm_i64x2_shl(biased, 52));
  return wasm_v128_andnot(power, wasm_f64x2_lt(x, wasm_f64x2_splat(-700)));
}

WASI_NN_IMPL_INLINE v128_t wasi_nn_impl_upper_half(v128_t four) {
  return wasm_i32x4_shuffle(four, four, 2, 3, 2, 3);
}

/* Four f32 from two pairs of f64. */
WASI_NN_IMPL_INLINE v128_t wasi_nn_impl_demote(v128_t low, v128_t high) {
  const v128_t lower = wasm_f32x4_demote_f64x2_zero(low), upper = wasm_f32x4_demote_f64x2_zero(high);
  return wasm_i32x4_shuffle(lower, upper, 0, 1, 4, 5);
}

static inline v128_t wasi_nn_impl_sigmoid_x2(v128_t x) {
  const v128_t one = wasm_f64x2_splat(1), is_above = wasm_f64x2_gt(x, wasm_f64x2_splat(0));
  const v128_t power = wasi_nn_impl_exp_x2(wasm_v128_bitselect(wasm_f64x2_neg(x), x, is_above));
  return wasm_f64x2_div(wasm_v128_bitselect(one, power, is_above), wasm_f64x2_add(one, power));
}

/* Four halves, as bits in the lower 16 of each lane. */
static inline v128_t wasi_nn_impl_half_x4(v128_t bits) {
  const v128_t sign = wasm_v128_and(wasm_u32x4_shr(bits, 16), wasm_i32x4_splat(0x8000));
  const v128_t magnitude = wasm_v128_and(bits, wasm_i32x4_splat(0x7fffffff));
  const v128_t shifted = wasm_u32x4_shr(magnitude, 13);
  const v128_t sum = wasm_f32x4_add(magnitude, wasm_f32x4_splat(0.5f));
  const v128_t subnormal = wasm_i32x4_sub(sum, wasm_i32x4_splat(0x3f000000));
  const v128_t odd = wasm_v128_and(shifted, wasm_i32x4_splat(1));
  const v128_t rebased = wasm_i32x4_add(magnitude, wasm_i32x4_splat(0xfff - (112 << 23)));
  const v128_t payload = wasm_v128_and(shifted, wasm_i32x4_splat(0x3ff));
  v128_t half = wasm_u32x4_shr(wasm_i32x4_add(rebased, odd), 13);
  half = wasm_v128_bitselect(subnormal, half, wasm_i32x4_lt(magnitude, wasm_i32x4_splat(0x38800000)));
  half = wasm_v128_bitselect(
      wasm_i32x4_splat(0x7c00), half, wasm_i32x4_ge(magnitude, wasm_i32x4_splat(0x47800000)));
  half = wasm_v128_bitselect(
      wasm_v128_or(wasm_i32x4_splat(0x7e00), payload),
      half,
      wasm_i32x4_gt(magnitude, wasm_i32x4_splat(0x7f800000)));
  return wasm_v128_or(sign, half);
}

/* Four floats of halves in the lower 16 bits of each lane. */
static inline v128_t wasi_nn_impl_float_x4(v128_t half) {
  const v128_t sign = wasm_i32x4_shl(wasm_v128_and(half, wasm_i32x4_splat(0x8000)), 16);
  const v128_t magnitude = wasm_v128_and(half, wasm_i32x4_splat(0x7fff));
  const v128_t shifted = wasm_i32x4_shl(magnitude, 13);
  const v128_t number = wasm_f32x4_mul(shifted, wasm_f32x4_splat(0x1p112f));
  const v128_t is_nan = wasm_i32x4_gt(magnitude, wasm_i32x4_splat(0x7c00));
  const v128_t quiet = wasm_v128_and(is_nan, wasm_i32x4_splat(1 << 22));
  const v128_t special = wasm_v128_or(wasm_v128_or(shifted, wasm_i32x4_splat(0x7f800000)), quiet);
  const v128_t is_special = wasm_i32x4_ge(magnitude, wasm_i32x4_splat(0x7c00));
  return wasm_v128_or(sign, wasm_v128_bitselect(special, number, is_special));
}

#endif /* __wasm_simd128__ */

static inline float wasi_nn_impl_max(const float *in, size_t n) {
  float max = in[0];
  size_t i = 0;
#ifdef __wasm_simd128__
  v128_t lanes = wasm_f32x4_splat(max);
  float four[4];
  /* Keeps a lane where it is not below: one that begins with NaN too, as the comparison below does. */
  for (; n - i >= 4; i += 4) lanes = wasm_f32x4_pmax(lanes, wasm_v128_load(in + i));
  wasm_v128_store(four, lanes);
  max = four[0];
  if (four[1] > max) max = four[1];
  if (four[2] > max) max = four[2];
  if (four[3] > max) max = four[3];
#endif
  for (; i < n; i++) {
    if (in[i] > max) max = in[i];
  }
  return max;
}

static inline wasi_nn_errno_t wasi_nn_softmax(const float *in, size_t n, float *out) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_in_place(in, out, n);
  double sum = 0;
  float max;
  size_t i = 0;
  if (error || n == 0) return error;
  max = wasi_nn_impl_max(in, n);
#ifdef __wasm_simd128__
  for (; n - i >= 4; i += 4) {
    const v128_t four = wasm_v128_load(in + i), maxima = wasm_f32x4_splat(max);
    const v128_t rest = wasm_f32x4_sub(four, maxima);
    const v128_t low = wasi_nn_impl_exp_x2(wasm_f64x2_promote_low_f32x4(rest));
    const v128_t high = wasi_nn_impl_exp_x2(wasm_f64x2_promote_low_f32x4(wasi_nn_impl_upper_half(rest)));
    const v128_t powers = wasi_nn_impl_demote(low, high);
    const v128_t is_max = wasm_f32x4_eq(four, maxima);
    wasm_v128_store(out + i, wasm_v128_bitselect(wasm_f32x4_splat(1), powers, is_max));
    sum += (double)out[i];
    sum += (double)out[i + 1];
    sum += (double)out[i + 2];
    sum += (double)out[i + 3];
  }
#endif
  for (; i < n; i++) {
    /* Without the comparison an infinite maximum would give inf - inf. A NaN is equal to nothing and spreads. */
    out[i] = in[i] == max ? 1.0f : (float)wasi_nn_impl_exp((double)(in[i] - max));
    sum += (double)out[i];
  }
  i = 0;
#ifdef __wasm_simd128__
  for (; n - i >= 4; i += 4) {
    const v128_t four = wasm_v128_load(out + i), sums = wasm_f64x2_splat(sum);
    const v128_t low = wasm_f64x2_div(wasm_f64x2_promote_low_f32x4(four), sums);
    const v128_t high = wasm_f64x2_div(wasm_f64x2_promote_low_f32x4(wasi_nn_impl_upper_half(four)), sums);
    wasm_v128_store(out + i, wasi_nn_impl_demote(low, high));
  }
#endif
  for (; i < n; i++) out[i] = (float)((double)out[i] / sum);
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_sigmoid(const float *in, size_t n, float *out) {
  const wasi_nn_errno_t error = wasi_nn_impl_check_in_place(in, out, n);
  size_t i = 0;
  if (error) return error;
#ifdef __wasm_simd128__
  for (; n - i >= 4; i += 4) {
    const v128_t four = wasm_v128_load(in + i);
    const v128_t low = wasi_nn_impl_sigmoid_x2(wasm_f64x2_promote_low_f32x4(four));
    const v128_t high = wasi_nn_impl_sigmoid_x2(wasm_f64x2_promote_low_f32x4(wasi_nn_impl_upper_half(four)));
    wasm_v128_store(out + i, wasi_nn_impl_demote(low, high));
  }
#endif
  for (; i < n; i++) out[i] = wasi_nn_impl_sigmoid(in[i]);
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_argmax(const float *scores, size_t n, size_t *index_out) {
  size_t best = 0, i = 0;
  if (!scores || !index_out || n == 0) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  if (n > SIZE_MAX / sizeof *scores) return WASI_NN_ERRNO_TOO_LARGE;
  while (i < n && scores[i] != scores[i]) i++;
  if (i < n) best = i; /* the first number */
#ifdef __wasm_simd128__
  if (i < n) {
    /* The highest number first, since it is quicker without its position; then the first that equals it. */
    const float max = wasi_nn_impl_max(scores + i, n - i);
    const v128_t maxima = wasm_f32x4_splat(max);
    while (n - i >= 4 && !wasm_v128_any_true(wasm_f32x4_eq(wasm_v128_load(scores + i), maxima))) i += 4;
    while (scores[i] != max) i++;
    best = i;
  }
#else
  for (; i < n; i++) {
    if (scores[i] > scores[best]) best = i;
  }
#endif
  *index_out = best;
  return WASI_NN_ERRNO_SUCCESS;
}

static inline size_t wasi_nn_top_k(const float *scores, size_t n, size_t k, wasi_nn_score_t *best_out) {
  size_t count = 0;
  size_t i;
  if (k == 0 || !scores || !best_out) return 0;
  for (i = 0; i < n; i++) {
    float score;
    size_t at = count;
    int is_nan;
#ifdef __wasm_simd128__
    /* Most scores are not above the last of the best, once there are k. */
    if (count == k && best_out[k - 1].score == best_out[k - 1].score) {
      const v128_t last = wasm_f32x4_splat(best_out[k - 1].score);
      while (n - i >= 4 && !wasm_v128_any_true(wasm_f32x4_gt(wasm_v128_load(scores + i), last))) i += 4;
      if (i == n) break;
    }
#endif
    score = scores[i];
    is_nan = score != score;
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

/* What two ranges have in common; 0 for nothing. */
static inline float wasi_nn_impl_overlap(float low_a, float high_a, float low_b, float high_b) {
  const float overlap = (high_a < high_b ? high_a : high_b) - (low_a > low_b ? low_a : low_b);
  return overlap > 0 ? overlap : 0;
}

/* With the corner first that comes first. */
static inline wasi_nn_box_t wasi_nn_impl_sorted(wasi_nn_box_t box) {
  wasi_nn_box_t sorted = box;
  if (box.x0 > box.x1) {
    sorted.x0 = box.x1;
    sorted.x1 = box.x0;
  }
  if (box.y0 > box.y1) {
    sorted.y0 = box.y1;
    sorted.y1 = box.y0;
  }
  return sorted;
}

static inline float wasi_nn_iou(wasi_nn_box_t a, wasi_nn_box_t b) {
  WASI_NN_IMPL_NO_FMA
  float width_a, height_a, width_b, height_b, both, area_a, area_b, iou;
  a = wasi_nn_impl_sorted(a);
  b = wasi_nn_impl_sorted(b);
  width_a = a.x1 - a.x0;
  height_a = a.y1 - a.y0;
  width_b = b.x1 - b.x0;
  height_b = b.y1 - b.y0;
  if (width_a != width_a || height_a != height_a || width_b != width_b || height_b != height_b) return 0;
  both = wasi_nn_impl_overlap(a.x0, a.x1, b.x0, b.x1) * wasi_nn_impl_overlap(a.y0, a.y1, b.y0, b.y1);
  area_a = width_a * height_a;
  area_b = width_b * height_b;
  iou = both / ((area_a + area_b) - both);
  return iou > 0 ? iou : 0;
}

/* Whether a box may be kept beside those that are: it comes after the last in order of score, and overlaps none. */
static inline int wasi_nn_impl_may_stay(
    const wasi_nn_box_t *boxes,
    const float *scores,
    float max_iou,
    size_t index,
    const size_t *kept,
    size_t count) {
  size_t i;
  if (count > 0) {
    const size_t last = kept[count - 1];
    if (!(scores[last] > scores[index] || (scores[last] >= scores[index] && last < index))) return 0;
  }
  for (i = 0; i < count; i++) {
    if (wasi_nn_iou(boxes[index], boxes[kept[i]]) > max_iou) return 0;
  }
  return 1;
}

static inline size_t wasi_nn_nms(
    const wasi_nn_box_t *boxes,
    const float *scores,
    size_t n,
    float min_score,
    float max_iou,
    size_t room,
    size_t *kept_out) {
  size_t count = 0;
  if (!boxes || !scores || !kept_out) return 0;
  while (count < room) {
    size_t best = n;
    size_t i;
    for (i = 0; i < n; i++) {
      const int is_better = best == n ? scores[i] >= min_score : scores[i] > scores[best];
      if (is_better && wasi_nn_impl_may_stay(boxes, scores, max_iou, i, kept_out, count)) best = i;
    }
    if (best == n) break;
    kept_out[count++] = best;
  }
  return count;
}

WASI_NN_IMPL_INLINE float wasi_nn_impl_dequantise(double value, float scale, int32_t zero_point) {
  return scale * (float)(value - zero_point);
}

/* Whether the difference to an 8-bit value fits 32 bits: then its conversion to f32 rounds the same, and faster. */
#define WASI_NN_IMPL_IS_NEAR(zero_point) ((zero_point) > INT32_MIN / 2 && (zero_point) < INT32_MAX / 2)

static inline wasi_nn_errno_t wasi_nn_dequantise_u8(
    const uint8_t *in, size_t n, float scale, int32_t zero_point, float *out) {
  const wasi_nn_errno_t error = wasi_nn_impl_check(in, sizeof *in, out, sizeof *out, n);
  size_t i;
  if (error) return error;
  if (WASI_NN_IMPL_IS_NEAR(zero_point)) {
    for (i = 0; i < n; i++) out[i] = scale * (float)(in[i] - zero_point);
  } else {
    for (i = 0; i < n; i++) out[i] = wasi_nn_impl_dequantise(in[i], scale, zero_point);
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_dequantise_i8(
    const int8_t *in, size_t n, float scale, int32_t zero_point, float *out) {
  const wasi_nn_errno_t error = wasi_nn_impl_check(in, sizeof *in, out, sizeof *out, n);
  size_t i;
  if (error) return error;
  if (WASI_NN_IMPL_IS_NEAR(zero_point)) {
    for (i = 0; i < n; i++) out[i] = scale * (float)(in[i] - zero_point);
  } else {
    for (i = 0; i < n; i++) out[i] = wasi_nn_impl_dequantise(in[i], scale, zero_point);
  }
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_dequantise_i32(
    const int32_t *in, size_t n, float scale, int32_t zero_point, float *out) {
  const wasi_nn_errno_t error = wasi_nn_impl_check(in, sizeof *in, out, sizeof *out, n);
  size_t i;
  if (error) return error;
  for (i = 0; i < n; i++) out[i] = wasi_nn_impl_dequantise(in[i], scale, zero_point);
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_f32_to_f16(const float *in, size_t n, uint16_t *out) {
  const wasi_nn_errno_t error = wasi_nn_impl_check(in, sizeof *in, out, sizeof *out, n);
  size_t i = 0;
  if (error) return error;
#ifdef __wasm_simd128__
  for (; n - i >= 8; i += 8) {
    const v128_t low = wasi_nn_impl_half_x4(wasm_v128_load(in + i));
    const v128_t high = wasi_nn_impl_half_x4(wasm_v128_load(in + i + 4));
    wasm_v128_store(out + i, wasm_u16x8_narrow_i32x4(low, high));
  }
#endif
  for (; i < n; i++) out[i] = (uint16_t)wasi_nn_impl_half(in[i]);
  return WASI_NN_ERRNO_SUCCESS;
}

static inline wasi_nn_errno_t wasi_nn_f16_to_f32(const uint16_t *in, size_t n, float *out) {
  const wasi_nn_errno_t error = wasi_nn_impl_check(in, sizeof *in, out, sizeof *out, n);
  size_t i = 0;
  if (error) return error;
#ifdef __wasm_simd128__
  for (; n - i >= 4; i += 4) {
    wasm_v128_store(out + i, wasi_nn_impl_float_x4(wasm_u32x4_load16x4(in + i)));
  }
#endif
  for (; i < n; i++) out[i] = wasi_nn_impl_float(in[i]);
  return WASI_NN_ERRNO_SUCCESS;
}

#endif /* WASI_NN_MATH_H */
