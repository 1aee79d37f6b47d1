/*
 * Claims about bad input to wasi_nn_math.h and wasi_nn_image.h, and about their special values: a line "ok: ..." or
 * "FAIL: ..." each, exit code 1 if one fails. Runs in wasm, without and with SIMD, and natively under sanitizers.
 */
#include <math.h>
#include <stdio.h>

#include <wasi_nn_image.h>

enum { BAD = WASI_NN_ERRNO_INVALID_ARGUMENT, LARGE = WASI_NN_ERRNO_TOO_LARGE, SIDE = 8, ROOM = SIDE * SIDE * 4 };

typedef wasi_nn_errno_t (*of_u8)(
    const uint8_t *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, uint8_t *dst);
typedef wasi_nn_errno_t (*of_f32)(
    const float *src, const wasi_nn_image_t *from, const wasi_nn_image_t *to, float *dst);
typedef wasi_nn_errno_t (*normalise)(
    const uint8_t *src, const wasi_nn_image_t *from, const float *mean, const float *std, size_t count, float *out);

static const of_u8 U8[] = {
    wasi_nn_resize_nearest_u8, wasi_nn_resize_bilinear_u8, wasi_nn_resize_area_u8, wasi_nn_image_copy_u8};
static const of_f32 F32[] = {
    wasi_nn_resize_nearest_f32, wasi_nn_resize_bilinear_f32, wasi_nn_resize_area_f32, wasi_nn_image_copy_f32};
static const normalise NORMALISE[] = {wasi_nn_normalise_hwc_u8_f32, wasi_nn_normalise_chw_u8_f32};
enum { FILTERS = 4 };

static uint8_t bytes[ROOM], other_bytes[ROOM], untouched[ROOM * 4];
static float floats[ROOM], other_floats[ROOM];
static int failures;

static void check(int holds, const char *claim) {
  printf("%s: %s\n", holds ? "ok" : "FAIL", claim);
  failures += !holds;
}

static int equal(const float *found, const float *expected, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (found[i] != expected[i]) return 0;
  }
  return 1;
}

static wasi_nn_image_t image(size_t width, size_t height, size_t channels) {
  const wasi_nn_image_t made = {width, height, channels, width * channels, 0};
  return made;
}

/* Whether each function refuses this with that error and writes nothing. */
static int all_refuse(const wasi_nn_image_t *from, const wasi_nn_image_t *to, wasi_nn_errno_t error) {
  int refused = 1;
  for (size_t i = 0; i < FILTERS; i++) {
    refused = refused && U8[i](bytes, from, to, other_bytes) == error;
    refused = refused && F32[i](floats, from, to, other_floats) == error;
  }
  return refused && memcmp(other_bytes, untouched, sizeof other_bytes) == 0 &&
         memcmp(other_floats, untouched, sizeof other_floats) == 0;
}

static void test_describing(void) {
  const wasi_nn_image_t none = {0, 0, 0, 0, 0};
  wasi_nn_image_t made = image(1, 2, 3);
  check(wasi_nn_image(0, 1, 1, 0, &made) == BAD && memcmp(&made, &none, sizeof none) == 0, "image: width 0");
  check(wasi_nn_image(1, 0, 1, 0, &made) == BAD, "image: height 0");
  check(wasi_nn_image(1, 1, 0, 0, &made) == BAD, "image: no channels");
  check(wasi_nn_image(((size_t)1 << 23) + 1, 1, 1, ((size_t)1 << 23) + 1, &made) == BAD, "image: too wide");
  check(wasi_nn_image(1, SIZE_MAX, 1, SIZE_MAX, &made) == BAD, "image: too high");
  check(wasi_nn_image((size_t)1 << 23, 1, 1, (size_t)1 << 23, &made) == 0, "image: as wide as may be");
  check(wasi_nn_image(2, 3, 4, 23, &made) == BAD, "image: another count");
  check(wasi_nn_image(2, 3, 4, 25, &made) == BAD, "image: another count, larger");
  check(wasi_nn_image(2, 1, SIZE_MAX / 2 + 1, 0, &made) == LARGE, "image: a row whose product wraps to 0");
  check(wasi_nn_image(1, 2, SIZE_MAX / 2 + 1, 0, &made) == LARGE, "image: a whole whose product wraps to 0");
  check(wasi_nn_image(1, 1, 1, 1, NULL) == BAD, "image: NULL");
  check(wasi_nn_image(2, 3, 4, 24, &made) == 0 && made.stride == 8 && made.start == 0, "image: a good one");
}

