/*
 * Find the faces on a photo: a WASI-NN guest that reads a JPEG or PNG file, runs BlazeFace on it and prints where
 * there are faces, and how sure the model is. What the model answers are 896 guesses, most of them nothing and the
 * others several for each face; the guest decodes them and keeps the best. The README beside it has the commands.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wasi_nn.h>
#include <wasi_nn_image.h>
#include <wasi_nn_math.h>

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
  SIDE = 128, /* the model sees a square of this many pixels a side */
  CHANNELS = 3,
  SAMPLES = SIDE * SIDE * CHANNELS,
  ANCHORS = 896, /* places where it looks for a face; for each it gives a score */
  VALUES = 16,   /* and these: centre, width and height of a box, then six points of the face */
  MOST_FACES = 100,
  MAX_FILE_SIZE = 256 << 20,
  MAX_PIXELS = 64 << 20, /* a file of a few bytes may claim any size; this many take 192 MB as RGB */
  MAX_PATH = 4096,
};

/* A face is where the model is this sure; two boxes that have more in common than that are the same face. */
static const float MIN_SCORE = 0.5f, MAX_IOU = 0.3f;

/* Large arrays are static: a guest's stack has 64 KB. */
static float input_data[SAMPLES];
static float guesses[ANCHORS * VALUES];
static float scores[ANCHORS];

static const char USAGE[] =
    "usage: faces MODEL_DIR IMAGE\n"
    "       faces --name NAME IMAGE\n"
    "\n"
    "Print where there are faces on a JPEG or PNG image, in pixels, the surest first.\n"
    "\n"
    "  MODEL_DIR    a folder with blazeface.tflite: the guest loads its bytes\n"
    "  --name NAME  use the model that the host's operator registered under NAME instead\n"
    "\n"
    "All paths are the guest's. Exit codes: 0, 1 for a failure, 2 for bad usage.\n";

