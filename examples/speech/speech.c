/*
 * Say where in a recording somebody speaks: a WASI-NN guest that reads a WAV file and asks Silero VAD about each
 * 32 milliseconds of it. The model has two inputs and two outputs: what it remembers of the past comes out with
 * each answer, and goes in again with the next question. The README beside it has the commands.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wasi_nn.h>

enum {
  RATE = 16000,        /* samples a second, which the model was trained with */
  FRAME = 512,         /* new samples in a question, */
  CONTEXT = 64,        /* behind the last ones of the question before */
  STATE = 2 * 1 * 128, /* what the model remembers */
  FRAME_MS = 1000 * FRAME / RATE,
  PAUSE = 4,    /* so many quiet frames end a segment, */
  SHORTEST = 8, /* which is none with fewer than these */
  MAX_FILE_SIZE = 256 << 20,
  MAX_PATH = 4096,
};

/* A segment begins where the model is this sure, and goes on until it is less sure than that. */
static const float BEGINS = 0.5f, ENDS = 0.35f;

static const char USAGE[] =
    "usage: speech [--frames] MODEL_DIR WAV\n"
    "       speech [--frames] --name NAME WAV\n"
    "\n"
    "Print from when to when, in seconds, there is speech in a recording: WAV, 16-bit PCM, 16 kHz.\n"
    "\n"
    "  MODEL_DIR    a folder with silero.onnx: the guest loads its bytes\n"
    "  --name NAME  use the model that the host's operator registered under NAME instead\n"
    "  --frames     print the model's answer for every 32 milliseconds instead, 0 to 1\n"
    "\n"
    "All paths are the guest's. Exit codes: 0, 1 for a failure, 2 for bad usage.\n";

typedef struct Options {
  const char *model; /* a folder, or a name */
  const char *wav;
  bool is_named, is_by_frame;
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
  fprintf(stderr, "speech: %s ", what);
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

/* ---- The recording --------------------------------------------------------------------------------- */

/* A WAV file in memory. `samples` points into `file`, which the caller frees. */
typedef struct Recording {
  uint8_t *file;
  const uint8_t *samples; /* 16 bits each, of each channel in turn, low byte first */
  size_t length;          /* in samples of all channels */
  size_t channels;
} Recording;

static uint32_t read_le(const uint8_t *bytes, size_t count) {
  uint32_t value = 0;
  while (count--) value = value << 8 | bytes[count];
  return value;
}

/* Look at a `fmt ` chunk: what the samples are. NULL, or what is wrong with them. */
static const char *read_format(const uint8_t *chunk, size_t size, size_t *channels) {
  enum { PCM = 1, EXTENSIBLE = 0xfffe };
  if (size < 16) return "its format is cut short";
  uint32_t format = read_le(chunk, 2);
  if (format == EXTENSIBLE && size >= 26) format = read_le(chunk + 24, 2);
  *channels = read_le(chunk + 2, 2);
  if (format != PCM || read_le(chunk + 14, 2) != 16) return "its samples are not 16-bit PCM";
  if (read_le(chunk + 4, 4) != RATE) return "it does not have 16000 samples a second";
  if (*channels == 0) return "it has no channels";
  return NULL;
}

/* Walk the chunks of a WAV file. Every length in it may lie. NULL, or what is wrong with it. */
static const char *parse_wav(size_t size, Recording *recording) {
  const uint8_t *file = recording->file;
  recording->channels = 0;
  const bool is_wav = size >= 12 && memcmp(file, "RIFF", 4) == 0 && memcmp(file + 8, "WAVE", 4) == 0;
  if (!is_wav) return "it is no WAV file";
  for (size_t at = 12; size - at >= 8;) {
    const uint8_t *chunk = file + at + 8;
    const size_t room = size - at - 8;
    const bool is_data = memcmp(file + at, "data", 4) == 0;
    size_t length = read_le(file + at + 4, 4);
    /* Who wrote the file did not know yet how long it would be, and could not come back to say so. */
    if (is_data && length == UINT32_MAX) length = room;
    if (length > room) return "it ends early";
    if (memcmp(file + at, "fmt ", 4) == 0) {
      const char *why = read_format(chunk, length, &recording->channels);
      if (why) return why;
    } else if (is_data) {
      if (recording->channels == 0) return "its samples come before their format";
      recording->samples = chunk;
      recording->length = length / 2 / recording->channels;
      return recording->length > 0 ? NULL : "it has no samples";
    }
    at += 8 + length;
    if (length % 2 && at < size) at++; /* a chunk of odd length is followed by a byte that counts for none */
  }
  return "it ends early";
}

static bool read_recording(const char *path, Recording *recording) {
  size_t size;
  const int code = wasi_nn_read_file_malloc(path, MAX_FILE_SIZE, &recording->file, &size);
  if (code) return failed("cannot read recording", path, reason(code));
  const char *why = parse_wav(size, recording);
  return !why || failed("cannot use recording", path, why);
}

/* One sample of all channels together, -1 to 1; silence behind the end. */
static float sample_at(const Recording *recording, size_t index) {
  int32_t sum = 0;
  if (index >= recording->length) return 0;
  const uint8_t *sample = recording->samples + index * recording->channels * 2;
  for (size_t c = 0; c < recording->channels; c++) sum += (int16_t)read_le(sample + 2 * c, 2);
  return (float)sum / (32768.0f * (float)recording->channels);
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
    const int length = snprintf(path, MAX_PATH, "%s/silero.onnx", options->model);
    if (length < 0 || length >= MAX_PATH) {
      return failed("cannot read model", options->model, strerror(ENAMETOOLONG));
    }
    error = wasi_nn_load_file_malloc(
        path, NULL, WASI_NN_GRAPH_ENCODING_ONNX, WASI_NN_EXECUTION_TARGET_CPU, &graph, &file_error);
  }
  if (file_error.path) return failed("cannot read model", file_error.path, reason(file_error.code));
  if (!error) error = wasi_nn_init_execution_context(graph, context);
  return !error || failed("cannot load model", options->model, wasi_nn_strerror(error));
}

