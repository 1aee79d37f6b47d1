"""Whether Wasmtime's functions and structures are those in `host.wasmtime_cdef`, by the word of its package.

That is in private modules of the package, which nothing else uses; to import them takes 60 ms.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

from host.wasmtime_ffi import ffi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from host.wasmtime_c import CData

_STRUCTURES: Final = (
    "wasm_byte_vec_t",
    "wasm_frame_vec_t",
    "wasm_valtype_vec_t",
    "wasm_importtype_vec_t",
    "wasm_exporttype_vec_t",
    "wasmtime_memory_t",
    "wasmtime_func_t",
    "wasmtime_instance_t",
)
"""Those whose members have to lie where they do here."""

_EXTERN_KINDS: Final = "WASM_EXTERN_"
"""Numbers that the package counts from 1, other than C does."""


def difference(lib: CData) -> str:
    """Return what of `lib` is not as declared: `structures`, `functions` or `numbers`; `""` for nothing."""
    from wasmtime import _bindings, _ffi  # noqa: PLC0415 - private: see above

    names = dir(lib)
    functions = [name for name in names if not name.isupper()]
    numbers = [name for name in names if name.isupper() and not name.startswith(_EXTERN_KINDS)]
    try:
        if not _are_structures(_ffi):
            return "structures"
        if not all(_is_function(getattr(lib, name), getattr(_bindings, f"_{name}")) for name in functions):
            return "functions"
        if not all(getattr(lib, name) == _number(name, _ffi, _bindings) for name in numbers):
            return "numbers"
    except AttributeError:
        return "structures, functions or numbers"
    return ""


def _are_structures(theirs: ModuleType) -> bool:
    extern = theirs.wasmtime_extern_t
    return (
        ctypes.sizeof(theirs.wasmtime_val_raw_t) == ffi.sizeof("wasmtime_val_raw_t")
        and ctypes.sizeof(extern) == ffi.sizeof("wasmtime_extern_t")
        and extern.of.offset == ffi.offsetof("wasmtime_extern_t", "of")
        and all(
            list(_our_members(ffi.typeof(name))) == list(_their_members(getattr(theirs, name)))
            for name in _STRUCTURES
        )
    )


def _is_function(ours: CData, theirs: Any) -> bool:  # noqa: ANN401 - a function of ctypes'
    """Return whether they take as many values, as large ones, and give as large a one."""
    declared = ffi.typeof(ours)
    result = 0 if declared.result.kind == "void" else ffi.sizeof(declared.result)
    return [*map(ffi.sizeof, declared.args), result] == [
        *map(ctypes.sizeof, theirs.argtypes),
        0 if theirs.restype is None else ctypes.sizeof(theirs.restype),
    ]


def _number(name: str, module: ModuleType, bindings: ModuleType) -> int:
    found = getattr(module, name, None)
    return int((bindings.wasmtime_trap_code_enum[name] if found is None else found).value)


def _our_members(structure: Any, start: int = 0) -> Iterator[tuple[int, int]]:  # noqa: ANN401 - a type of cffi's
    """Yield where the members are that are no structures themselves, and their sizes: names are private."""
    for _, field in structure.fields:
        if field.type.kind == "struct":
            yield from _our_members(field.type, start + field.offset)
        else:
            yield start + field.offset, ffi.sizeof(field.type)


def _their_members(structure: Any, start: int = 0) -> Iterator[tuple[int, int]]:  # noqa: ANN401 - a class of ctypes'
    for name, kind, *_ in structure._fields_:
        at = start + getattr(structure, name).offset
        if issubclass(kind, ctypes.Structure):
            yield from _their_members(kind, at)
        else:
            yield at, ctypes.sizeof(kind)
