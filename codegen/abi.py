"""Lowering of functions to core wasm signatures.

It knows no target language; every target uses this one lowering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from codegen import model

ValType = Literal["i32", "i64", "f32", "f64"]
Role = Literal["value", "pointer", "length", "address", "return_pointer"]


@dataclass(frozen=True, slots=True)
class CoreParam:
    """One core parameter.

    `role` says what the number means: the value itself, a list's `pointer` or `length` (in elements; bytes
    for a string), the `address` of a value the caller keeps in memory, or a `return_pointer`, aligned and
    sized for `type`, that the callee writes through on success.
    `param` is the witx parameter it comes from; None for a return pointer.
    """

    role: Role
    valtype: ValType
    type: model.Type
    param: model.Param | None


@dataclass(frozen=True, slots=True)
class Lowered:
    """A core wasm signature: parameters in order, then at most one result."""

    params: tuple[CoreParam, ...]
    result: ValType | None

    @property
    def valtypes(self) -> tuple[ValType, ...]:
        """The core parameter types alone."""
        return tuple(param.valtype for param in self.params)


def lower(function: model.Function) -> Lowered:
    """Return the core signature of a function (witx ABI: import side)."""
    params = [core for param in function.params for core in _lower_param(param)]
    if function.result is None:
        return Lowered(tuple(params), None)
    result = model.underlying(function.result.type)
    if not isinstance(result, model.Enum | model.Variant):
        return Lowered(tuple(params), valtype(result))
    tag: ValType = "i64" if result.tag == "u64" else "i32"
    members = ok_members(result)
    params += [CoreParam("return_pointer", "i32", member, None) for member in members]
    return Lowered(tuple(params), tag)


def ok_members(expected: model.Enum | model.Variant) -> tuple[model.Type, ...]:
    """Return the types an expected-shaped result writes through return pointers: one per tuple member."""
    ok = expected.cases[0].type
    if ok is None:
        return ()
    resolved = model.underlying(ok)
    if isinstance(resolved, model.Record) and resolved.is_tuple:
        return tuple(field.type for field in resolved.fields)
    return (ok,)


def valtype(type_: model.Type) -> ValType:
    """Return the core type that carries a scalar, or the address of what is kept in memory."""
    resolved = model.underlying(type_)
    match resolved:
        case model.Builtin("u64" | "s64") | model.Flags(repr="u64"):
            return "i64"
        case model.Builtin("f32"):
            return "f32"
        case model.Builtin("f64"):
            return "f64"
        case _:
            return "i32"


def _lower_param(param: model.Param) -> tuple[CoreParam, ...]:
    resolved = model.underlying(param.type)
    match resolved:
        case model.List() | model.String():
            return (
                CoreParam("pointer", "i32", param.type, param),
                CoreParam("length", "i32", param.type, param),
            )
        case model.Record() | model.Variant():
            return (CoreParam("address", "i32", param.type, param),)
        case model.Builtin() | model.Bool() | model.Handle() | model.Enum() | model.Flags() | model.Pointer():
            return (CoreParam("value", valtype(resolved), param.type, param),)
        case model.Named():  # `underlying` returns no name
            raise AssertionError
    assert_never(resolved)
