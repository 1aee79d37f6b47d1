/*
 * Claims about wasi_nn.hpp and wasi_nn_extensions.hpp, checked natively against a host that misbehaves as it is told:
 * a line "ok: …" or "FAIL: …" each, exit code 1 if one fails. With an argument it does what must trap.
 */
#include <array>
#include <wasi_nn_extensions.hpp>

#include "fake_host.h"

using wasi_nn::nn_errno;

static void start_over() { fake = {}; }

static void test_span() {
  int array[3] = {1, 2, 3};
  std::array<const int, 2> fixed = {4, 5};
  std::vector<int> vector = {6, 7, 8, 9};
  wasi_nn::span<const int> span(array);
  check(span.data() == array && span.size() == 3 && span.size_bytes() == 3 * sizeof(int), "span: of an array");
  span = fixed;
  check(span.data() == fixed.data() && span.size() == 2, "span: of a std::array");
  wasi_nn::span deduced(vector);
  static_assert(std::is_same_v<decltype(deduced), wasi_nn::span<int>>);
  deduced[0] = 10;
  span = deduced;
  int sum = 0;
  for (int element : span) sum += element;
  check(sum == 34 && vector[0] == 10, "span: of a vector, to write and to walk over");
  check(span.first(2).size() == 2 && span.first(0).empty(), "span: its beginning");
  wasi_nn::span<int> empty;
  check(empty.empty() && empty.begin() == empty.end() && empty.first(0).empty(), "span: of nothing");
  static_assert(!std::is_convertible_v<wasi_nn::span<const int>, wasi_nn::span<int>>, "const stays");
  static_assert(!std::is_convertible_v<std::vector<int>, wasi_nn::span<const int>>, "a temporary would end");
  static_assert(!std::is_convertible_v<std::vector<short> &, wasi_nn::span<const int>>, "another type");
  static_assert(!std::is_copy_constructible_v<wasi_nn::graph> && std::is_move_constructible_v<wasi_nn::graph>);
}

template <class T>
static void test_tensor_of(wasi_nn::tensor_type type, const char *claim) {
  static const uint32_t shape[] = {2, 2}, huge[] = {65536, 65536, 65536, 65536};
  static const T data[4] = {};
  auto made = wasi_nn::tensor<T>::make(shape, data);
  int holds = made && made->data().data() == data && made->data().size() == 4 && made->dimensions().data() == shape;
  const wasi_nn::any_tensor any = *made;
  holds = holds && any.raw().type == static_cast<uint8_t>(type) && any.raw().data.len == sizeof data;
  holds = holds && !(any.raw().padding9[0] | any.raw().padding9[1] | any.raw().padding9[2]);
  const wasi_nn::span<const T> all(data);
  holds = holds && wasi_nn::tensor<T>::make(shape, all.first(3)).error() == nn_errno::invalid_argument;
  holds = holds && wasi_nn::tensor<T>::make(huge, data).error() == nn_errno::too_large;
  holds = holds && wasi_nn::tensor<T>::make({}, all.first(1)).error() == nn_errno::success;
  check(holds, claim);
}

static void test_tensors() {
  using wasi_nn::tensor_type;
  test_tensor_of<wasi_nn::f16>(tensor_type::f16, "tensor: f16");
  test_tensor_of<float>(tensor_type::f32, "tensor: f32");
  test_tensor_of<double>(tensor_type::f64, "tensor: f64");
  test_tensor_of<uint8_t>(tensor_type::u8, "tensor: u8");
  test_tensor_of<int32_t>(tensor_type::i32, "tensor: i32");
  test_tensor_of<int64_t>(tensor_type::i64, "tensor: i64");
  static const uint32_t shape[] = {3};
  static const uint8_t bytes[6] = {};
  auto any = wasi_nn::any_tensor::from_bytes(tensor_type::f16, shape, bytes);
  check(any && any->raw().data.len == 6, "any_tensor: from bytes");
  static const uint32_t one[] = {1};
  static const double number = 1;
  const wasi_nn::span<const double> wrapping(&number, SIZE_MAX / 8 + 2);
  check(wasi_nn::tensor<double>::make(one, wrapping).error() == nn_errno::invalid_argument &&
            wrapping.size_bytes() == SIZE_MAX,
        "tensor: a count whose bytes wrap to those of the shape");
  check(wasi_nn::any_tensor::from_bytes(tensor_type::f32, shape, bytes).error() == nn_errno::invalid_argument,
        "any_tensor: too few bytes");
  check(wasi_nn::any_tensor::from_bytes(static_cast<tensor_type>(9), shape, bytes).error() ==
            nn_errno::invalid_argument,
        "any_tensor: an unknown type");
}