static void test_cropping(void) {
  const wasi_nn_image_t whole = image(5, 4, 3), none = {0, 0, 0, 0, 0};
  wasi_nn_image_t region = image(1, 1, 1);
  check(wasi_nn_image_crop(&whole, 1, 2, 4, 2, &region) == 0 && region.start == 33, "crop: to the last corner");
  check(wasi_nn_image_crop(&whole, 2, 0, 4, 1, &region) == BAD && memcmp(&region, &none, sizeof none) == 0,
        "crop: one too wide");
  check(wasi_nn_image_crop(&whole, 0, 3, 1, 2, &region) == BAD, "crop: one too high");
  check(wasi_nn_image_crop(&whole, 5, 0, 1, 1, &region) == BAD, "crop: beside");
  check(wasi_nn_image_crop(&whole, 0, 0, 0, 1, &region) == BAD, "crop: width 0");
  check(wasi_nn_image_crop(&whole, 0, 0, 1, 0, &region) == BAD, "crop: height 0");
  check(wasi_nn_image_crop(&whole, SIZE_MAX, 0, 2, 1, &region) == BAD, "crop: a sum that wraps");
  check(wasi_nn_image_crop(&whole, 1, 1, SIZE_MAX, SIZE_MAX, &region) == BAD, "crop: a size that wraps");
  check(wasi_nn_image_crop(&none, 0, 0, 1, 1, &region) == BAD, "crop: of nothing");
  check(wasi_nn_image_crop(NULL, 0, 0, 1, 1, &region) == BAD, "crop: of NULL");
  check(wasi_nn_image_crop(&whole, 0, 0, 1, 1, NULL) == BAD, "crop: into NULL");
  region = whole;
  check(wasi_nn_image_crop(&region, 1, 1, 2, 2, &region) == 0 &&
            wasi_nn_image_crop(&region, 1, 1, 1, 1, &region) == 0 && region.start == 2 * 15 + 2 * 3,
        "crop: of a crop, in place");
}

static void test_pictures(void) {
  const wasi_nn_image_t small = image(4, 4, 3), none = {0, 0, 0, 0, 0}, grey = image(4, 4, 1);
  wasi_nn_image_t wrong = small;
  check(all_refuse(&none, &small, BAD) && all_refuse(&small, &none, BAD), "pictures: nothing");
  check(all_refuse(NULL, &small, BAD) && all_refuse(&small, NULL, BAD), "pictures: nowhere");
  check(all_refuse(&grey, &small, BAD) && all_refuse(&small, &grey, BAD), "pictures: other channels");
  wrong.stride = 11;
  check(all_refuse(&wrong, &small, BAD) && all_refuse(&small, &wrong, BAD), "pictures: rows that overlap");
  wrong.stride = SIZE_MAX / 3;
  check(all_refuse(&wrong, &small, LARGE) && all_refuse(&small, &wrong, LARGE), "pictures: rows too far apart");
  wrong = small;
  wrong.start = SIZE_MAX - 47;
  check(all_refuse(&wrong, &small, LARGE), "pictures: an end that wraps");
  wrong = image(1, 1, SIZE_MAX);
  check(wasi_nn_resize_area_f32(floats, &wrong, &wrong, other_floats) == LARGE, "pictures: bytes that wrap");
  check(U8[0](NULL, &small, &small, other_bytes) == BAD && U8[0](bytes, &small, &small, NULL) == BAD &&
            F32[0](NULL, &small, &small, other_floats) == BAD,
        "pictures: samples at NULL");
  int refused = 1;
  for (size_t i = 0; i < FILTERS; i++) {
    refused = refused && U8[i](bytes, &small, &small, bytes) == BAD;
    refused = refused && U8[i](bytes, &small, &small, bytes + 47) == BAD;
    refused = refused && U8[i](bytes + 47, &small, &small, bytes) == BAD;
    refused = refused && F32[i](floats, &small, &small, floats + 47) == BAD;
  }
  check(refused, "pictures: in memory they share");
  check(U8[0](bytes, &small, &small, bytes + 48) == 0, "pictures: one right after the other");
  wrong = image(4, 5, 3);
  check(wasi_nn_image_copy_u8(bytes, &small, &wrong, other_bytes) == BAD, "copy: another height");
  check(wasi_nn_grey(bytes, &small, &grey, other_bytes) == 0, "grey: a good one");
  check(wasi_nn_grey(bytes, &small, &small, other_bytes) == BAD, "grey: into three channels");
  check(wasi_nn_grey(bytes, &grey, &grey, other_bytes) == BAD, "grey: of one channel");
  wrong = image(5, 4, 1);
  check(wasi_nn_grey(bytes, &small, &wrong, other_bytes) == BAD, "grey: another width");
  wrong = image(4, 4, 2);
  check(wasi_nn_swap_rgb_bgr_u8(&wrong, bytes) == BAD && wasi_nn_swap_rgb_bgr_f32(&wrong, floats) == BAD,
        "swap: two channels");
  check(wasi_nn_swap_rgb_bgr_u8(&small, NULL) == BAD && wasi_nn_swap_rgb_bgr_u8(NULL, bytes) == BAD &&
            wasi_nn_swap_rgb_bgr_f32(&small, NULL) == BAD && wasi_nn_swap_rgb_bgr_f32(NULL, floats) == BAD,
        "swap: NULL");
  check(wasi_nn_grey(NULL, &small, &grey, other_bytes) == BAD && wasi_nn_grey(bytes, &small, &grey, NULL) == BAD &&
            wasi_nn_grey(bytes, &small, &grey, bytes + 47) == BAD,
        "grey: NULL, and in memory they share");
}

