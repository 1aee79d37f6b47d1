/*
 * Say what is on a photo: a WASI-NN guest that reads a JPEG or PNG file, prepares the tensor that SqueezeNet
 * wants, runs the model and prints the five best classes. The README beside it has the commands.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wasi_nn.h>
#include <wasi_nn_image.h>
#include <wasi_nn_math.h>

/* The decoder gets bytes, not paths, and knows two formats only: less code, and less to attack. With
 * -DPHOTO_PPM it knows one, which is not compressed: the guest has a third of the size. */
#define STB_IMAGE_IMPLEMENTATION
#ifdef PHOTO_PPM
#define STBI_ONLY_PNM
#define FORMATS "PPM"
#else
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define FORMATS "JPEG or PNG"
#endif
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_STDIO
#define STBI_FAILURE_USERMSG
#include <stb/stb_image.h>

enum {
  SIDE = 227,         /* the model sees a square of this many pixels a side, */
  SHORTER_SIDE = 256, /* cut from the middle of the photo, scaled to this shorter side */
  PLANE = SIDE * SIDE,
  CHANNELS = 3,
  CLASSES = 1000,
  BEST = 5,
  MAX_FILE_SIZE = 256 << 20,
  MAX_PIXELS = 64 << 20, /* a file of a few bytes may claim any size; this many take 192 MB as RGB */
  MAX_PATH = 4096,
};

/* The mean of blue, green and red over the pictures the model was trained with; they were taken off there, too. */
static const float MEAN[CHANNELS] = {104, 117, 123};

/* Large arrays are static: a guest's stack has 64 KB. */
static float input_data[CHANNELS * PLANE];
static float scores[CLASSES];

static const char USAGE[] =
    "usage: photo [--labels FILE] MODEL_DIR IMAGE\n"
    "       photo [--labels FILE] --name NAME IMAGE\n"
    "\n"
    "Print the five classes that fit a " FORMATS " image best.\n"
    "\n"
    "  MODEL_DIR      a folder with model.xml, model.bin and labels.txt: the guest loads their bytes\n"
    "  --name NAME    use the model that the host's operator registered under NAME instead\n"
    "  --labels FILE  1000 lines, a class each (MODEL_DIR/labels.txt); with --name and no FILE: numbers\n"
    "\n"
    "All paths are the guest's. Exit codes: 0, 1 for a failure, 2 for bad usage.\n";

typedef struct Options {
  const char *model;  /* a folder, or a name */
  const char *labels; /* NULL when not given */
  const char *image;
  bool is_named;
} Options;

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

/* Print a text that somebody else wrote: what is unsafe in it is shown, not sent. */
static void show(const char *text, FILE *to) {
  while (*text) {
    const size_t unsafe = unsafe_at(text);
    fputc(unsafe ? '?' : *text, to);
    text += unsafe ? unsafe : 1;
  }
}

/* Say on one line what failed, with which file or model, and why. False, so that a caller can return it. */
static bool failed(const char *what, const char *which, const char *why) {
  /* Without printf, here and below: it would be a quarter of the guest without a decoder. */
  fputs("photo: ", stderr);
  fputs(what, stderr);
  fputc(' ', stderr);
  show(which, stderr);
  fputs(": ", stderr);
  fputs(why, stderr);
  fputc('\n', stderr);
  return false;
}

/* An errno value in words; WASI's own word for the most frequent one tells a user nothing. */
static const char *reason(int code) {
#ifdef ENOTCAPABLE
  if (code == ENOTCAPABLE) return "the guest was given no folder with this path";
#endif
  return strerror(code);
}

/* ---- The image ------------------------------------------------------------------------------------- */

/* RGB bytes in rows. The caller frees `rgb` with stbi_image_free. */
typedef struct Image {
  unsigned char *rgb;
  int width, height;
} Image;

static bool read_image(const char *path, Image *image) {
  uint8_t *file;
  size_t size;
  int channels_in_file;
  const int code = wasi_nn_read_file_malloc(path, MAX_FILE_SIZE, &file, &size);
  if (code) return failed("cannot read image", path, reason(code));
  const char *why = NULL;
  image->rgb = NULL;
  /* The header first: it says what the pixels would cost before any memory is spent on them. */
  if (!stbi_info_from_memory(file, (int)size, &image->width, &image->height, &channels_in_file)) {
    why = "it is no " FORMATS " file, or damaged";
  } else if ((int64_t)image->width * image->height > MAX_PIXELS) {
    why = "it has more than 64 megapixels";
  } else {
    image->rgb = stbi_load_from_memory(
        file, (int)size, &image->width, &image->height, &channels_in_file, CHANNELS);
    if (!image->rgb) why = stbi_failure_reason();
  }
  free(file);
  return !why || failed("cannot decode image", path, why);
}

