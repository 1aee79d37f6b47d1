/*
 * Read handwritten digits and count how many a model tells right: a WASI-NN guest in C++17 without exceptions. It reads
 * pictures of 8 x 8 pixels with what they are, asks the model about one after the other, and compares. The README
 * beside it has the commands.
 */
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <wasi_nn.hpp>
#include <wasi_nn_math.h>

namespace {

constexpr uint32_t side = 8;      // pixels, each the ink in a square of 4 x 4 finer ones:
constexpr uint8_t most_ink = 16;  // 0 to this
constexpr uint8_t classes = 10;
constexpr size_t max_file_size = 16 << 20;
constexpr size_t max_path = 4096;

constexpr char usage[] =
    "usage: digits [--wrong] MODEL_DIR DIGITS\n"
    "       digits [--wrong] --name NAME DIGITS\n"
    "\n"
    "Print how many handwritten digits the model tells right.\n"
    "\n"
    "  MODEL_DIR    a folder with model.xml and model.bin: the guest loads their bytes\n"
    "  --name NAME  use the model that the host's operator registered under NAME instead\n"
    "  DIGITS       a line each: 8 x 8 pixels, 0 to 16, and which digit it is, separated by commas\n"
    "  --wrong      print those that it tells wrong, too\n"
    "\n"
    "All paths are the guest's. Exit codes: 0, 1 for a failure, 2 for bad usage.\n";

struct options {
  const char *model = nullptr;  // a folder, or a name
  const char *digits = nullptr;
  bool is_named = false;
  bool shows_wrong = false;
};

// How many bytes of UTF-8 at `text` could drive a terminal or turn the direction of writing; 0 when none do.
size_t unsafe_at(const char *text) {
  const auto *c = reinterpret_cast<const unsigned char *>(text);
  if (c[0] < 0x20 || c[0] == 0x7f) return c[0] != 0;
  if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) return 2;  // U+0080 to U+009F: more controls
  if (c[0] == 0xd8 && c[1] == 0x9c) return 2;                  // U+061C
  if (c[0] == 0xe2 && c[1] == 0x80) {
    // U+200E and U+200F; two that end lines, U+202A to U+202E
    return c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae) ? 3 : 0;
  }
  return c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9 ? 3 : 0;  // U+2066 to U+2069
}

// Print a text that somebody else wrote to stderr: what is unsafe in it is shown, not sent.
void show(const char *text) {
  while (*text) {
    const size_t unsafe = unsafe_at(text);
    std::fputc(unsafe ? '?' : *text, stderr);
    text += unsafe ? unsafe : 1;
  }
}

// Say on one line what failed, with which file or model, and why. False, so that a caller can return it.
bool failed(const char *what, const char *which, const char *why) {
  std::fprintf(stderr, "digits: %s ", what);
  show(which);
  std::fprintf(stderr, ": %s\n", why);
  return false;
}

bool failed(const char *what, const char *which, wasi_nn::nn_errno error) {
  return failed(what, which, wasi_nn::strerror(error));
}

// An errno value in words; WASI's own word for the most frequent one tells a user nothing.
const char *reason(int code) {
#ifdef ENOTCAPABLE
  if (code == ENOTCAPABLE) return "the guest was given no folder with this path";
#endif
  return std::strerror(code);
}

// ---- The digits -----------------------------------------------------------------------------------------

struct digit {
  std::array<uint8_t, side * side> pixels;
  uint8_t label;
};

// Take a number from 0 to `most` off the front of a line.
std::optional<uint8_t> take_number(std::string_view &line, uint8_t most) {
  uint8_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || number > most) return std::nullopt;
  line.remove_prefix(static_cast<size_t>(end - line.data()));
  return number;
}

std::optional<digit> parse_line(std::string_view line) {
  digit parsed;
  for (uint8_t &pixel : parsed.pixels) {
    const auto ink = take_number(line, most_ink);
    if (!ink || line.empty() || line.front() != ',') return std::nullopt;
    line.remove_prefix(1);
    pixel = *ink;
  }
  const auto label = take_number(line, classes - 1);
  if (!label || !line.empty()) return std::nullopt;
  parsed.label = *label;
  return parsed;
}

// Read all lines before the model sees the first: a false file has no answer.
bool parse(std::string_view text, const char *path, std::vector<digit> &digits) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const auto parsed = parse_line(line);
    if (!parsed) {
      char why[96];
      std::snprintf(
          why, sizeof why, "line %zu is not 64 numbers from 0 to 16 and a digit, with commas", digits.size() + 1);
      return failed("cannot use digits", path, why);
    }
    digits.push_back(*parsed);
  }
  return !digits.empty() || failed("cannot use digits", path, "there are none in it");
}

bool read(const char *path, std::vector<digit> &digits) {
  uint8_t *file = nullptr;
  size_t size = 0;
  const int code = wasi_nn_read_file_malloc(path, max_file_size, &file, &size);
  const std::unique_ptr<uint8_t, decltype(&std::free)> owner(file, std::free);
  if (code) return failed("cannot read digits", path, reason(code));
  return parse({reinterpret_cast<const char *>(file), size}, path, digits);
}

// ---- The model ------------------------------------------------------------------------------------------

