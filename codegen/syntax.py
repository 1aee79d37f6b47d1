"""The syntax tree of one witx file: what was written, with spans, before any name is looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.source import Source, Span


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier without its `$`, or an import or export string."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Builtin:
    """A scalar: `u8` … `f64`, `char`, `char8`, `usize`."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Reference:
    """A use of a declared type, `$name`."""

    name: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Bool:
    """`bool`."""

    span: Span


@dataclass(frozen=True, slots=True)
class String:
    """`string`."""

    span: Span


@dataclass(frozen=True, slots=True)
class Member:
    """A named part of a compound type; `type` is None for a bare name (enum case, flag, empty case)."""

    name: Name
    type: Type | None
    docs: str
    span: Span


@dataclass(frozen=True, slots=True)
class Enum:
    """`(enum …)`."""

    tag: Builtin | None
    cases: tuple[Member, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Flags:
    """`(flags …)`."""

    repr: Builtin | None
    flags: tuple[Member, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Record:
    """`(record …)`."""

    fields: tuple[Member, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Variant:
    """`(variant …)`; the tag is an enum's name or an integer."""

    tag: Type | None
    cases: tuple[Member, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class UnionMember:
    """One type of a union, with the docs that stand before it."""

    type: Type
    docs: str


@dataclass(frozen=True, slots=True)
class Union:
    """`(union …)`; its members get their names from the tag."""

    tag: Type | None
    members: tuple[UnionMember, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Tuple:
    """`(tuple …)`."""

    members: tuple[Type, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Expected:
    """`(expected OK? (error ERR?))`."""

    ok: Type | None
    err: Type | None
    span: Span


@dataclass(frozen=True, slots=True)
class List:
    """`(list T)`."""

    element: Type
    span: Span


@dataclass(frozen=True, slots=True)
class Handle:
    """`(handle)`."""

    span: Span


@dataclass(frozen=True, slots=True)
class Pointer:
    """`(@witx pointer T)` or `(@witx const_pointer T)`."""

    target: Type
    is_const: bool
    span: Span


Type = (
    Builtin
    | Reference
    | Bool
    | String
    | Enum
    | Flags
    | Record
    | Variant
    | Union
    | Tuple
    | Expected
    | List
    | Handle
    | Pointer
)


@dataclass(frozen=True, slots=True)
class Typename:
    """`(typename $name T)`."""

    name: Name
    type: Type
    docs: str


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter or result of a function."""

    name: Name
    type: Type
    docs: str


@dataclass(frozen=True, slots=True)
class Function:
    """`(@interface func (export "…") …)`."""

    name: Name
    params: tuple[Param, ...]
    results: tuple[Param, ...]
    noreturn: Span | None
    docs: str


@dataclass(frozen=True, slots=True)
class Import:
    """`(import "memory" (memory))`."""

    name: Name
    docs: str


@dataclass(frozen=True, slots=True)
class Module:
    """`(module $name …)`."""

    name: Name
    imports: tuple[Import, ...]
    functions: tuple[Function, ...]
    docs: str


@dataclass(frozen=True, slots=True)
class Constant:
    """`(@witx const $type $name VALUE)`."""

    type: Name
    name: Name
    value: int
    value_span: Span
    docs: str


@dataclass(frozen=True, slots=True)
class Use:
    """`(use "path")`."""

    path: Name


Declaration = Typename | Module | Constant | Use


@dataclass(frozen=True, slots=True)
class File:
    """One parsed witx file."""

    source: Source
    declarations: tuple[Declaration, ...]
