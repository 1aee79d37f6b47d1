/*
 * Say what is on many photos: the guest of photo.c as one that stays alive. A record is the bytes of a JPEG or
 * PNG file; the answer is five lines, the best class first. The model is the one registered as `squeezenet`;
 * the variable LABELS names a file with the 1000 classes' names, without it they are numbers.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wasi_nn.h>
#include <wasi_nn_image.h>
#include <wasi_nn_reactor.h>

/* The decoder gets bytes, not paths, and knows two formats only: less code, and less to attack. */
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_STDIO
#define STBI_FAILURE_USERMSG
#include <stb/stb_image.h>

enum {
  SIDE = 227,         /* the model sees a square of this many pixels a side, */
  SHORTER_SIDE = 256, /* cut from the middle of the photo, scaled to this shorter side */
  SAMPLES = 3 * SIDE * SIDE,
  CLASSES = 1000,
  BEST = 5,
  MAX_FILE_SIZE = 256 << 20,
  MAX_PIXELS = 64 << 20, /* a file of a few bytes may claim any size; this many take 192 MB as RGB */
};

/* Large arrays are static: a guest's stack has 64 KB. */
static uint8_t pixels[SAMPLES];
static float input_data[SAMPLES], scores[CLASSES];

/* What is made for the first record and is there for all others. */
static wasi_nn_graph_execution_context_t context;
static const char *names[CLASSES]; /* NULL where there are no labels */

/* How many bytes of UTF-8 at `text` could drive a terminal or turn the direction of writing; 0 when none do. */
static size_t unsafe_at(const char *text) {
  const unsigned char *c = (const unsigned char *)text;
  if (c[0] < 0x20 || c[0] == 0x7f) return c[0] != 0;
  if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) return 2; /* U+0080 to U+009F: more controls */
  if (c[0] == 0xd8 && c[1] == 0x9c) return 2;                 /* U+061C */
  if (c[0] == 0xe2 && c[1] == 0x80) {
    /* U+200E and U+200F; two that end lines, U+202A to U+202E */
    return c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae) ? 3 : 0;
  }
  return c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9 ? 3 : 0; /* U+2066 to U+2069 */
}

/* Put `?` in the place of what is unsafe in a text. */
static void make_safe(char *text) {
  char *end = text;
  while (*text) {
    const size_t unsafe = unsafe_at(text);
    *end++ = unsafe ? '?' : *text;
    text += unsafe ? unsafe : 1;
  }
  *end = '\0';
}

static const char *unreadable(const char *path, int code) {
  static char why[1024];
  const char *reason = strerror(code);
#ifdef ENOTCAPABLE
  if (code == ENOTCAPABLE) reason = "the guest was given no folder with this path";
#endif
  snprintf(why, sizeof why, "cannot read the labels %.800s: %s", path, reason);
  make_safe(why);
  return why;
}

/* Fill `names`, once: when the start fails later, the next record begins it again. NULL, or what is wrong. */
static const char *read_labels(const char *path) {
  static uint8_t *text; /* what `names` points into */
  size_t size, count = 0;
  if (text) return NULL;
  const int code = wasi_nn_read_file_malloc(path, MAX_FILE_SIZE, &text, &size);
  if (code) return unreadable(path, code);
  for (char *line = (char *)text, *next; *line; line = next, count++) {
    next = line + strcspn(line, "\n");
    if (*next) next++;
    line[strcspn(line, "\r\n")] = '\0';
    make_safe(line);
    if (count < CLASSES) names[count] = line;
  }
  if (count == CLASSES) return NULL;
  /* Names that do not belong to this model would make a wrong answer look right. */
  memset(names, 0, sizeof names);
  free(text);
  text = NULL;
  return "the file that LABELS names does not have 1000 lines, one for each class";
}

static const char *start(void) {
  static bool is_ready;
  const char *labels = getenv("LABELS");
  wasi_nn_graph_t graph;
  if (is_ready) return NULL;
  const char *why = labels ? read_labels(labels) : NULL;
  if (why) return why;
  wasi_nn_errno_t error = wasi_nn_load_named("squeezenet", &graph);
  if (!error) error = wasi_nn_init_execution_context(graph, &context);
  is_ready = !error;
  return error ? wasi_nn_strerror(error) : NULL;
}