static void test_graph() {
  using wasi_nn::graph;
  using wasi_nn::graph_encoding;
  static const uint8_t xml[] = {1, 2, 3}, bin[] = {4, 5};
  auto one = graph::load(xml, graph_encoding::onnx, wasi_nn::execution_target::gpu);
  check(one && one->raw() == 7 && fake.parts == 1 && fake.part[0] == xml && fake.part_len[0] == 3 &&
            fake.encoding == WASI_NN_GRAPH_ENCODING_ONNX && fake.target == WASI_NN_EXECUTION_TARGET_GPU,
        "graph: from one part");
  auto two = graph::load(xml, bin, graph_encoding::openvino);
  check(two && fake.parts == 2 && fake.part[1] == bin && fake.part_len[1] == 2, "graph: from two parts");
  auto no_weights = graph::load(xml, {}, graph_encoding::openvino);
  check(no_weights && fake.parts == 2 && fake.part_len[1] == 0, "graph: from two parts, the second empty");
  const std::string_view name("named and more", 5);
  check(!!graph::load_by_name(name) && fake.name == name.data() && fake.name_len == 5, "graph: by a name without a NUL");
  wasi_nn_file_error_t file_error = {nullptr, 0};
  auto missing = graph::load_file_malloc("/no/such", nullptr, graph_encoding::onnx, {}, &file_error);
  check(missing.error() == nn_errno::invalid_argument && file_error.code == ENOENT, "graph: from a file that is missing");
  check(graph::load_file_malloc(nullptr, nullptr, graph_encoding::onnx).error() == nn_errno::invalid_argument,
        "graph: from a NULL path");
  fake.answer[LOAD] = 300;
  check(graph::load(xml, graph_encoding::onnx).error() == static_cast<nn_errno>(300), "graph: an unknown error is kept");
  auto context = one->init_execution_context();
  check(context && context->raw() == 3 && fake.handle == 7, "graph: its context");
  fake.answer[INIT] = WASI_NN_ERRNO_BUSY;
  check(one->init_execution_context().error() == nn_errno::busy, "graph: no context");
}

static void test_context() {
  static const uint32_t shape[] = {1};
  static const float f[1] = {};
  static const uint8_t u[1] = {};
  wasi_nn::execution_context context(3);
  auto first = wasi_nn::tensor<float>::make(shape, f);
  auto second = wasi_nn::tensor<uint8_t>::make(shape, u);
  check(!!context.run({*first, *second}) && fake.calls[SET_INPUT] == 2 && fake.calls[COMPUTE] == 1 &&
            fake.tensor[1].data.ptr == u,
        "run: binds in order, then computes");
  fake.answer[SET_INPUT] = WASI_NN_ERRNO_INVALID_ARGUMENT;
  check(context.run({*first, *second}).error() == nn_errno::invalid_argument && fake.calls[SET_INPUT] == 3 &&
            fake.calls[COMPUTE] == 1,
        "run: stops at the first error");

  float room[4] = {9, 9, 9, 9};
  fake.output_len = 8;
  auto written = context.get_output_into(1, room);
  check(written && written->data() == room && written->size() == 2 && room[2] == 9 && fake.room == 16 && fake.index == 1,
        "get_output_into: what was written");
  fake.output_len = 7;
  check(context.get_output_into(0, room).error() == nn_errno::invalid_argument,
        "get_output_into: no whole number of elements");
  fake.output_len = 17;
  check(context.get_output_into(0, room).error() == nn_errno::too_large, "get_output_into: too small");
  fake.manner = OVERRUNS;
  check(context.get_output_into(0, room).error() == nn_errno::too_large,
        "get_output_into: a host that claims to have written more than fits is not believed");
  check(context.get_output_into(0, wasi_nn::span<float>()).error() == nn_errno::too_large, "get_output_into: no room");

  start_over();
  fake.output_len = 20;
  auto size = context.output_size(0);
  check(size && *size == 20u, "output_size: what the host says");
  fake.manner = SILENT;
  size = context.output_size(0);
  check(size && !size->has_value(), "output_size: nothing where it does not say");
  fake.answer[GET_OUTPUT] = WASI_NN_ERRNO_RUNTIME_ERROR;
  check(context.output_size(0).error() == nn_errno::runtime_error, "output_size: an error is one");
}

static int vector_arrives(fake_manner manner, size_t size, int calls) {
  start_over();
  fake.manner = manner;
  fake.output_len = size;
  auto got = wasi_nn::execution_context(3).get_output_vector<int32_t>(0);
  return got && got->size() == size / 4 && (size < 8 || (*got)[1] == 0x07060504) && fake.calls[GET_OUTPUT] == calls;
}