/* Crop, scale and lay out: RGB bytes in rows → input_data, [3, SIDE, SIDE] with the blue plane first. */
static bool fill_input(const Image *image, const char *path) {
  static uint8_t pixels[CHANNELS * PLANE];
  static const float deviation[CHANNELS] = {1, 1, 1}; /* the model was trained without one */
  const size_t width = (size_t)image->width, height = (size_t)image->height;
  /* The same as scaling the whole photo and cutting then, for less work. */
  const size_t side = ((width < height ? width : height) * SIDE + SHORTER_SIDE - 1) / SHORTER_SIDE;
  wasi_nn_image_t whole, middle, scaled;
  wasi_nn_errno_t error = wasi_nn_image(width, height, CHANNELS, width * height * CHANNELS, &whole);
  if (!error) error = wasi_nn_image_crop(&whole, (width - side) / 2, (height - side) / 2, side, side, &middle);
  if (!error) error = wasi_nn_image(SIDE, SIDE, CHANNELS, sizeof pixels, &scaled);
  if (!error) error = wasi_nn_resize_area_u8(image->rgb, &middle, &scaled, pixels);
  if (!error) error = wasi_nn_swap_rgb_bgr_u8(&scaled, pixels);
  if (!error) {
    error = wasi_nn_normalise_chw_u8_f32(pixels, &scaled, MEAN, deviation, CHANNELS * PLANE, input_data);
  }
  return !error || failed("cannot scale image", path, wasi_nn_strerror(error));
}

/* ---- The labels ------------------------------------------------------------------------------------ */

/* The classes' names. They point into `text`, which the caller frees; it is NULL when there are no names. */
typedef struct Labels {
  char *text;
  const char *names[CLASSES];
} Labels;

static bool read_labels(const char *path, Labels *labels) {
  uint8_t *text;
  size_t size, count = 0;
  const int code = wasi_nn_read_file_malloc(path, MAX_FILE_SIZE, &text, &size);
  if (code) return failed("cannot read labels", path, reason(code));
  labels->text = (char *)text;
  for (char *line = labels->text, *next; *line; line = next, count++) {
    next = line + strcspn(line, "\n");
    if (*next) next++;
    line[strcspn(line, "\r\n")] = '\0';
    if (count < CLASSES) labels->names[count] = line;
  }
  /* Names that do not belong to this model would make a wrong answer look right. */
  return count == CLASSES || failed("cannot use labels", path, "it does not have 1000 lines, one for each class");
}

/* ---- The model ------------------------------------------------------------------------------------- */

static bool join(const char *folder, const char *file, char path[MAX_PATH]) {
  if (strlen(folder) + 1 + strlen(file) >= MAX_PATH) {
    return failed("cannot read model", folder, strerror(ENAMETOOLONG));
  }
  strcat(strcat(strcpy(path, folder), "/"), file);
  return true;
}

static bool load_model(const Options *options, wasi_nn_graph_t *graph) {
  static char xml[MAX_PATH], bin[MAX_PATH];
  wasi_nn_file_error_t file_error = {NULL, 0};
  wasi_nn_errno_t error;
  if (options->is_named) {
    error = wasi_nn_load_named(options->model, graph);
  } else {
    if (!join(options->model, "model.xml", xml) || !join(options->model, "model.bin", bin)) return false;
    error = wasi_nn_load_file_malloc(
        xml, bin, WASI_NN_GRAPH_ENCODING_OPENVINO, WASI_NN_EXECUTION_TARGET_CPU, graph, &file_error);
  }
  if (file_error.path) return failed("cannot read model", file_error.path, reason(file_error.code));
  return !error || failed("cannot load model", options->model, wasi_nn_strerror(error));
}

