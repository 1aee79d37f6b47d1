/*
 * Say what is on many photos: the guest of photo.c as one that stays alive. A record is the bytes of a JPEG or
 * PNG file; the answer is five lines, the best class first. The model is the one registered as `squeezenet`;
 * the variable LABELS names a file with the 1000 classes' names, without it they are numbers.
 */
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

static const char *read_labels(const char *path) {
  uint8_t *text;
  size_t size, count = 0;
  if (wasi_nn_read_file_malloc(path, MAX_FILE_SIZE, &text, &size)) return "cannot read the file that LABELS names";
  for (char *line = (char *)text, *next; *line; line = next, count++) {
    next = line + strcspn(line, "\n");
    if (*next) next++;
    line[strcspn(line, "\r\n")] = '\0';
    if (count < CLASSES) names[count] = line;
  }
  /* Names that do not belong to this model would make a wrong answer look right. */
  return count == CLASSES ? NULL : "the file that LABELS names does not have 1000 lines, one for each class";
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
