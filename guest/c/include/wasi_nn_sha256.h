/**
 * wasi_nn_sha256.h: SHA-256, and loading a model only when its bytes are the expected ones. The headers that
 * `wasinn-gen model` writes use it; it stands on its own as well.
 *
 * The rules of wasi_nn.h hold here too. A hash tells a mistake (another version of the model, a damaged file);
 * it keeps nobody out who can replace the guest.
 */
#ifndef WASI_NN_SHA256_H
#define WASI_NN_SHA256_H

#include "wasi_nn.h"

/**
 * Compute the SHA-256 (FIPS 180-4) of bytes.
 *
 * @param data The bytes; may be NULL when there are none.
 * @param size How many.
 * @param digest_out The hash: 32 bytes, in the order in which it is written in hex.
 */
static inline void wasi_nn_sha256(const uint8_t *data, size_t size, uint8_t digest_out[32]);

/** Return whether bytes have the SHA-256 that a string says in 64 lower-case hexadecimal digits; NULL says none. */
static inline int wasi_nn_sha256_is(const uint8_t *data, size_t size, const char *hex);

/**
 * Load a graph from bytes, when they are the expected ones: `wasi_nn_load` behind a comparison of hashes.
 *
 * @param parts The parts of the model.
 * @param sha256 The SHA-256 that each part must have: 64 lower-case hexadecimal digits.
 * @param count How many parts.
 * @param encoding The format of the parts.
 * @param target The kind of device to execute on.
 * @param graph_out The graph's handle. Undefined on error.
 * @param other_out The first part that has another hash: then the error is `invalid_argument` and the host was
 *        not asked. `count` when all have theirs: then the error is the host's.
 * @return 0 on success, else the error.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_load_expected(
    const wasi_nn_graph_builder_t *parts,
    const char *const *sha256,
    size_t count,
    wasi_nn_graph_encoding_t encoding,
    wasi_nn_execution_target_t target,
    wasi_nn_graph_t *graph_out,
    size_t *other_out);

/**
 * Load a graph from files the guest may open, when they are the expected ones. As `wasi_nn_load_file_malloc`, but:
 *
 * @param paths The model's files; NULL for a part that is empty and has no file.
 * @param sha256 The SHA-256 that each must have, as above.
 * @param count How many; one or two.
 * @param encoding The format of the model.
 * @param target The kind of device to execute on.
 * @param graph_out The graph's handle. Undefined on error.
 * @param file_error_out Names the file that could not be read, with a `code`, or that has another hash, with the
 *        `code` 0 (a part without a file that is not to be empty: `path` is ""); else its `path` is NULL: then the error
 *        is the host's. NULL when the caller does not want to know.
 * @return 0 on success; `invalid_argument` for another hash or more files; else as `wasi_nn_load_file_malloc`.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_load_expected_file_malloc(
    const char *const *paths,
    const char *const *sha256,
    size_t count,
    wasi_nn_graph_encoding_t encoding,
    wasi_nn_execution_target_t target,
    wasi_nn_graph_t *graph_out,
    wasi_nn_file_error_t *file_error_out);

/* ==== Implementation: nothing below here is needed to use the header ================================ */

static inline uint32_t wasi_nn_sha256_turn(uint32_t word, unsigned bits) {
  return word >> bits | word << (32 - bits);
}

