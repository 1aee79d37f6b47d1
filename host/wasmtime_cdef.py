"""The part of Wasmtime's C API that the host calls; loads no library.

`python -m host.ffi_modules` makes the module `wasmtime_ffi` of it.
"""

from __future__ import annotations

from typing import Final

from host import abi

_CALLS: Final = """
typedef struct wasm_trap_t wasm_trap_t;
typedef struct wasmtime_caller wasmtime_caller_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef union { uint32_t u32; uint64_t u64; uint8_t bytes[16]; } wasmtime_val_raw_t;
typedef struct { struct { uint64_t store_id; uint32_t a; }; uint32_t b; } wasmtime_memory_t;
typedef struct { uint64_t store_id; void *of; } wasmtime_func_t;
typedef struct { uint8_t kind; union { wasmtime_memory_t memory; void *other[3]; } of; } wasmtime_extern_t;
typedef wasm_trap_t *(*function_t)(void *, wasmtime_caller_t *, wasmtime_val_raw_t *values, size_t count);

void wasmtime_config_memory_may_move_set(void *config, bool);
wasmtime_error_t *wasmtime_linker_define_func_unchecked(
  void *linker, const char *module, size_t module_length, const char *name, size_t name_length,
  const void *type, function_t function, void *environment, void *finalizer);
void wasmtime_error_delete(wasmtime_error_t *);
wasm_trap_t *wasmtime_trap_new(const char *message, size_t length);
void wasm_trap_delete(wasm_trap_t *);
bool wasmtime_caller_export_get(
  wasmtime_caller_t *, const char *name, size_t length, wasmtime_extern_t *found);
wasmtime_context_t *wasmtime_caller_context(wasmtime_caller_t *);
uint8_t *wasmtime_memory_data(const wasmtime_context_t *, const wasmtime_memory_t *);
size_t wasmtime_memory_data_size(const wasmtime_context_t *, const wasmtime_memory_t *);

wasmtime_context_t *wasmtime_store_context(void *store);
wasmtime_error_t *wasmtime_func_call_unchecked(
  wasmtime_context_t *, const wasmtime_func_t *, wasmtime_val_raw_t *values, size_t count, wasm_trap_t **);
"""

CDEF: Final = _CALLS + abi.CDEF
"""With the structures in guest memory, which are read where they lie."""
