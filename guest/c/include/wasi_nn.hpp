/**
 * wasi_nn.hpp: WASI-NN for a guest in C++17, over wasi_nn.h. Values instead of pointers, results instead of codes.
 *
 * A whole classification, for a model that takes f32 [1,3,227,227] and answers 1000 scores:
 *
 *     static float pixels[3 * 227 * 227], scores[1000];          // large: not on the 64 KB wasm stack
 *     const uint32_t shape[] = {1, 3, 227, 227};
 *     auto graph = wasi_nn::graph::load_by_name("squeezenet");
 *     if (!graph) return fail(graph.error());
 *     auto context = graph->init_execution_context();
 *     if (!context) return fail(context.error());
 *     auto input = wasi_nn::tensor<float>::make(shape, pixels);
 *     if (!input) return fail(input.error());
 *     if (auto ran = context->run({*input}); !ran) return fail(ran.error());
 *     auto output = context->get_output_into(0, scores);
 *     if (!output) return fail(output.error());
 *     for (float score : *output) use(score);
 *
 * Rules that hold for the whole header:
 * - C++17 and later, header-only. No exceptions and no RTTI: it is made for -fno-exceptions -fno-rtti.
 * - What can fail returns a `result`, which must not be dropped. To take a value out of a failed one traps.
 * - Nothing allocates unless its name ends in `_malloc` or `_vector`.
 * - A `span` or `tensor` borrows: what it points at must outlive it.
 * - Graphs and contexts live until the guest ends, destroyed or not: the interface has no call to release one. On a
 *   host that has, wasi_nn_extensions.hpp releases them at the end of a scope.
 */
#ifndef WASI_NN_HPP
#define WASI_NN_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "wasi_nn.h"

namespace wasi_nn {

/* ---- The interface's numbers; a host may answer others, which a variable of these types keeps ------- */

/** What a call answers. */
enum class nn_errno : wasi_nn_errno_t {
  success = WASI_NN_ERRNO_SUCCESS,
  invalid_argument = WASI_NN_ERRNO_INVALID_ARGUMENT,
  invalid_encoding = WASI_NN_ERRNO_INVALID_ENCODING,
  missing_memory = WASI_NN_ERRNO_MISSING_MEMORY,
  busy = WASI_NN_ERRNO_BUSY,
  runtime_error = WASI_NN_ERRNO_RUNTIME_ERROR,
  unsupported_operation = WASI_NN_ERRNO_UNSUPPORTED_OPERATION,
  too_large = WASI_NN_ERRNO_TOO_LARGE,
  not_found = WASI_NN_ERRNO_NOT_FOUND,
};

/** The type of one tensor element. */
enum class tensor_type : wasi_nn_tensor_type_t {
  f16 = WASI_NN_TENSOR_TYPE_F16,
  f32 = WASI_NN_TENSOR_TYPE_F32,
  f64 = WASI_NN_TENSOR_TYPE_F64,
  u8 = WASI_NN_TENSOR_TYPE_U8,
  i32 = WASI_NN_TENSOR_TYPE_I32,
  i64 = WASI_NN_TENSOR_TYPE_I64,
};

/** The format of a serialised model. */
enum class graph_encoding : wasi_nn_graph_encoding_t {
  openvino = WASI_NN_GRAPH_ENCODING_OPENVINO,
  onnx = WASI_NN_GRAPH_ENCODING_ONNX,
  tensorflow = WASI_NN_GRAPH_ENCODING_TENSORFLOW,
  pytorch = WASI_NN_GRAPH_ENCODING_PYTORCH,
  tensorflowlite = WASI_NN_GRAPH_ENCODING_TENSORFLOWLITE,
  autodetect = WASI_NN_GRAPH_ENCODING_AUTODETECT,
};

/** The kind of device that is to execute the graph. */
enum class execution_target : wasi_nn_execution_target_t {
  cpu = WASI_NN_EXECUTION_TARGET_CPU,
  gpu = WASI_NN_EXECUTION_TARGET_GPU,
  tpu = WASI_NN_EXECUTION_TARGET_TPU,
};

/** Describe an error: `wasi_nn_strerror`. */
inline const char *strerror(nn_errno error) noexcept { return wasi_nn_strerror(static_cast<wasi_nn_errno_t>(error)); }

/** Say what to try against an error: `wasi_nn_error_hint`. */
inline const char *error_hint(nn_errno error) noexcept {
  return wasi_nn_error_hint(static_cast<wasi_nn_errno_t>(error));
}

/* ---- Results --------------------------------------------------------------------------------------- */

/** A value, or the error that is there instead. */
template <class T>
class [[nodiscard]] result {
 public:
  result(T value) noexcept : value_(std::move(value)), error_(nn_errno::success) {}
  /** @param error Any code but success, which traps. */
  result(nn_errno error) noexcept : error_(error) {
    if (error == nn_errno::success) __builtin_trap();
  }