/* Run the model: input_data → scores. Graph and context stay with the host until the guest ends. */
static bool classify(wasi_nn_graph_t graph, const char *model) {
  static const uint32_t shape[] = {1, CHANNELS, SIDE, SIDE};
  wasi_nn_graph_execution_context_t context;
  wasi_nn_tensor_t input;
  wasi_nn_buffer_size_t size = 0;
  wasi_nn_errno_t error = wasi_nn_init_execution_context(graph, &context);
  if (error) return failed("cannot prepare model", model, wasi_nn_strerror(error));
  error = wasi_nn_tensor_f32(shape, 4, input_data, CHANNELS * PLANE, &input);
  if (!error) error = wasi_nn_set_input(context, 0, &input);
  if (error) return failed("cannot hand the image to model", model, wasi_nn_strerror(error));
  error = wasi_nn_compute(context);
  if (error) return failed("cannot run model", model, wasi_nn_strerror(error));
  error = wasi_nn_get_output(context, 0, (uint8_t *)scores, sizeof scores, &size);
  if (error == WASI_NN_ERRNO_TOO_LARGE || (!error && size != sizeof scores)) {
    return failed("cannot use model", model, "its output is not 1000 numbers, one for each class");
  }
  return !error || failed("cannot read the output of model", model, wasi_nn_strerror(error));
}

/* ---- The command ----------------------------------------------------------------------------------- */

/* Print a number, right-aligned. */
static void print_number(size_t number, int width) {
  char text[24];
  char *digit = text + sizeof text - 1;
  *digit = '\0';
  do *--digit = (char)('0' + number % 10); while (number /= 10);
  while (digit > text && text + sizeof text - 1 - digit < width) *--digit = ' ';
  fputs(digit, stdout);
}

static bool print_best(const Labels *labels, const char *model) {
  wasi_nn_score_t best[BEST];
  const size_t count = wasi_nn_top_k(scores, CLASSES, BEST, best); /* the model ends in a softmax already */
  for (size_t i = 0; i < count; i++) {
    /* Said so that it holds for NaN, too. */
    if (!(best[i].score >= 0 && best[i].score <= 1)) {
      return failed("cannot use model", model, "its scores are not from 0 to 1");
    }
  }
  for (size_t i = 0; i < count; i++) {
    const size_t tenths = (size_t)(1000 * best[i].score + 0.5f); /* of a percent */
    print_number(i + 1, 3);
    print_number(tenths / 10, 5);
    putchar('.');
    print_number(tenths % 10, 1);
    fputs("%  ", stdout);
    if (labels->text) {
      show(labels->names[best[i].index], stdout);
    } else {
      fputs("class ", stdout);
      print_number(best[i].index, 1);
    }
    putchar('\n');
  }
  return (fflush(stdout) == 0 && !ferror(stdout)) || failed("cannot write", "the answer", strerror(errno));
}

static bool run(const Options *options) {
  static Labels labels;
  static char labels_in_model[MAX_PATH];
  const char *labels_path = options->labels;
  Image image = {NULL, 0, 0};
  wasi_nn_graph_t graph;
  if (!labels_path && !options->is_named) {
    if (!join(options->model, "labels.txt", labels_in_model)) return false;
    labels_path = labels_in_model;
  }
  bool is_done = read_image(options->image, &image) && fill_input(&image, options->image);
  stbi_image_free(image.rgb);
  is_done = is_done && load_model(options, &graph) && (!labels_path || read_labels(labels_path, &labels)) &&
            classify(graph, options->model) && print_best(&labels, options->model);
  free(labels.text);
  return is_done;
}

static bool misused(const char *what, const char *word) {
  fputs("photo: ", stderr);
  fputs(what, stderr);
  show(word, stderr);
  fputs("; `photo --help` shows the usage\n", stderr);
  return false;
}

static bool parse(int argc, char **argv, Options *options) {
  const char *words[2] = {NULL, NULL}, *name = NULL;
  int count = 0;
  options->labels = NULL;
  for (int i = 1; i < argc; i++) {
    const bool is_name = strcmp(argv[i], "--name") == 0;
    if (is_name || strcmp(argv[i], "--labels") == 0) {
      if (i + 1 == argc) return misused("a value is missing after ", argv[i]);
      *(is_name ? &name : &options->labels) = argv[++i];
    } else if (strncmp(argv[i], "--", 2) == 0) {
      return misused("there is no option ", argv[i]);
    } else if (count == 2) {
      return misused("there is one word too many: ", argv[i]);
    } else {
      words[count++] = argv[i];
    }
  }
  options->is_named = name != NULL;
  options->model = name ? name : words[0];
  options->image = name ? words[0] : words[1];
  if (!options->image) return misused(name ? "IMAGE is missing" : "MODEL_DIR and IMAGE are needed", "");
  return !name || count == 1 || misused("MODEL_DIR and --name exclude each other: ", words[0]);
}

int main(int argc, char **argv) {
  Options options;
  if (argc == 2 && strcmp(argv[1], "--help") == 0) return fputs(USAGE, stdout) < 0;
  if (!parse(argc, argv, &options)) return 2;
  return run(&options) ? 0 : 1;
}
