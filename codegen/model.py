"""The resolved document: every name bound, every rule of the language checked, nothing laid out yet.

Frozen data only. A type that is used by name appears as `Named`, so a target can spell the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from codegen.source import Source, Span

IntName = Literal["u8", "u16", "u32", "u64"]


@dataclass(frozen=True, slots=True)
class Builtin:
    """A scalar: `u8` … `f64`, `char` (a Unicode scalar value), `char8`, `usize`."""

    name: str


@dataclass(frozen=True, slots=True)
class Bool:
    """`bool`: 0 or 1; in memory a 4-byte tag."""


@dataclass(frozen=True, slots=True)
class String:
    """`string`, and `(list char)`: UTF-8 bytes as pointer and length."""


@dataclass(frozen=True, slots=True)
class Handle:
    """An opaque 32-bit handle."""


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A use of a declared type."""

    definition: TypeDef


@dataclass(frozen=True, slots=True)
class Case:
    """A named value of an enum or flags type, or a case of a variant with its payload."""

    name: str
    docs: str
    type: Type | None = None


@dataclass(frozen=True, slots=True)
class Enum:
    """Cases without payload; a case's value is its index."""

    tag: IntName
    cases: tuple[Case, ...]

    @property
    def is_expected(self) -> bool:
        """Whether the cases are exactly `ok` and `err`, the shape a function may return."""
        return _is_expected(self.cases)


@dataclass(frozen=True, slots=True)
class Flags:
    """A bit set; flag i is bit i of `repr`."""

    repr: IntName
    flags: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record; those of a tuple are named `f0`, `f1` and so on."""

    name: str
    type: Type
    docs: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record or a tuple: laid out as a C struct."""

    fields: tuple[Field, ...]
    is_tuple: bool = False


@dataclass(frozen=True, slots=True)
class Variant:
    """A tagged union; a case's tag value is its index, after re-ordering to `tag_enum` if there is one."""

    tag: IntName
    tag_enum: TypeDef | None
    cases: tuple[Case, ...]
    form: Literal["variant", "union", "expected"]

    @property
    def is_expected(self) -> bool:
        """Whether the cases are exactly `ok` and `err`, the shape a function may return."""
        return _is_expected(self.cases)


@dataclass(frozen=True, slots=True)
class List:
    """Pointer and count of elements."""

    element: Type


@dataclass(frozen=True, slots=True)
class Pointer:
    """An address in guest memory."""

    target: Type
    is_const: bool


Type = Builtin | Bool | String | Handle | Named | Enum | Flags | Record | Variant | List | Pointer


@dataclass(frozen=True, slots=True, eq=False)
class TypeDef:
    """A `typename`. Compared by identity."""

    name: str
    type: Type
    docs: str
    span: Span


@dataclass(frozen=True, slots=True)
class Constant:
    """A named value of an integer type."""

    type: TypeDef
    name: str
    value: int
    docs: str
    span: Span


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter or result of a function."""

    name: str
    type: Type
    docs: str
    span: Span


@dataclass(frozen=True, slots=True)
class Function:
    """An exported function of a module."""

    name: str
    params: tuple[Param, ...]
    result: Param | None
    noreturn: bool
    docs: str
    span: Span


@dataclass(frozen=True, slots=True)
class Module:
    """A module: what it imports from the guest (its memory) and what it offers."""

    name: str
    imports: tuple[str, ...]
    functions: tuple[Function, ...]
    docs: str
    span: Span


@dataclass(frozen=True, slots=True)
class Document:
    """A whole interface, in order of definition.

    `sources` are all files read, in order of reading; `roots` those that were named, not `use`d.
    """

    types: tuple[TypeDef, ...]
    modules: tuple[Module, ...]
    constants: tuple[Constant, ...]
    sources: tuple[Source, ...]
    roots: tuple[Source, ...]


def underlying(type_: Type) -> Type:
    """Follow names to what they stand for; the result is never `Named`."""
    while isinstance(type_, Named):
        type_ = type_.definition.type
    return type_


def _is_expected(cases: tuple[Case, ...]) -> bool:
    return tuple(case.name for case in cases) == ("ok", "err")
