/**
 * wasi_nn_extensions.hpp: the calls that only some hosts add to WASI-NN, for wasi_nn.hpp: a named model with settings,
 * and graphs and contexts that are released at the end of their scope.
 *
 *     auto graph = wasi_nn::graph::load_by_name("squeezenet");
 *     if (!graph) return fail(graph.error());
 *     wasi_nn::unique_graph owned_graph(*std::move(graph));
 *     auto context = owned_graph->init_execution_context();
 *     if (!context) return fail(context.error());
 *     wasi_nn::unique_execution_context owned_context(*std::move(context)); // after its graph, so released before it
 *
 * A guest that uses one of these imports the call behind it and does not start on a host without it. One that includes
 * this header and uses none imports nothing more.
 */
#ifndef WASI_NN_EXTENSIONS_HPP
#define WASI_NN_EXTENSIONS_HPP

#include <optional>
#include <string_view>
#include <utility>

#include "wasi_nn.hpp"
#include "wasi_nn_extensions.h"

namespace wasi_nn {

/** `graph::load_by_name` with settings: a JSON object whose keys the host defines. */
inline result<graph> load_by_name_with_config(std::string_view name, std::string_view config) noexcept {
  wasi_nn_graph_t made = 0;
  const auto error = static_cast<nn_errno>(
      wasi_nn_load_by_name_with_config(name.data(), name.size(), config.data(), config.size(), &made));
  if (error != nn_errno::success) return error;
  return graph(made);
}

/** Release a graph. Contexts of it should be released first: hosts differ in what becomes of them. */
inline result<void> unload(graph released) noexcept { return static_cast<nn_errno>(wasi_nn_unload(released.raw())); }

/** Release a context; its graph stays. */
inline result<void> finalize_execution_context(execution_context released) noexcept {
  return static_cast<nn_errno>(wasi_nn_finalize_execution_context(released.raw()));
}

namespace detail {

inline result<void> release(graph released) noexcept { return unload(std::move(released)); }
inline result<void> release(execution_context released) noexcept {
  return finalize_execution_context(std::move(released));
}

}  // namespace detail

/** The one owner of a graph or context: releases it when it ends. Errors of that are dropped: nothing could be done. */
template <class T>
class unique {
 public:
  explicit unique(T owned) noexcept : owned_(std::move(owned)) {}
  unique(unique &&other) noexcept : owned_(std::exchange(other.owned_, std::nullopt)) {}
  unique &operator=(unique &&other) noexcept {
    std::swap(owned_, other.owned_);  // the other one releases what was here
    return *this;
  }
  ~unique() {
    if (owned_) static_cast<void>(detail::release(*std::move(owned_)));
  }

  /** Whether it owns one; after a move or `release` it does not. */
  explicit operator bool() const noexcept { return owned_.has_value(); }
  /** What it owns; without that this traps. */
  T &operator*() noexcept { return checked(), *owned_; }
  T *operator->() noexcept { return checked(), &*owned_; }
  /** Give up what it owns, to be kept or released elsewhere; without that this traps. */
  T release() noexcept { return checked(), *std::exchange(owned_, std::nullopt); }

 private:
  void checked() const noexcept {
    if (!owned_) __builtin_trap();
  }

  std::optional<T> owned_;
};

using unique_graph = unique<graph>;
using unique_execution_context = unique<execution_context>;

}  // namespace wasi_nn

#endif /* WASI_NN_EXTENSIONS_HPP */