  /** Whether there is a value. */
  explicit operator bool() const noexcept { return value_.has_value(); }
  /** The error; `success` when there is a value. */
  nn_errno error() const noexcept { return error_; }

  /** The value; without one this traps. */
  T &operator*() & noexcept { return checked(), *value_; }
  const T &operator*() const & noexcept { return checked(), *value_; }
  T &&operator*() && noexcept { return checked(), *std::move(value_); }
  T *operator->() noexcept { return checked(), &*value_; }
  const T *operator->() const noexcept { return checked(), &*value_; }

 private:
  void checked() const noexcept {
    if (!value_) __builtin_trap();
  }

  std::optional<T> value_;
  nn_errno error_;
};

/** Success, or an error. */
template <>
class [[nodiscard]] result<void> {
 public:
  result() noexcept = default;
  result(nn_errno error) noexcept : error_(error) {}

  /** Whether it succeeded. */
  explicit operator bool() const noexcept { return error_ == nn_errno::success; }
  /** The error, or `success`. */
  nn_errno error() const noexcept { return error_; }

 private:
  nn_errno error_ = nn_errno::success;
};

/* ---- Spans ----------------------------------------------------------------------------------------- */

template <class T>
class span;

namespace detail {

template <class T>
struct is_span : std::false_type {};
template <class T>
struct is_span<span<T>> : std::true_type {};

/** What an array, or a container in one piece, has elements of; with their `const`. */
template <class C>
using element_of = std::remove_pointer_t<decltype(std::data(std::declval<C &>()))>;

/** A container that is about to end would leave the span behind. */
template <class C>
inline constexpr bool outlives_a_span = std::is_lvalue_reference_v<C> || is_span<std::decay_t<C>>::value;

template <class C, class T>
using if_span_of =
    std::enable_if_t<outlives_a_span<C> && std::is_convertible_v<element_of<C> (*)[], T (*)[]>, int>;

}  // namespace detail

/** Elements in one piece that belong to somebody else: `std::span` of C++20, as much of it as is needed here. */
template <class T>
class span {
 public:
  using element_type = T;
  using value_type = std::remove_cv_t<T>;

  constexpr span() noexcept = default;
  constexpr span(T *data, size_t size) noexcept : data_(data), size_(size) {}
  /** Of an array, a `std::array`, a `std::vector`, another span; a temporary container does not compile. */
  template <class C, detail::if_span_of<C, T> = 0>
  constexpr span(C &&elements) noexcept : data_(std::data(elements)), size_(std::size(elements)) {}

  constexpr T *data() const noexcept { return data_; }
  constexpr size_t size() const noexcept { return size_; }
  /** How many bytes that is; SIZE_MAX when they are more than memory can have, which no whole elements are. */
  constexpr size_t size_bytes() const noexcept { return size_ > SIZE_MAX / sizeof(T) ? SIZE_MAX : size_ * sizeof(T); }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return size_ ? data_ + size_ : data_; }
  /** The element at `index`, which is not checked. */
  constexpr T &operator[](size_t index) const noexcept { return data_[index]; }
  /** The first `count` elements; more than there are traps. */
  constexpr span first(size_t count) const noexcept {
    if (count > size_) __builtin_trap();
    return {data_, count};
  }