static void test_arrays(void) {
  const wasi_nn_image_t small = image(4, 4, 3), none = {0, 0, 0, 0, 0};
  const float mean[] = {1, 2, 3};
  check(wasi_nn_hwc_to_chw_u8(bytes, &small, 47, other_bytes) == BAD, "layout: another count");
  check(wasi_nn_chw_to_hwc_f32(floats, 49, &small, other_floats) == BAD, "layout: another count, larger");
  check(wasi_nn_hwc_to_chw_u8(bytes, &none, 0, other_bytes) == BAD, "layout: nothing");
  check(wasi_nn_hwc_to_chw_u8(bytes, &small, 48, bytes + 47) == BAD &&
            wasi_nn_chw_to_hwc_u8(bytes + 47, 48, &small, bytes) == BAD,
        "layout: in memory they share");
  check(wasi_nn_hwc_to_chw_f32(floats, &small, 48, NULL) == BAD &&
            wasi_nn_chw_to_hwc_u8(NULL, 48, &small, bytes) == BAD,
        "layout: NULL");
  int refused = 1;
  for (size_t i = 0; i < 2; i++) {
    refused = refused && NORMALISE[i](bytes, &small, mean, mean, 47, other_floats) == BAD;
    refused = refused && NORMALISE[i](bytes, &small, NULL, mean, 48, other_floats) == BAD;
    refused = refused && NORMALISE[i](bytes, &small, mean, NULL, 48, other_floats) == BAD;
    refused = refused && NORMALISE[i](bytes, &small, other_floats, mean, 48, other_floats) == BAD;
    refused = refused && NORMALISE[i](bytes, &small, mean, other_floats + 47, 48, other_floats) == BAD;
    refused = refused && NORMALISE[i](NULL, &small, mean, mean, 48, other_floats) == BAD;
    refused = refused && NORMALISE[i](bytes, &none, mean, mean, 0, other_floats) == BAD;
  }
  check(refused && memcmp(other_floats, untouched, sizeof other_floats) == 0, "normalise: each wrong argument");
  const wasi_nn_image_t huge = image(1, 1, SIZE_MAX / 4 + 1);
  check(NORMALISE[0](bytes, &huge, mean, mean, huge.channels, other_floats) == LARGE &&
            NORMALISE[1](bytes, &huge, mean, mean, huge.channels, other_floats) == LARGE,
        "normalise: bytes that wrap where the samples' do not");
  check(NORMALISE[0](bytes, &small, mean, mean, 48, other_floats) == 0, "normalise: good ones");
}

