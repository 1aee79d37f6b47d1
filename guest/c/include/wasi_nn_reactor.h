/**
 * wasi_nn_reactor.h: make a guest that stays alive and answers records: bytes in, bytes out, as often as the
 * host likes. What it loads for the first record, a graph and a context for one, is there for all later ones.
 *
 *     #include <ctype.h>
 *     #include <wasi_nn_reactor.h>
 *
 *     static int shout(uint8_t *record, size_t size, wasi_nn_answer_t *answer) {
 *       static char text[80];
 *       if (size >= sizeof text) return wasi_nn_answer_text(answer, "a record has at most 79 bytes"), 1;
 *       for (size_t i = 0; i < size; i++) text[i] = (char)toupper(record[i]);
 *       answer->ptr = text;
 *       answer->len = size;
 *       return 0;
 *     }
 *     WASI_NN_REACTOR(shout);
 *
 * Compile it with `-mexec-model=reactor` and without a `main`; `python -m host map guest.wasm ...`
 * gives it records. docs/map.md has the exports, for hosts and for other languages.
 *
 * Header-only, C99 and later and C++17. It needs libc's `malloc` and nothing else of this SDK.
 */
#ifndef WASI_NN_REACTOR_H
#define WASI_NN_REACTOR_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/** What a function answers to a record. It is empty when the function is called. */
typedef struct wasi_nn_answer_t {
  /** The bytes. They stay the guest's and as they are until the next record: static, or freed then. */
  const void *ptr;
  size_t len;
} wasi_nn_answer_t;

/**
 * Answer one record.
 *
 * @param record The bytes. The guest may change them; they are gone with the next record.
 * @param size How many.
 * @param answer The answer, or with a failure a message for people, UTF-8.
 * @return 0 on success, else a number of the guest's own that the host shows beside the message. The guest goes
 *         on with the next record. A guest that cannot go on calls `abort()`: the host then makes a fresh one.
 */
typedef int wasi_nn_answer_fn(uint8_t *record, size_t size, wasi_nn_answer_t *answer);

/** Make a string the answer, or the message. The string is not copied. */
static inline void wasi_nn_answer_text(wasi_nn_answer_t *answer, const char *text) {
  answer->ptr = text;
  answer->len = strlen(text);
}

/** Export `function`, a `wasi_nn_answer_fn`, to the host. Once in a guest, at file scope, with a semicolon. */
#define WASI_NN_REACTOR(function)                                                           \
  WASI_NN_REACTOR_EXPORT(wasi_nn_alloc) uint8_t *wasi_nn_alloc(size_t size) {               \
    return wasi_nn_reactor_alloc(size);                                                     \
  }                                                                                         \
  WASI_NN_REACTOR_EXPORT(wasi_nn_map)                                                       \
  const wasi_nn_reactor_result_t *wasi_nn_map(uint8_t *record, size_t size) {               \
    return wasi_nn_reactor_map(function, record, size);                                     \
  }                                                                                         \
  typedef wasi_nn_reactor_result_t wasi_nn_reactor_is_defined

/* ==== Implementation: nothing below here is needed to use the header ================================ */

/** What the host reads after a record: `code` 0 and the answer, or another code and a message. */
typedef struct wasi_nn_reactor_result_t {
  uint32_t code;
  wasi_nn_answer_t answer;
} wasi_nn_reactor_result_t;

#ifdef __wasm__
#define WASI_NN_REACTOR_EXPORT(name) __attribute__((export_name(#name)))
typedef char wasi_nn_reactor_result_has_three_words[sizeof(wasi_nn_reactor_result_t) == 12 ? 1 : -1];
#else
#define WASI_NN_REACTOR_EXPORT(name)
#endif

#ifdef __cplusplus
extern "C" {
#endif
uint8_t *wasi_nn_alloc(size_t size);
const wasi_nn_reactor_result_t *wasi_nn_map(uint8_t *record, size_t size);
#ifdef __cplusplus
}
#endif

static inline uint8_t *wasi_nn_reactor_alloc(size_t size) {
  static uint8_t *buffer;
  free(buffer);
  buffer = (uint8_t *)malloc(size ? size : 1); /* `malloc(0)` may be NULL, which says that there is no memory */
  return buffer;
}

static inline const wasi_nn_reactor_result_t *wasi_nn_reactor_map(
    wasi_nn_answer_fn *function, uint8_t *record, size_t size) {
  static wasi_nn_reactor_result_t result;
  wasi_nn_answer_t answer = {NULL, 0};
  result.code = (uint32_t)function(record, size, &answer);
  result.answer = answer;
  return &result;
}

#endif /* WASI_NN_REACTOR_H */