 private:
  T *data_ = nullptr;
  size_t size_ = 0;
};

template <class C>
span(C &&) -> span<detail::element_of<C>>;

/* ---- Tensors --------------------------------------------------------------------------------------- */

/** A half-precision number as its bits: a type of element, not one to compute with. */
struct f16 {
  uint16_t bits;
};

namespace detail {

template <class T>
struct element {
  static_assert(!sizeof(T), "the element types are uint8_t, int32_t, int64_t, float, double and wasi_nn::f16");
};
template <tensor_type Type>
struct element_of_type {
  static constexpr tensor_type type = Type;
};
template <>
struct element<f16> : element_of_type<tensor_type::f16> {};
template <>
struct element<float> : element_of_type<tensor_type::f32> {};
template <>
struct element<double> : element_of_type<tensor_type::f64> {};
template <>
struct element<uint8_t> : element_of_type<tensor_type::u8> {};
template <>
struct element<int32_t> : element_of_type<tensor_type::i32> {};
template <>
struct element<int64_t> : element_of_type<tensor_type::i64> {};

}  // namespace detail

/** A tensor of any element type: what inputs are bound as. A `tensor` converts to it. */
class any_tensor {
 public:
  /**
   * Take elements as bytes: little-endian, row-major, of any alignment.
   *
   * @return The tensor, which points at `dimensions` and `data`; the errors of `wasi_nn_tensor`.
   */
  static result<any_tensor> from_bytes(
      tensor_type type, span<const uint32_t> dimensions, span<const uint8_t> data) noexcept {
    return make(type, dimensions, data.data(), data.size());
  }

  /** The tensor as the interface has it. */
  const wasi_nn_tensor_t &raw() const noexcept { return raw_; }

 private:
  template <class>
  friend class tensor;

  any_tensor() noexcept = default;

  static result<any_tensor> make(
      tensor_type type, span<const uint32_t> dimensions, const void *data, size_t data_len) noexcept {
    any_tensor made;
    const auto error = static_cast<nn_errno>(wasi_nn_tensor(
        static_cast<wasi_nn_tensor_type_t>(type), dimensions.data(), dimensions.size(), data, data_len, &made.raw_));
    if (error != nn_errno::success) return error;
    return made;
  }

  wasi_nn_tensor_t raw_;
};

/** A shape and elements of one type, borrowed. */
template <class T>
class tensor {
 public:
  /**
   * Put a shape and its elements together.
   *
   * @param dimensions The extent of each dimension, outermost first; empty for a scalar.
   * @param data The elements, row-major, in the layout the model was trained with.
   * @return The tensor, which points at both; `invalid_argument` when `data` has not as many elements as the shape,
   *         `too_large` when that number does not fit.
   */
  static result<tensor> make(span<const uint32_t> dimensions, span<const T> data) noexcept {
    auto made = any_tensor::make(detail::element<T>::type, dimensions, data.data(), data.size_bytes());
    if (!made) return made.error();
    return tensor(*made);
  }

  /** The extent of each dimension, outermost first. */
  span<const uint32_t> dimensions() const noexcept {
    return {any_.raw().dimensions.ptr, any_.raw().dimensions.len};
  }
  /** The elements. */
  span<const T> data() const noexcept {
    return {reinterpret_cast<const T *>(any_.raw().data.ptr), any_.raw().data.len / sizeof(T)};
  }

  operator any_tensor() const noexcept { return any_; }

 private:
  explicit tensor(const any_tensor &any) noexcept : any_(any) {}

  any_tensor any_;
};

/* ---- Running a model ------------------------------------------------------------------------------- */