wasi_nn::result<wasi_nn::graph> load_files(const char *folder, wasi_nn_file_error_t &file_error) {
  static char xml[max_path], bin[max_path];
  file_error = {folder, ENAMETOOLONG};
  if (std::strlen(folder) + sizeof "/model.xml" > max_path) return wasi_nn::nn_errno::too_large;
  std::snprintf(xml, max_path, "%s/model.xml", folder);
  std::snprintf(bin, max_path, "%s/model.bin", folder);
  return wasi_nn::graph::load_file_malloc(
      xml, bin, wasi_nn::graph_encoding::openvino, wasi_nn::execution_target::cpu, &file_error);
}

std::optional<wasi_nn::execution_context> load(const options &chosen) {
  wasi_nn_file_error_t file_error = {nullptr, 0};
  const auto graph =
      chosen.is_named ? wasi_nn::graph::load_by_name(chosen.model) : load_files(chosen.model, file_error);
  if (!graph) {
    if (file_error.path) {
      failed("cannot read model", file_error.path, reason(file_error.code));
    } else {
      failed("cannot load model", chosen.model, graph.error());
    }
    return std::nullopt;
  }
  auto context = graph->init_execution_context();
  if (!context) {
    failed("cannot prepare model", chosen.model, context.error());
    return std::nullopt;
  }
  return *std::move(context);
}

// What the model says of a picture, and how sure it is, 0 to 1.
struct answer {
  size_t label;
  float score;
};

wasi_nn::result<answer> classify(wasi_nn::execution_context &context, const digit &shown) {
  static constexpr uint32_t shape[] = {1, 1, side, side};
  std::array<float, side * side> ink;
  std::array<float, classes> scores;
  answer found = {};
  std::copy(shown.pixels.begin(), shown.pixels.end(), ink.begin());  // the model itself makes 0 to 1 of it
  const auto input = wasi_nn::tensor<float>::make(shape, ink);
  if (!input) return input.error();
  if (const auto ran = context.run({*input}); !ran) return ran.error();
  const auto output = context.get_output_into(0, scores);
  if (!output) return output.error();
  if (output->size() != classes) return wasi_nn::nn_errno::invalid_argument;
  if (wasi_nn_argmax(scores.data(), classes, &found.label)) return wasi_nn::nn_errno::invalid_argument;
  found.score = scores[found.label];
  // NaN, too, is no probability.
  if (!(found.score >= 0 && found.score <= 1)) return wasi_nn::nn_errno::invalid_argument;
  return found;
}

// ---- The command ----------------------------------------------------------------------------------------

bool count(const options &chosen, const std::vector<digit> &digits) {
  auto context = load(chosen);
  if (!context) return false;
  size_t right = 0;
  for (size_t i = 0; i < digits.size(); i++) {
    const auto found = classify(*context, digits[i]);
    if (!found) return failed("cannot run model", chosen.model, found.error());
    if (found->label == digits[i].label) {
      right++;
    } else if (chosen.shows_wrong) {
      const int percent = static_cast<int>(100 * found->score + 0.5f);
      std::printf("line %3zu: a %d taken for a %zu, %d%% sure\n", i + 1, digits[i].label, found->label, percent);
    }
  }
  const size_t tenths = (1000 * right + digits.size() / 2) / digits.size();  // of a percent
  std::printf("%zu of %zu right: %zu.%zu%%\n", right, digits.size(), tenths / 10, tenths % 10);
  return (std::fflush(stdout) == 0 && !std::ferror(stdout)) ||
         failed("cannot write", "the answer", std::strerror(errno));
}

bool misused(const char *what, const char *word) {
  std::fprintf(stderr, "digits: %s", what);
  show(word);
  std::fputs("; `digits --help` shows the usage\n", stderr);
  return false;
}

bool parse(int argc, char **argv, options &chosen) {
  const char *words[2] = {nullptr, nullptr}, *name = nullptr;
  int found = 0;
  for (int i = 1; i < argc; i++) {
    const std::string_view word = argv[i];
    if (word == "--wrong") {
      chosen.shows_wrong = true;
    } else if (word == "--name") {
      if (i + 1 == argc) return misused("a value is missing after ", argv[i]);
      name = argv[++i];
    } else if (word.substr(0, 2) == "--") {
      return misused("there is no option ", argv[i]);
    } else if (found == 2) {
      return misused("there is one word too many: ", argv[i]);
    } else {
      words[found++] = argv[i];
    }
  }
  chosen.is_named = name != nullptr;
  chosen.model = name ? name : words[0];
  chosen.digits = name ? words[0] : words[1];
  if (!chosen.digits) return misused(name ? "DIGITS is missing" : "MODEL_DIR and DIGITS are needed", "");
  return !name || found == 1 || misused("MODEL_DIR and --name exclude each other: ", words[0]);
}

}  // namespace

int main(int argc, char **argv) {
  options chosen;
  std::vector<digit> digits;
  if (argc == 2 && std::string_view(argv[1]) == "--help") return std::fputs(usage, stdout) < 0;
  if (!parse(argc, argv, chosen)) return 2;
  return read(chosen.digits, digits) && count(chosen, digits) ? 0 : 1;
}
