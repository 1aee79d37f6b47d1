/**
 * wasi_nn_extensions.h: the calls that only some hosts add to WASI-NN, as `wasi_nn.h` has the others: a named model
 * with settings, and the release of graphs and contexts.
 *
 * A guest that makes one of these calls imports it and does not start on a host without it. One that includes this
 * header and makes none imports nothing more. The calls themselves (`wasi_nn_load_by_name_with_config`,
 * `wasi_nn_unload`, `wasi_nn_finalize_execution_context`) are documented in the generated headers included here.
 *
 * Ownership: a graph may be released once its contexts are; hosts differ in what becomes of those. A handle that was
 * released is dead, in every copy of it.
 */
#ifndef WASI_NN_EXTENSIONS_H
#define WASI_NN_EXTENSIONS_H

#include "wasi_ephemeral_nn_config.h"
#include "wasi_ephemeral_nn_finalize.h"
#include "wasi_ephemeral_nn_unload.h"
#include "wasi_nn.h"

/**
 * Load the graph registered under a name with settings: `wasi_nn_load_by_name_with_config` for C strings.
 *
 * @param name The name, UTF-8, ended by a NUL. It is never a path.
 * @param config The settings, ended by a NUL: a JSON object whose keys the host defines.
 * @param graph_out The graph's handle. Undefined on error.
 * @return 0 on success, else the error; `invalid_argument` for a NULL.
 */
WASI_NN_MUST_CHECK
static inline wasi_nn_errno_t wasi_nn_load_named_with_config(
    const char *name, const char *config, wasi_nn_graph_t *graph_out);

/* ==== Implementation: nothing below here is needed to use the header ================================ */

static inline wasi_nn_errno_t wasi_nn_load_named_with_config(
    const char *name, const char *config, wasi_nn_graph_t *graph_out) {
  if (!name || !config || !graph_out) return WASI_NN_ERRNO_INVALID_ARGUMENT;
  return wasi_nn_load_by_name_with_config(name, strlen(name), config, strlen(config), graph_out);
}

#endif /* WASI_NN_EXTENSIONS_H */