typedef struct Options {
  const char *model; /* a folder, or a name */
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
  fprintf(stderr, "faces: %s ", what);
  show(which, stderr);
  fprintf(stderr, ": %s\n", why);
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
  /* The header first: it says what the pixels would cost before any memory is spent on them. */
  if (!stbi_info_from_memory(file, (int)size, &image->width, &image->height, &channels_in_file)) {
    why = "it is no JPEG or PNG file, or damaged";
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

/* Where in the model's square the photo lies, in pixels: as large as fits, in the middle. */
typedef struct Place {
  size_t left, top, width, height;
} Place;

static Place place_of(const Image *image) {
  const size_t width = (size_t)image->width, height = (size_t)image->height;
  const size_t longer = width > height ? width : height;
  Place place;
  place.width = (width * SIDE + longer / 2) / longer;
  place.height = (height * SIDE + longer / 2) / longer;
  if (place.width == 0) place.width = 1;
  if (place.height == 0) place.height = 1;
  place.left = (SIDE - place.width) / 2;
  place.top = (SIDE - place.height) / 2;
  return place;
}

/* Scale the photo into the square, black around it: RGB bytes → input_data, [SIDE, SIDE, 3] of -1 to 1. */
static bool fill_input(const Image *image, const char *path) {
  static uint8_t square[SAMPLES];
  static const float middle[CHANNELS] = {127.5f, 127.5f, 127.5f};
  const size_t width = (size_t)image->width, height = (size_t)image->height;
  const Place place = place_of(image);
  wasi_nn_image_t photo, whole, inside;
  wasi_nn_errno_t error = wasi_nn_image(width, height, CHANNELS, width * height * CHANNELS, &photo);
  if (!error) error = wasi_nn_image(SIDE, SIDE, CHANNELS, SAMPLES, &whole);
  if (!error) error = wasi_nn_image_crop(&whole, place.left, place.top, place.width, place.height, &inside);
  if (!error) error = wasi_nn_resize_area_u8(image->rgb, &photo, &inside, square);
  if (!error) error = wasi_nn_normalise_hwc_u8_f32(square, &whole, middle, middle, SAMPLES, input_data);
  return !error || failed("cannot scale image", path, wasi_nn_strerror(error));
}

/* ---- The model ------------------------------------------------------------------------------------- */

static bool load(const Options *options, wasi_nn_graph_execution_context_t *context) {
  static char path[MAX_PATH];
  wasi_nn_graph_t graph;
  wasi_nn_file_error_t file_error = {NULL, 0};
  wasi_nn_errno_t error;
  if (options->is_named) {
    error = wasi_nn_load_named(options->model, &graph);
  } else {
    const int length = snprintf(path, MAX_PATH, "%s/blazeface.tflite", options->model);
    if (length < 0 || length >= MAX_PATH) {
      return failed("cannot read model", options->model, strerror(ENAMETOOLONG));
    }
    error = wasi_nn_load_file_malloc(
        path, NULL, WASI_NN_GRAPH_ENCODING_TENSORFLOWLITE, WASI_NN_EXECUTION_TARGET_CPU, &graph, &file_error);
  }
  if (file_error.path) return failed("cannot read model", file_error.path, reason(file_error.code));
  if (!error) error = wasi_nn_init_execution_context(graph, context);
  return !error || failed("cannot load model", options->model, wasi_nn_strerror(error));
}

/* Run the model: input_data → guesses and scores, 0 to 1. */
static bool look(wasi_nn_graph_execution_context_t context, const char *model) {
  static const uint32_t shape[] = {1, SIDE, SIDE, CHANNELS};
  wasi_nn_tensor_t input;
  size_t guesses_size = 0, scores_size = 0;
  wasi_nn_errno_t error = wasi_nn_tensor_f32(shape, 4, input_data, SAMPLES, &input);
  if (!error) error = wasi_nn_run(context, &input, 1);
  if (!error) error = wasi_nn_get_output_into(context, 0, guesses, sizeof guesses, &guesses_size);
  if (!error) error = wasi_nn_get_output_into(context, 1, scores, sizeof scores, &scores_size);
  if (!error && (guesses_size != sizeof guesses || scores_size != sizeof scores)) {
    return failed("cannot use model", model, "its outputs are not 896 boxes of 16 numbers, and 896 scores");
  }
  if (!error) error = wasi_nn_sigmoid(scores, ANCHORS, scores);
  if (error) return failed("cannot run model", model, wasi_nn_strerror(error));
  for (size_t i = 0; i < ANCHORS; i++) {
    /* Only a NaN is not: without this it would look like no face. */
    if (!(scores[i] >= 0)) return failed("cannot use model", model, "its scores are not from 0 to 1");
  }
  return true;
}

/* ---- The boxes ------------------------------------------------------------------------------------- */

/*
 * Make boxes of the guesses, in the pixels of the model's square. An anchor is the middle of a cell of a grid over it:
 * first two for each cell of 8 pixels a side, row by row, then six for each of 16. A guess counts from its anchor.
 */
static void decode(wasi_nn_box_t boxes[ANCHORS]) {
  static const struct {
    size_t cell, per_cell;
  } grids[] = {{8, 2}, {16, 6}};
  size_t anchor = 0;
  for (size_t g = 0; g < 2; g++) {
    const size_t cell = grids[g].cell, per_row = SIDE / cell * grids[g].per_cell;
    for (size_t i = 0; i < SIDE / cell * per_row; i++, anchor++) {
      const float *guess = guesses + anchor * VALUES;
      const float x = (float)(i % per_row / grids[g].per_cell * cell + cell / 2) + guess[0];
      const float y = (float)(i / per_row * cell + cell / 2) + guess[1];
      boxes[anchor].x0 = x - guess[2] / 2;
      boxes[anchor].y0 = y - guess[3] / 2;
      boxes[anchor].x1 = x + guess[2] / 2;
      boxes[anchor].y1 = y + guess[3] / 2;
    }
  }
}

/* From the model's square to the photo: the nearest pixel border from 0 to `length`. A NaN is 0. */
static int in_photo(float position, size_t start, size_t scaled, int length) {
  const float border = (position - (float)start) * (float)length / (float)scaled + 0.5f;
  if (!(border > 0)) return 0;
  return border < (float)length ? (int)border : length;
}

/* ---- The command ----------------------------------------------------------------------------------- */

static bool print_faces(const Image *image) {
  static wasi_nn_box_t boxes[ANCHORS];
  size_t kept[MOST_FACES];
  const Place place = place_of(image);
  decode(boxes);
  const size_t count = wasi_nn_nms(boxes, scores, ANCHORS, MIN_SCORE, MAX_IOU, MOST_FACES, kept);
  for (size_t i = 0; i < count; i++) {
    const wasi_nn_box_t *box = &boxes[kept[i]];
    const int left = in_photo(box->x0, place.left, place.width, image->width);
    const int right = in_photo(box->x1, place.left, place.width, image->width);
    const int top = in_photo(box->y0, place.top, place.height, image->height);
    const int bottom = in_photo(box->y1, place.top, place.height, image->height);
    const int tenths = (int)(1000 * scores[kept[i]] + 0.5f); /* of a percent */
    printf("%3d.%d%%  x %d to %d, y %d to %d\n", tenths / 10, tenths % 10, left, right, top, bottom);
  }
  if (count == 0) puts("no face");
  return (fflush(stdout) == 0 && !ferror(stdout)) || failed("cannot write", "the answer", strerror(errno));
}

static bool run(const Options *options) {
  Image image = {NULL, 0, 0};
  wasi_nn_graph_execution_context_t context;
  bool is_done = read_image(options->image, &image) && fill_input(&image, options->image);
  stbi_image_free(image.rgb);
  is_done = is_done && load(options, &context) && look(context, options->model) && print_faces(&image);
  return is_done;
}

static bool misused(const char *what, const char *word) {
  fprintf(stderr, "faces: %s", what);
  show(word, stderr);
  fputs("; `faces --help` shows the usage\n", stderr);
  return false;
}

static bool parse(int argc, char **argv, Options *options) {
  const char *words[2] = {NULL, NULL}, *name = NULL;
  int count = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--name") == 0) {
      if (i + 1 == argc) return misused("a value is missing after ", argv[i]);
      name = argv[++i];
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