static void test_vector() {
  check(vector_arrives(TELLS, 100000, 2), "get_output_vector: one query, one copy where the host tells the size");
  check(vector_arrives(SILENT, 100000, 4), "get_output_vector: 4 KiB, 32 KiB, 256 KiB where it does not");
  check(vector_arrives(CUTS, 100000, 4), "get_output_vector: the same where it cuts outputs");
  check(vector_arrives(SMALL, 100000, 4), "get_output_vector: a size that cannot be is no size");
  check(vector_arrives(TELLS, 4096, 2) && vector_arrives(SILENT, 4100, 3), "get_output_vector: just full");
  check(vector_arrives(TELLS, 0, 2), "get_output_vector: an empty output");
  start_over();
  const wasi_nn::execution_context context(3);
  fake.output_len = 2000000;
  fake.manner = ENORMOUS;
  check(context.get_output_vector<float>(0).error() == nn_errno::too_large, "get_output_vector: a size over the limit");
  fake.manner = SILENT;
  check(context.get_output_vector<float>(0).error() == nn_errno::too_large, "get_output_vector: growing ends");
  fake.output_len = 6;
  check(context.get_output_vector<float>(0).error() == nn_errno::invalid_argument,
        "get_output_vector: no whole number of elements");
  fake.answer[GET_OUTPUT] = WASI_NN_ERRNO_RUNTIME_ERROR;
  check(context.get_output_vector<float>(0).error() == nn_errno::runtime_error, "get_output_vector: the host's error");
}

static void test_errors() {
  check(strcmp(wasi_nn::strerror(nn_errno::busy), wasi_nn_strerror(WASI_NN_ERRNO_BUSY)) == 0 &&
            strcmp(wasi_nn::error_hint(nn_errno::busy), wasi_nn_error_hint(WASI_NN_ERRNO_BUSY)) == 0,
        "errors: the texts of C");
  const wasi_nn::result<int> value(5);
  check(value && *value == 5 && value.error() == nn_errno::success, "result: a value");
  const wasi_nn::result<void> done;
  check(done && done.error() == nn_errno::success, "result: of nothing");
}

static void test_extensions() {
  start_over();
  const std::string_view config("{}");
  auto named = wasi_nn::load_by_name_with_config("name", config);
  check(named && fake.name_len == 4 && fake.config == config.data() && fake.config_len == 2, "extensions: a config");
  {
    wasi_nn::unique_graph graph(*std::move(named));
    wasi_nn::unique_graph moved(std::move(graph));
    check(!graph && moved && moved->raw() == 7, "extensions: a moved-from owner owns nothing");
    wasi_nn::unique_execution_context context(wasi_nn::execution_context(3));
  }
  check(fake.calls[UNLOAD] == 1 && fake.calls[FINALIZE] == 1 && fake.handle == 7,
        "extensions: each is released once, the context first");
  {
    wasi_nn::unique_graph first(wasi_nn::graph(1));
    first = wasi_nn::unique_graph(wasi_nn::graph(2));
    check(fake.calls[UNLOAD] == 2 && fake.handle == 1 && first->raw() == 2, "extensions: an assignment releases");
    check(first.release().raw() == 2 && !first, "extensions: what is given up is not released");
  }
  check(fake.calls[UNLOAD] == 2, "extensions: and was not");
  fake.answer[FINALIZE] = WASI_NN_ERRNO_UNSUPPORTED_OPERATION;
  check(wasi_nn::finalize_execution_context(wasi_nn::execution_context(3)).error() == nn_errno::unsupported_operation,
        "extensions: a host that does not release says so");
}

/* Each of these must end the program. */
static int misuse(const std::string_view what) {
  if (what == "value") return *wasi_nn::result<int>(nn_errno::busy);
  if (what == "member") return static_cast<int>(wasi_nn::result<std::vector<int>>(nn_errno::busy)->size());
  if (what == "success") return !wasi_nn::result<int>(nn_errno::success);
  if (what == "first") return wasi_nn::span<const int>().first(1).empty();
  if (what == "released") {
    wasi_nn::unique_graph graph(wasi_nn::graph(1));
    static_cast<void>(graph.release());
    return static_cast<int>(graph->raw());
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1) return misuse(argv[1]);
  test_span();
  test_tensors();
  start_over();
  test_graph();
  start_over();
  test_context();
  test_vector();
  test_errors();
  test_extensions();
  printf("end\n");
  return failures > 0;
}