static inline void wasi_nn_sha256_block(uint32_t state[8], const uint8_t *block) {
  static const uint32_t k[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  uint32_t w[64], v[8], t1, t2;
  int i;
  for (i = 0; i < 16; i++, block += 4) {
    w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
  }
  for (; i < 64; i++) {
    t1 = wasi_nn_sha256_turn(w[i - 15], 7) ^ wasi_nn_sha256_turn(w[i - 15], 18) ^ w[i - 15] >> 3;
    t2 = wasi_nn_sha256_turn(w[i - 2], 17) ^ wasi_nn_sha256_turn(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + t1 + w[i - 7] + t2;
  }
  memcpy(v, state, sizeof v);
  for (i = 0; i < 64; i++) {
    t1 = wasi_nn_sha256_turn(v[4], 6) ^ wasi_nn_sha256_turn(v[4], 11) ^ wasi_nn_sha256_turn(v[4], 25);
    t1 += v[7] + (v[6] ^ (v[4] & (v[5] ^ v[6]))) + k[i] + w[i];
    t2 = wasi_nn_sha256_turn(v[0], 2) ^ wasi_nn_sha256_turn(v[0], 13) ^ wasi_nn_sha256_turn(v[0], 22);
    t2 += (v[0] & v[1]) | (v[2] & (v[0] | v[1]));
    memmove(&v[1], &v[0], 7 * sizeof v[0]);
    v[4] += t1;
    v[0] = t1 + t2;
  }
  for (i = 0; i < 8; i++) state[i] += v[i];
}

static inline void wasi_nn_sha256(const uint8_t *data, size_t size, uint8_t digest_out[32]) {
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const uint64_t bits = (uint64_t)size * 8;
  uint8_t last[128] = {0};
  const size_t rest = size % 64;
  const size_t last_size = rest < 56 ? 64 : 128;
  size_t at;
  for (at = 0; at < size - rest; at += 64) wasi_nn_sha256_block(state, data + at);
  if (rest) memcpy(last, data + at, rest);
  last[rest] = 0x80;
  for (at = 0; at < 8; at++) last[last_size - 1 - at] = (uint8_t)(bits >> 8 * at);
  for (at = 0; at < last_size; at += 64) wasi_nn_sha256_block(state, last + at);
  for (at = 0; at < 32; at++) digest_out[at] = (uint8_t)(state[at / 4] >> (24 - at % 4 * 8));
}

static inline int wasi_nn_sha256_is(const uint8_t *data, size_t size, const char *hex) {
  uint8_t digest[32];
  size_t i;
  if (!hex) return 0;
  wasi_nn_sha256(data, size, digest);
  for (i = 0; i < 2 * sizeof digest; i++) {
    /* A shorter string ends the loop at its NUL. */
    if (hex[i] != "0123456789abcdef"[i % 2 ? digest[i / 2] & 15 : digest[i / 2] >> 4]) return 0;
  }
  return hex[i] == 0;
}

static inline wasi_nn_errno_t wasi_nn_load_expected(
    const wasi_nn_graph_builder_t *parts,
    const char *const *sha256,
    size_t count,
    wasi_nn_graph_encoding_t encoding,
    wasi_nn_execution_target_t target,
    wasi_nn_graph_t *graph_out,
    size_t *other_out) {
  size_t i = 0;
  if (!parts || !sha256 || !graph_out || !other_out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  while (i < count && (parts[i].ptr || !parts[i].len) && wasi_nn_sha256_is(parts[i].ptr, parts[i].len, sha256[i])) i++;
  *other_out = i;
  if (i < count) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  return wasi_nn_load(parts, count, encoding, target, graph_out);
}

static inline wasi_nn_errno_t wasi_nn_load_expected_file_malloc(
    const char *const *paths,
    const char *const *sha256,
    size_t count,
    wasi_nn_graph_encoding_t encoding,
    wasi_nn_execution_target_t target,
    wasi_nn_graph_t *graph_out,
    wasi_nn_file_error_t *file_error_out) {
  uint8_t *data[2] = {NULL, NULL};
  wasi_nn_graph_builder_t parts[2];
  wasi_nn_file_error_t file_error = {NULL, 0};
  wasi_nn_errno_t error = WASI_NN_ERRNO_INVALID_ARGUMENT;
  size_t other = count, i;
  if (file_error_out) *file_error_out = file_error;
  if (!paths || !sha256 || !graph_out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  for (i = 0; i < count && count <= 2 && !file_error.path; i++) {
    parts[i].len = 0;
    if (paths[i]) {
      file_error.code = wasi_nn_read_file_malloc(paths[i], WASI_NN_MODEL_FILE_MAX, &data[i], &parts[i].len);
      if (file_error.code) file_error.path = paths[i];
    }
    parts[i].ptr = data[i];
  }
  if (file_error.code == EFBIG || file_error.code == ENOMEM) {
    error = WASI_NN_ERRNO_TOO_LARGE;
  } else if (!file_error.path && count <= 2) {
    error = wasi_nn_load_expected(parts, sha256, count, encoding, target, graph_out, &other);
    if (other < count) file_error.path = paths[other] ? paths[other] : "";
  }
  free(data[0]);
  free(data[1]);
  if (file_error_out) *file_error_out = file_error;
  return error;
}

#endif /* WASI_NN_SHA256_H */