/**
 * One execution of a graph: its inputs, its state and its outputs. It is moved, not copied: a moved-from one is not to
 * be used.
 *
 * Some hosts copy a tensor in `set_input`, others read it only at `compute`. `run` is right on both. After `set_input`
 * keep the shape and the elements as they are until `compute` has returned.
 */
class execution_context {
 public:
  /** Take over a handle of the C interface. */
  explicit execution_context(wasi_nn_graph_execution_context_t raw) noexcept : raw_(raw) {}
  execution_context(const execution_context &) = delete;
  execution_context &operator=(const execution_context &) = delete;
  execution_context(execution_context &&) noexcept = default;
  execution_context &operator=(execution_context &&) noexcept = default;

  /** Bind the inputs, the first to index 0, and run the model. Inputs bound before at other indices stay. */
  result<void> run(span<const any_tensor> inputs) noexcept {
    uint32_t index = 0;
    for (const any_tensor &input : inputs) {
      if (auto bound = set_input(index++, input); !bound) return bound;
    }
    return compute();
  }
  result<void> run(std::initializer_list<any_tensor> inputs) noexcept {
    return run(span<const any_tensor>(inputs.begin(), inputs.size()));
  }

  /** Bind a tensor to an input: 0 is the model's first. It replaces an earlier one. */
  result<void> set_input(uint32_t index, const any_tensor &tensor) noexcept {
    return static_cast<nn_errno>(wasi_nn_set_input(raw_, index, &tensor.raw()));
  }

  /** Run the model on the inputs that are bound. */
  result<void> compute() noexcept { return static_cast<nn_errno>(wasi_nn_compute(raw_)); }

  /**
   * Copy an output into the caller's memory.
   *
   * @param index Which output: 0 is the model's first.
   * @param buffer An array, container or span of elements of the output's type.
   * @return The part of `buffer` that was written; the errors of `wasi_nn_get_output_into`, and `invalid_argument` for
   *         an output that is no whole number of elements, so that it is of another type.
   */
  template <class C>
  result<span<detail::element_of<C>>> get_output_into(uint32_t index, C &&buffer) const noexcept {
    using T = detail::element_of<C>;
    static_assert(sizeof(detail::element<T>) != 0, "not an element type");
    const span<T> room(std::forward<C>(buffer));
    size_t size;
    const auto error =
        static_cast<nn_errno>(wasi_nn_get_output_into(raw_, index, room.data(), room.size_bytes(), &size));
    if (error != nn_errno::success) return error;
    if (size % sizeof(T) != 0) return nn_errno::invalid_argument;
    return room.first(size / sizeof(T));
  }

  /** Ask how many bytes an output has: nothing where it is empty or the host does not say. */
  result<std::optional<size_t>> output_size(uint32_t index) const noexcept {
    size_t size;
    const auto error = static_cast<nn_errno>(wasi_nn_output_size(raw_, index, &size));
    if (error != nn_errno::success) return error;
    return size ? std::optional<size_t>(size) : std::nullopt;
  }

  /**
   * Return an output of any size in a vector.
   *
   * It grows as `wasi_nn_get_output_realloc` does. Out of memory ends the guest, as with every vector.
   *
   * @return The elements; the errors of `get_output_into`, and `too_large` over `WASI_NN_OUTPUT_MAX`.
   */
  template <class T>
  result<std::vector<T>> get_output_vector(uint32_t index) const {
    static_assert(sizeof(detail::element<T>) != 0, "not an element type");
    std::vector<T> elements;
    for (;;) {
      const size_t capacity = elements.size() * sizeof(T);
      size_t size;
      const auto error =
          static_cast<nn_errno>(wasi_nn_get_output_into(raw_, index, elements.data(), capacity, &size));
      if (error != nn_errno::success && error != nn_errno::too_large) return error;
      if (error == nn_errno::success && size < capacity) {
        if (size % sizeof(T) != 0) return nn_errno::invalid_argument;
        elements.resize(size / sizeof(T));
        return elements;
      }
      const size_t larger = wasi_nn_larger_(capacity, size);
      if (larger > WASI_NN_OUTPUT_MAX || larger < capacity) return nn_errno::too_large;
      elements.clear();  // what a cut output left is not worth copying
      elements.resize(larger / sizeof(T) + 1);
    }
  }

