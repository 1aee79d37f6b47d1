/**
 * conformance.h: what the guests share. Each check writes one line of the Test Anything Protocol (TAP) to stdout:
 *
 *     ok the size is written
 *     not ok an encoding that is no value: expected 2 invalid_encoding, got 1 invalid_argument
 *
 * and the last line is the plan, `1..2`: without it the guest did not come to its end. The exit code is 0 when all
 * checks held, else 1. Needs WASI preview 1, libc and wasi-nn; reads no file, takes no argument.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models.h"
#include "wasi_ephemeral_nn.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/** A handle, an index or an enum value that no host has given or will accept. */
#define NONE 77u
/** What a place holds that a call must not write to. */
#define CANARY 0xA5A5A5A5u
/** The graph that `load_by_name` guests want: y = x + x for f32 [1,2]. The runtime registers it under this name. */
#define NAMED_GRAPH "double"
/** A pointer far outside of any memory these guests have, though an i32 takes it. */
#define OUTSIDE 0xFFFFFFF0u
#define WASM_PAGE 65536u

static unsigned checks_, failures_;

/* ---- The verdict ----------------------------------------------------------------------------------- */

static inline const char *errno_name(uint32_t error) {
  switch (error) {
    case WASI_NN_ERRNO_SUCCESS: return " success";
    case WASI_NN_ERRNO_INVALID_ARGUMENT: return " invalid_argument";
    case WASI_NN_ERRNO_INVALID_ENCODING: return " invalid_encoding";
    case WASI_NN_ERRNO_MISSING_MEMORY: return " missing_memory";
    case WASI_NN_ERRNO_BUSY: return " busy";
    case WASI_NN_ERRNO_RUNTIME_ERROR: return " runtime_error";
    case WASI_NN_ERRNO_UNSUPPORTED_OPERATION: return " unsupported_operation";
    case WASI_NN_ERRNO_TOO_LARGE: return " too_large";
    case WASI_NN_ERRNO_NOT_FOUND: return " not_found";
    default: return " (no value of nn_errno)";
  }
}

/** A line that is written at once: what a guest said before its host died is not lost. */
typedef struct line_t {
  char text[256];
  size_t len;
} line_t;

static inline void add_text(line_t *line, const char *text) {
  while (*text && line->len < sizeof line->text - 1) line->text[line->len++] = *text++;
}

static inline void add_u32(line_t *line, uint32_t number) {
  char digits[11] = "";
  size_t at = sizeof digits - 1;
  do digits[--at] = (char)('0' + number % 10); while (number /= 10);
  add_text(line, digits + at);
}

static inline void write_line(line_t *line) {
  line->text[line->len++] = '\n';
  for (size_t at = 0; at < line->len;) {
    ssize_t written = write(STDOUT_FILENO, line->text + at, line->len - at);
    if (written <= 0) _Exit(2); /* nobody to tell */
    at += (size_t)written;
  }
}

static inline void begin_check(line_t *line, bool is_held, const char *claim) {
  checks_++;
  failures_ += !is_held;
  add_text(line, is_held ? "ok " : "not ok ");
  add_text(line, claim);
}

/** Check a claim. */
static inline void expect(const char *claim, bool is_held) {
  line_t line = {0};
  begin_check(&line, is_held, claim);
  write_line(&line);
}

/** Check what a call answered. */
static inline void expect_errno(const char *claim, wasi_nn_errno_t expected, uint32_t got) {
  line_t line = {0};
  begin_check(&line, got == expected, claim);
  if (got != expected) {
    add_text(&line, ": expected ");
    add_u32(&line, expected);
    add_text(&line, errno_name(expected));
    add_text(&line, ", got ");
    add_u32(&line, got);
    add_text(&line, errno_name(got));
  }
  write_line(&line);
}

/** Check a number that is not an errno. */
static inline void expect_u32(const char *claim, uint32_t expected, uint32_t got) {
  line_t line = {0};
  begin_check(&line, got == expected, claim);
  if (got != expected) {
    add_text(&line, ": not ");
    add_u32(&line, expected);
    add_text(&line, " but ");
    add_u32(&line, got);
  }
  write_line(&line);
}

