"""The types of what a module imports and exports, as text, made of Wasmtime's own and the other way."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from host.wasm.header import signature
from host.wasmtime_c import CData, bytes_of, ffi, library, owned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def exports(module: CData) -> dict[str, str]:
    """Return the type of each export of a `wasmtime_module_t *` by its name."""
    lib = library()
    found = ffi.new("wasm_exporttype_vec_t *")
    lib.wasmtime_module_exports(module, found)
    try:
        return {
            _text(lib.wasm_exporttype_name(each)): type_of(lib.wasm_exporttype_type(each))
            for each in _items(found)
        }
    finally:
        lib.wasm_exporttype_vec_delete(found)


def imports(module: CData) -> list[tuple[str, str, str]]:
    """Return module, name and type of each import of a `wasmtime_module_t *`."""
    lib = library()
    found = ffi.new("wasm_importtype_vec_t *")
    lib.wasmtime_module_imports(module, found)
    try:
        return [
            (
                _text(lib.wasm_importtype_module(each)),
                _text(lib.wasm_importtype_name(each)),
                type_of(lib.wasm_importtype_type(each)),
            )
            for each in _items(found)
        ]
    finally:
        lib.wasm_importtype_vec_delete(found)


def type_of(extern: CData) -> str:
    """Return a `wasm_externtype_t *` as `host.wasm.module.Import` has it."""
    lib = library()
    kind = lib.wasm_externtype_kind(extern)
    if kind != lib.WASM_EXTERN_FUNC:
        return _externs().get(kind, "unknown")
    function = lib.wasm_externtype_as_functype_const(extern)
    return signature(
        _values(lib.wasm_functype_params(function)), _values(lib.wasm_functype_results(function))
    )


def function_type(params: Iterable[str], results: Iterable[str]) -> CData:
    """Return the `wasm_functype_t *` of a function."""
    lib = library()
    return owned(lib.wasm_functype_new(_vector(params), _vector(results)), lib.wasm_functype_delete)


def _vector(names: Iterable[str]) -> CData:
    """Return a vector of value types; what is in it goes to the function type that is made of it."""
    lib = library()
    made = [lib.wasm_valtype_new(_numbers()[name]) for name in names]
    vector = ffi.new("wasm_valtype_vec_t *")
    lib.wasm_valtype_vec_new(vector, len(made), ffi.new("wasm_valtype_t *[]", made))
    return vector


def _values(vector: CData) -> list[str]:
    lib = library()
    return [_value_types().get(lib.wasm_valtype_kind(each), "reference") for each in _items(vector)]


@cache
def _numbers() -> Mapping[str, int]:
    lib = library()
    return MappingProxyType(
        {
            "i32": lib.WASM_I32,
            "i64": lib.WASM_I64,
            "f32": lib.WASM_F32,
            "f64": lib.WASM_F64,
            "externref": lib.WASM_ANYREF,
            "funcref": lib.WASM_FUNCREF,
        }
    )


@cache
def _value_types() -> Mapping[int, str]:
    return MappingProxyType({number: name for name, number in _numbers().items()})


@cache
def _externs() -> Mapping[int, str]:
    lib = library()
    return MappingProxyType(
        {
            lib.WASM_EXTERN_GLOBAL: "global",
            lib.WASM_EXTERN_TABLE: "table",
            lib.WASM_EXTERN_MEMORY: "memory",
            lib.WASM_EXTERN_TAG: "tag",
        }
    )


def _items(vector: CData) -> Iterator[CData]:
    return (vector.data[index] for index in range(vector.size))


def _text(name: CData) -> str:
    return bytes_of(name).decode(errors="replace")