static void test_numbers(void) {
  uint16_t halves[4] = {0, 0, 0, 0};
  check(wasi_nn_sigmoid(NULL, 0, NULL) == 0 && wasi_nn_u8_to_f32(NULL, 0, NULL) == 0 &&
            wasi_nn_dequantise_i32(NULL, 0, 1, 0, NULL) == 0 && wasi_nn_f32_to_f16(NULL, 0, NULL) == 0,
        "numbers: none may be NULL");
  check(wasi_nn_sigmoid(NULL, 1, floats) == BAD && wasi_nn_u8_to_i8(bytes, 1, NULL) == BAD &&
            wasi_nn_f16_to_f32(NULL, 1, floats) == BAD && wasi_nn_dequantise_u8(bytes, 1, 1, 0, NULL) == BAD &&
            wasi_nn_u8_to_f32(NULL, 1, floats) == BAD && wasi_nn_f32_to_f16(floats, 1, NULL) == BAD &&
            wasi_nn_dequantise_i32(NULL, 1, 1, 0, floats) == BAD,
        "numbers: NULL");
  check(wasi_nn_softmax(floats, SIZE_MAX / 4 + 1, floats) == LARGE &&
            wasi_nn_u8_to_f16(bytes, SIZE_MAX / 2 + 1, halves) == LARGE &&
            wasi_nn_dequantise_i8((const int8_t *)bytes, SIZE_MAX / 4 + 1, 1, 0, floats) == LARGE,
        "numbers: bytes that wrap");
  check(wasi_nn_softmax(floats, 4, floats + 3) == BAD && wasi_nn_sigmoid(floats + 3, 4, floats) == BAD &&
            wasi_nn_u8_to_i8(bytes, 4, (int8_t *)bytes) == BAD &&
            wasi_nn_f16_to_f32((const uint16_t *)(const void *)(floats + 1), 4, floats) == BAD,
        "numbers: in memory they share");
}

static void test_softmax(void) {
  const float big[] = {1e38f, -1e38f, 1e38f}, halves[] = {0.5f, 0, 0.5f};
  const float with_inf[] = {1, INFINITY, 3, INFINITY, 5}, shared[] = {0, 0.5f, 0, 0.5f, 0};
  const float minus[] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY}, quarters[] = {0.25f, 0.25f, 0.25f, 0.25f};
  const float some_minus[] = {-INFINITY, 5}, second[] = {0, 1};
  const float with_nan[] = {1, NAN, 3};
  float out[5] = {9, 9, 9, 9, 9};
  check(wasi_nn_softmax(big, 0, out) == 0 && out[0] == 9, "softmax: n 0 writes nothing");
  check(!wasi_nn_softmax(with_nan, 1, out) && out[0] == 1 && out[1] == 9, "softmax: one is 1, only n are written");
  check(!wasi_nn_softmax(big, 3, out) && equal(out, halves, 3), "softmax: large logits do not overflow");
  check(!wasi_nn_softmax(with_inf, 5, out) && equal(out, shared, 5), "softmax: +inf share everything");
  check(!wasi_nn_softmax(minus, 4, out) && equal(out, quarters, 4), "softmax: all -inf are equal");
  check(!wasi_nn_softmax(some_minus, 2, out) && equal(out, second, 2), "softmax: -inf gets 0");
  check(!wasi_nn_softmax(with_nan, 3, out) && isnan(out[0]) && isnan(out[1]) && isnan(out[2]),
        "softmax: one NaN makes all NaN");
  float in_place[] = {1, 2, 3, 4, 5}, apart[5];
  check(!wasi_nn_softmax(in_place, 5, apart) && !wasi_nn_softmax(in_place, 5, in_place) && equal(in_place, apart, 5),
        "softmax: in place gives the same");
}

static void test_best(void) {
  const float scores[] = {0.1f, 0.7f, NAN, 0.7f, INFINITY, -INFINITY, NAN};
  const size_t order[] = {4, 1, 3, 0, 5, 2, 6}, marked = SIZE_MAX / 255 * 0xA5;
  const float only_nan[] = {NAN, NAN}, late[] = {NAN, NAN, 1}, low[] = {NAN, -INFINITY, -INFINITY};
  wasi_nn_score_t best[8];
  size_t index = 9;
  int is_ordered = 1;
  memset(best, 0xA5, sizeof best);
  check(wasi_nn_top_k(scores, 7, 0, NULL) == 0, "top_k: k 0 needs no room");
  check(wasi_nn_top_k(NULL, 0, 5, NULL) == 0, "top_k: n 0 finds none");
  check(wasi_nn_top_k(NULL, 7, 5, best) == 0 && wasi_nn_top_k(scores, 7, 5, NULL) == 0, "top_k: NULL finds none");
  check(wasi_nn_top_k(scores, 7, SIZE_MAX, best) == 7 && best[7].index == marked,
        "top_k: k over n gives n, and writes no more");
  for (size_t i = 0; i < 7; i++) is_ordered = is_ordered && best[i].index == order[i];
  check(is_ordered, "top_k: best first, ties in order, -inf before NaN");
  check(best[1].score == 0.7f && isnan(best[5].score), "top_k: the scores come along");
  memset(best, 0xA5, sizeof best);
  check(wasi_nn_top_k(scores, 7, 2, best) == 2 && best[0].index == 4 && best[1].index == 1 && best[2].index == marked,
        "top_k: k under n keeps the first of a tie, and writes no more");
  check(wasi_nn_top_k(only_nan, 2, 1, best) == 1 && best[0].index == 0, "top_k: only NaN: the first");
  check(wasi_nn_top_k(late, 3, 1, best) == 1 && best[0].index == 2, "top_k: a number displaces NaN");
  check(wasi_nn_argmax(scores, 0, &index) == BAD && index == 9, "argmax: of none there is none");
  check(wasi_nn_argmax(NULL, 1, &index) == BAD && wasi_nn_argmax(scores, 1, NULL) == BAD, "argmax: NULL");
  check(wasi_nn_argmax(scores, SIZE_MAX / 4 + 1, &index) == LARGE && index == 9, "argmax: bytes that wrap");
  check(wasi_nn_argmax(only_nan, 2, &index) == 0 && index == 0, "argmax: only NaN: the first");
  check(wasi_nn_argmax(low, 3, &index) == 0 && index == 1, "argmax: -inf is above NaN");
}