  /** The handle, for the C interface. */
  wasi_nn_graph_execution_context_t raw() const noexcept { return raw_; }

 private:
  wasi_nn_graph_execution_context_t raw_;
};

/* ---- Loading a model ------------------------------------------------------------------------------- */

/** A loaded model. It is moved, not copied: a moved-from one is not to be used. */
class graph {
 public:
  /** Take over a handle of the C interface. */
  explicit graph(wasi_nn_graph_t raw) noexcept : raw_(raw) {}
  graph(const graph &) = delete;
  graph &operator=(const graph &) = delete;
  graph(graph &&) noexcept = default;
  graph &operator=(graph &&) noexcept = default;

  /** Load a model of one part from bytes, which may be freed afterwards. */
  static result<graph> load(
      span<const uint8_t> model, graph_encoding encoding, execution_target target = execution_target::cpu) noexcept {
    const wasi_nn_graph_builder_t parts[] = {{model.data(), model.size()}};
    return load_parts(parts, encoding, target);
  }

  /** Load a model of two parts, OpenVINO IR's XML and its weights, from bytes, which may be freed afterwards. */
  static result<graph> load(
      span<const uint8_t> model,
      span<const uint8_t> weights,
      graph_encoding encoding,
      execution_target target = execution_target::cpu) noexcept {
    const wasi_nn_graph_builder_t parts[] = {{model.data(), model.size()}, {weights.data(), weights.size()}};
    return load_parts(parts, encoding, target);
  }

  /** Load a model from one or two files: `wasi_nn_load_file_malloc`, which says what the parameters are. */
  static result<graph> load_file_malloc(
      const char *model_path,
      const char *weights_path,
      graph_encoding encoding,
      execution_target target = execution_target::cpu,
      wasi_nn_file_error_t *file_error_out = nullptr) noexcept {
    wasi_nn_graph_t made = 0;
    const auto error = wasi_nn_load_file_malloc(
        model_path,
        weights_path,
        static_cast<wasi_nn_graph_encoding_t>(encoding),
        static_cast<wasi_nn_execution_target_t>(target),
        &made,
        file_error_out);
    return loaded(error, made);
  }

  /** Load the model that the host's operator registered under a name, UTF-8. The name is never a path. */
  static result<graph> load_by_name(std::string_view name) noexcept {
    wasi_nn_graph_t made = 0;
    const auto error = wasi_nn_load_by_name(name.data(), name.size(), &made);
    return loaded(error, made);
  }

  /** Make a context to run the model in. One is enough; use it for input after input. */
  result<execution_context> init_execution_context() const noexcept {
    wasi_nn_graph_execution_context_t made = 0;
    const auto error = static_cast<nn_errno>(wasi_nn_init_execution_context(raw_, &made));
    if (error != nn_errno::success) return error;
    return execution_context(made);
  }

  /** The handle, for the C interface. */
  wasi_nn_graph_t raw() const noexcept { return raw_; }

 private:
  static result<graph> load_parts(
      span<const wasi_nn_graph_builder_t> parts, graph_encoding encoding, execution_target target) noexcept {
    wasi_nn_graph_t made = 0;
    const auto error = wasi_nn_load(
        parts.data(),
        parts.size(),
        static_cast<wasi_nn_graph_encoding_t>(encoding),
        static_cast<wasi_nn_execution_target_t>(target),
        &made);
    return loaded(error, made);
  }

  static result<graph> loaded(wasi_nn_errno_t error, wasi_nn_graph_t made) noexcept {
    if (error != WASI_NN_ERRNO_SUCCESS) return static_cast<nn_errno>(error);
    return graph(made);
  }

  wasi_nn_graph_t raw_;
};

}  // namespace wasi_nn

#endif /* WASI_NN_HPP */