/** Say that a claim was not checked, and why; it counts as held. */
static inline void skip(const char *claim, const char *reason) {
  line_t line = {0};
  begin_check(&line, true, claim);
  add_text(&line, " # SKIP ");
  add_text(&line, reason);
  write_line(&line);
}

/** End with the plan; return the exit code. */
static inline int verdict(void) {
  line_t line = {0};
  add_text(&line, "1..");
  add_u32(&line, checks_);
  write_line(&line);
  return failures_ != 0;
}

/** Go on only when a call succeeded that is not what the guest is about. */
static inline void need(const char *call, uint32_t error) {
  if (error == WASI_NN_ERRNO_SUCCESS) return;
  expect_errno(call, WASI_NN_ERRNO_SUCCESS, error);
  exit(verdict());
}

/* ---- Calls that must work before the interesting one ------------------------------------------------ */

/** Pass a hostile number for a pointer. */
static inline void *address(uint32_t number) { return (void *)(uintptr_t)number; }

/** The last `size` bytes of memory, in a page of their own. */
static inline void *last_bytes(size_t size) {
  if (__builtin_wasm_memory_grow(0, 1) == (size_t)-1) abort();
  return address((uint32_t)(__builtin_wasm_memory_size(0) * WASM_PAGE - size));
}

static inline wasi_nn_errno_t load_ir(
    const char *xml, const void *weights, size_t weights_len, wasi_nn_graph_t *graph_out) {
  wasi_nn_graph_builder_t ir[] = {{(const uint8_t *)xml, strlen(xml)}, {weights, weights_len}};
  return wasi_nn_load(ir, COUNT(ir), WASI_NN_GRAPH_ENCODING_OPENVINO, WASI_NN_EXECUTION_TARGET_CPU, graph_out);
}

/** A graph of an IR without weights. */
static inline wasi_nn_graph_t graph_of(const char *xml) {
  wasi_nn_graph_t graph = 0;
  need("load", load_ir(xml, "", 0, &graph));
  return graph;
}

static inline wasi_nn_graph_execution_context_t context_of(wasi_nn_graph_t graph) {
  wasi_nn_graph_execution_context_t context = 0;
  need("init_execution_context", wasi_nn_init_execution_context(graph, &context));
  return context;
}

static inline wasi_nn_tensor_t tensor(
    wasi_nn_tensor_type_t type, const uint32_t *dimensions, size_t rank, const void *data, size_t size) {
  wasi_nn_tensor_t made = {.dimensions = {dimensions, rank}, .type = type, .data = {data, size}};
  return made;
}

static inline wasi_nn_errno_t set_tensor(
    wasi_nn_graph_execution_context_t context, uint32_t index, wasi_nn_tensor_t value) {
  return wasi_nn_set_input(context, index, &value);
}

static const uint32_t PAIR[] = {1, 2};

/** A tensor for the model DOUBLE("f32", "1,2"). */
static inline wasi_nn_tensor_t pair(const float *values) {
  return tensor(WASI_NN_TENSOR_TYPE_F32, PAIR, COUNT(PAIR), values, 2 * sizeof *values);
}

/** Check that an output is exactly these bytes. */
static inline void expect_output(
    const char *claim, wasi_nn_graph_execution_context_t context, uint32_t index, const void *bytes, uint32_t size) {
  uint8_t got[256] = {0};
  wasi_nn_buffer_size_t written = CANARY;
  wasi_nn_errno_t error = wasi_nn_get_output(context, index, got, sizeof got, &written);
  if (error) {
    expect_errno(claim, WASI_NN_ERRNO_SUCCESS, error);
  } else if (written != size) {
    expect_u32(claim, size, written);
  } else {
    expect(claim, memcmp(got, bytes, size) == 0);
  }
}

/** Check that a context of DOUBLE("f32", "1,2") still doubles: that what came before did no harm. */
static inline void expect_doubles(const char *claim, wasi_nn_graph_execution_context_t context) {
  const float values[] = {1.5f, -2}, doubled[] = {3, -4};
  need("set_input", set_tensor(context, 0, pair(values)));
  need("compute", wasi_nn_compute(context));
  expect_output(claim, context, 0, doubled, sizeof doubled);
}

#endif /* CONFORMANCE_H */