static void test_boxes(void) {
  const wasi_nn_box_t unit = {0, 0, 1, 1}, half = {1, 0.5f, 0, 0}, point = {0, 0, 0, 0};
  const wasi_nn_box_t nan = {0, NAN, 1, 1}, infinite = {-INFINITY, 0, INFINITY, 1}, all = {INFINITY, 0, INFINITY, 1};
  const wasi_nn_box_t huge = {-3e38f, -3e38f, 3e38f, 3e38f};
  const wasi_nn_box_t boxes[] = {{0, 0, 4, 2}, {0.2f, 0, 4.2f, 2}, {6, 0, 9, 2}};
  const float scores[] = {0.8f, 0.9f, 0.5f}, with_nan[] = {NAN, 0.9f, 0.5f};
  size_t kept[3] = {9, 9, 9};
  check(wasi_nn_iou(unit, unit) == 1 && wasi_nn_iou(unit, half) == 0.5f, "iou: corners in any order");
  check(wasi_nn_iou(point, point) == 0, "iou: two points");
  check(wasi_nn_iou(nan, unit) == 0 && wasi_nn_iou(unit, nan) == 0, "iou: NaN");
  check(wasi_nn_iou(infinite, infinite) == 0 && wasi_nn_iou(all, unit) == 0, "iou: infinite boxes");
  check(wasi_nn_iou(huge, huge) == 0, "iou: areas that overflow");
  check(wasi_nn_nms(boxes, scores, 3, 0.3f, 0.5f, 3, kept) == 2 && kept[0] == 1 && kept[1] == 2 && kept[2] == 9,
        "nms: one of two that overlap");
  check(wasi_nn_nms(boxes, scores, 3, 0.3f, 0.5f, SIZE_MAX, kept) == 2, "nms: more room than boxes");
  check(wasi_nn_nms(boxes, scores, 3, 0.3f, 0.5f, 1, kept) == 1 && kept[0] == 1, "nms: no more than there is room");
  check(wasi_nn_nms(boxes, scores, 3, 0.3f, 0.5f, 0, NULL) == 0, "nms: no room");
  check(wasi_nn_nms(NULL, NULL, 0, 0, 0, 3, kept) == 0 && wasi_nn_nms(NULL, scores, 3, 0, 0, 3, kept) == 0 &&
            wasi_nn_nms(boxes, NULL, 3, 0, 0, 3, kept) == 0 && wasi_nn_nms(boxes, scores, 3, 0, 0, 3, NULL) == 0,
        "nms: NULL keeps none");
  check(wasi_nn_nms(boxes, with_nan, 3, 0, 1, 3, kept) == 2 && kept[0] == 1, "nms: a NaN score is not kept");
  check(wasi_nn_nms(boxes, scores, 3, NAN, 0.5f, 3, kept) == 0, "nms: a NaN min_score keeps none");
  check(wasi_nn_nms(boxes, scores, 3, 0, NAN, 3, kept) == 3, "nms: a NaN max_iou suppresses none");
}

int main(void) {
  test_describing();
  test_cropping();
  test_pictures();
  test_arrays();
  test_numbers();
  test_softmax();
  test_best();
  test_boxes();
  printf("end\n");
  return failures > 0;
}