/* Cut, scale and lay out: a file's bytes → input_data, [3, SIDE, SIDE] with the blue plane first. */
static const char *fill_input(const uint8_t *file, size_t size) {
  static const float mean[] = {104, 117, 123}, one[] = {1, 1, 1}; /* of blue, green and red, in training */
  int width, height, channels;
  wasi_nn_image_t photo, middle, scaled;
  if (size > MAX_FILE_SIZE) return "the file is over 256 MiB";
  /* The header first: it says what the pixels would cost before any memory is spent on them. */
  if (!stbi_info_from_memory(file, (int)size, &width, &height, &channels)) return "no JPEG or PNG file, or damaged";
  if ((int64_t)width * height > MAX_PIXELS) return "it has more than 64 megapixels";
  uint8_t *rgb = stbi_load_from_memory(file, (int)size, &width, &height, &channels, 3);
  if (!rgb) return stbi_failure_reason();
  const size_t w = (size_t)width, h = (size_t)height;
  const size_t side = ((w < h ? w : h) * SIDE + SHORTER_SIDE - 1) / SHORTER_SIDE;
  wasi_nn_errno_t error = wasi_nn_image(w, h, 3, 3 * w * h, &photo);
  if (!error) error = wasi_nn_image_crop(&photo, (w - side) / 2, (h - side) / 2, side, side, &middle);
  if (!error) error = wasi_nn_image(SIDE, SIDE, 3, SAMPLES, &scaled);
  if (!error) error = wasi_nn_resize_area_u8(rgb, &middle, &scaled, pixels);
  stbi_image_free(rgb);
  if (!error) error = wasi_nn_swap_rgb_bgr_u8(&scaled, pixels);
  if (!error) error = wasi_nn_normalise_chw_u8_f32(pixels, &scaled, mean, one, SAMPLES, input_data);
  return error ? wasi_nn_strerror(error) : NULL;
}

static const char *infer(void) {
  static const uint32_t shape[] = {1, 3, SIDE, SIDE};
  wasi_nn_tensor_t input;
  wasi_nn_buffer_size_t size = 0;
  wasi_nn_errno_t error = wasi_nn_tensor_f32(shape, 4, input_data, SAMPLES, &input);
  if (!error) error = wasi_nn_set_input(context, 0, &input);
  if (!error) error = wasi_nn_compute(context);
  if (!error) error = wasi_nn_get_output(context, 0, (uint8_t *)scores, sizeof scores, &size);
  if (error) return wasi_nn_strerror(error);
  return size == sizeof scores ? NULL : "the model's output is not 1000 numbers, one for each class";
}

static int classify(uint8_t *record, size_t size, wasi_nn_answer_t *answer) {
  static char text[4096];
  size_t used = 0;
  wasi_nn_score_t best[BEST];
  const char *why = start();
  if (!why) why = fill_input(record, size);
  if (!why) why = infer();
  if (why) return wasi_nn_answer_text(answer, why), 1;
  const size_t count = wasi_nn_top_k(scores, CLASSES, BEST, best); /* the model ends in a softmax already */
  for (size_t i = 0; i < count; i++) {
    /* Said so that it holds for NaN, too. */
    if (!(best[i].score >= 0 && best[i].score <= 1)) {
      return wasi_nn_answer_text(answer, "the model's scores are not from 0 to 1"), 1;
    }
  }
  for (size_t i = 0; i < count && used < sizeof text; i++) {
    const size_t class = best[i].index;
    used += (size_t)snprintf(text + used, sizeof text - used, "%5.1f%%  ", 100 * (double)best[i].score);
    if (used >= sizeof text) break;
    used += (size_t)(names[class] ? snprintf(text + used, sizeof text - used, "%s\n", names[class])
                                  : snprintf(text + used, sizeof text - used, "class %zu\n", class));
  }
  wasi_nn_answer_text(answer, text);
  return 0;
}

WASI_NN_REACTOR(classify);