/* One answer: how likely somebody speaks in these samples. `state` is what the model remembers, before, then after. */
static wasi_nn_errno_t ask(
    wasi_nn_graph_execution_context_t context,
    const float samples[CONTEXT + FRAME],
    float state[STATE],
    float *answer) {
  static const uint32_t samples_shape[] = {1, CONTEXT + FRAME}, state_shape[] = {2, 1, 128};
  wasi_nn_tensor_t inputs[2];
  size_t answer_size = 0, state_size = 0;
  wasi_nn_errno_t error = wasi_nn_tensor_f32(samples_shape, 2, samples, CONTEXT + FRAME, &inputs[0]);
  if (!error) error = wasi_nn_tensor_f32(state_shape, 3, state, STATE, &inputs[1]);
  if (!error) error = wasi_nn_run(context, inputs, 2);
  if (!error) error = wasi_nn_get_output_into(context, 0, answer, sizeof *answer, &answer_size);
  /* The new memory takes the place of the old, which nobody reads any more: the model has run. */
  if (!error) error = wasi_nn_get_output_into(context, 1, state, STATE * sizeof *state, &state_size);
  if (error) return error;
  const bool is_whole = answer_size == sizeof *answer && state_size == STATE * sizeof *state;
  return is_whole ? WASI_NN_ERRNO_SUCCESS : WASI_NN_ERRNO_INVALID_ARGUMENT;
}

/* ---- Segments -------------------------------------------------------------------------------------- */

/* Where speech begins and ends, in frames. */
typedef struct Segment {
  size_t first, end;
  bool is_open;
} Segment;

static void print_segment(const Segment *segment, size_t *count) {
  const size_t first = segment->first * FRAME_MS, end = segment->end * FRAME_MS;
  if (segment->end - segment->first < SHORTEST) return;
  printf("%4zu.%03zu  %4zu.%03zu\n", first / 1000, first % 1000, end / 1000, end % 1000);
  ++*count;
}

/* Take one answer in; print the segment that ends with it. */
static void follow(Segment *segment, size_t frame, float answer, size_t *count) {
  if (!segment->is_open && answer >= BEGINS) {
    segment->is_open = true;
    segment->first = frame;
    segment->end = frame + 1;
  } else if (segment->is_open && answer >= ENDS) {
    segment->end = frame + 1;
  } else if (segment->is_open && frame + 1 - segment->end >= PAUSE) {
    segment->is_open = false;
    print_segment(segment, count);
  }
}

/* ---- The command ----------------------------------------------------------------------------------- */

static bool listen(const Options *options, const Recording *recording) {
  static float samples[CONTEXT + FRAME], state[STATE]; /* all zero: nothing was before */
  const size_t frames = (recording->length + FRAME - 1) / FRAME;
  wasi_nn_graph_execution_context_t context;
  Segment segment = {0, 0, false};
  size_t count = 0;
  if (!load(options, &context)) return false;
  for (size_t frame = 0; frame < frames; frame++) {
    float answer;
    memmove(samples, samples + FRAME, CONTEXT * sizeof *samples);
    for (size_t i = 0; i < FRAME; i++) samples[CONTEXT + i] = sample_at(recording, frame * FRAME + i);
    const wasi_nn_errno_t error = ask(context, samples, state, &answer);
    if (error) return failed("cannot run model", options->model, wasi_nn_strerror(error));
    if (!(answer >= 0 && answer <= 1)) {
      return failed("cannot use model", options->model, "its answer is not from 0 to 1");
    }
    if (options->is_by_frame) {
      const int thousandths = (int)(1000 * answer + 0.5f);
      printf("%d.%03d\n", thousandths / 1000, thousandths % 1000);
    } else {
      follow(&segment, frame, answer, &count);
    }
  }
  if (segment.is_open) print_segment(&segment, &count);
  if (!options->is_by_frame && count == 0) puts("no speech");
  return (fflush(stdout) == 0 && !ferror(stdout)) || failed("cannot write", "the answer", strerror(errno));
}

static bool misused(const char *what, const char *word) {
  fprintf(stderr, "speech: %s", what);
  show(word, stderr);
  fputs("; `speech --help` shows the usage\n", stderr);
  return false;
}

static bool parse(int argc, char **argv, Options *options) {
  const char *words[2] = {NULL, NULL}, *name = NULL;
  int count = 0;
  options->is_by_frame = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--frames") == 0) {
      options->is_by_frame = true;
    } else if (strcmp(argv[i], "--name") == 0) {
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
  options->wav = name ? words[0] : words[1];
  if (!options->wav) return misused(name ? "WAV is missing" : "MODEL_DIR and WAV are needed", "");
  return !name || count == 1 || misused("MODEL_DIR and --name exclude each other: ", words[0]);
}

int main(int argc, char **argv) {
  Options options;
  Recording recording = {NULL, NULL, 0, 0};
  if (argc == 2 && strcmp(argv[1], "--help") == 0) return fputs(USAGE, stdout) < 0;
  if (!parse(argc, argv, &options)) return 2;
  const bool is_done = read_recording(options.wav, &recording) && listen(&options, &recording);
  free(recording.file);
  return is_done ? 0 : 1;
}
