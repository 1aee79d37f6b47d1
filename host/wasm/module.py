"""Read what a WebAssembly core module says of itself: imports, exports, memories, custom sections.

It validates nothing beyond what it reads, and never compiles: a binary that passes here may still be refused
by wasmtime. Components are in `host.wasm.component`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from host.wasm.header import HEADER_BYTES, WasmError, signature
from host.wasm.reader import Reader, Section, custom

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_BITS: Final = 16
"""A page of memory has 64 KiB, unless its memory says otherwise."""


DATA: Final = "data"
"""What the section of data segments is called here."""


class _Id(IntEnum):
    """Sections."""

    CUSTOM = 0
    TYPE = 1
    IMPORT = 2
    FUNCTION = 3
    TABLE = 4
    MEMORY = 5
    GLOBAL = 6
    EXPORT = 7
    START = 8
    ELEMENT = 9
    CODE = 10
    DATA = 11
    DATA_COUNT = 12
    TAG = 13


class _Form(IntEnum):
    """How an entry of the type section starts."""

    FUNCTION = 0x60
    STRUCT = 0x5F
    ARRAY = 0x5E
    SUB = 0x50
    SUB_FINAL = 0x4F
    GROUP = 0x4E


_KINDS: Final = ("function", "table", "memory", "global", "tag")
"""What is imported and exported, by its number."""

_VALUES: Final = {
    0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128", 0x78: "i8", 0x77: "i16",
    0x70: "funcref", 0x6F: "externref", 0x6E: "anyref", 0x6D: "eqref", 0x6C: "i31ref", 0x6B: "structref",
    0x6A: "arrayref", 0x69: "exnref", 0x71: "nullref", 0x72: "nullexternref", 0x73: "nullfuncref",
    0x74: "nullexnref",
}  # fmt: skip
_REFERENCES: Final = {0x63: "ref null", 0x64: "ref"}
_HEAP_TYPE_BITS: Final = 33
_MOST_VALUES: Final = 1000
"""How many parameters or results a function may have: what engines allow."""

_SHOWN_VALUES: Final = 32
"""How many of them its type names: a type is told anew for each import that has it, and those are many."""

_HAS_MAXIMUM, _IS_SHARED, _IS_64, _HAS_PAGE_SIZE = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Import:
    """One import; `type` is a signature such as `(i32, i32) -> i32`, or else what it is: `memory`, ...

    Of very many parameters or results the signature names the first and has the number of the rest.
    """

    module: str
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Export:
    """One export; `type` is as that of an import."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The size of a memory in pages of `page_bytes`; `high` is None when it has no maximum."""

    low: int
    high: int | None
    is_shared: bool
    is_64: bool
    page_bytes: int


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory, where it is from and the names it is exported under."""

    limits: Limits
    is_imported: bool
    exported_as: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Core:
    """A core module; `sections` are the custom ones and that of the data segments."""

    imports: tuple[Import, ...]
    exports: tuple[Export, ...]
    memories: tuple[Memory, ...]
    sections: tuple[Section, ...]


@dataclass(slots=True)
class _Found:
    """What has been read so far; functions are types by index, exports (name, kind, index)."""

    types: list[str] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    memories: list[tuple[Limits, bool]] = field(default_factory=list)
    exports: list[tuple[str, str, int]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)


def read_core(code: bytes) -> Core:
    """Return what the core module `code` says of itself; WasmError with the place when it is malformed."""
    found = _Found()
    for number, body in Reader(memoryview(code), HEADER_BYTES).sections():
        if number not in set(_Id):
            raise body.fail(f"a section of the unknown kind {number}")
        if _section(_Id(number), body, found) and body.at != body.end:
            raise body.fail(f"{body.end - body.at} bytes too many in the {_Id(number).name.lower()} section")
    return Core(
        tuple(found.imports),
        tuple(_export(found, *export) for export in found.exports),
        tuple(_memories(found)),
        tuple(found.sections),
    )


def _section(number: _Id, body: Reader, found: _Found) -> bool:
    """Read a section into `found`; return whether it was one that is read to its end."""
    match number:
        case _Id.CUSTOM:
            found.sections.append(custom(body))
            return False
        case _Id.DATA:
            found.sections.append(Section(DATA, body.at, body.code[body.at : body.end]))
            return False
        case _Id.TYPE:
            for _ in body.items():
                found.types += _types(body)
        case _Id.IMPORT:
            for _ in body.items():
                _import(body, found)
        case _Id.FUNCTION:
            found.functions += [_function(body, found.types) for _ in body.items()]
        case _Id.MEMORY:
            found.memories += [(_limits(body), False) for _ in body.items()]
        case _Id.EXPORT:
            found.exports += [(body.name(), _kind(body), body.unsigned()) for _ in body.items()]
        case _:
            return False
    return True


def _export(found: _Found, name: str, kind: str, index: int) -> Export:
    if kind != "function":
        return Export(name, kind)
    if index >= len(found.functions):
        raise WasmError(f"the export `{name}` is function {index} of {len(found.functions)}")
    return Export(name, found.functions[index])


def _memories(found: _Found) -> Iterator[Memory]:
    names: dict[int, list[str]] = {}
    for name, kind, index in found.exports:
        if kind == "memory":
            names.setdefault(index, []).append(name)
    for number, (limits, is_imported) in enumerate(found.memories):
        yield Memory(limits, is_imported, tuple(names.get(number, ())))


def _limits(body: Reader) -> Limits:
    flags = body.byte()
    if flags >= 2 * _HAS_PAGE_SIZE:
        raise body.fail(f"limits with the unknown flags {flags:#x}", body.at - 1)
    bits = 64 if flags & _IS_64 else 32
    low = body.unsigned(bits)
    high = body.unsigned(bits) if flags & _HAS_MAXIMUM else None
    page_bits = body.unsigned() if flags & _HAS_PAGE_SIZE else PAGE_BITS
    if page_bits > PAGE_BITS:
        raise body.fail(f"memory pages of 2^{page_bits} bytes")
    return Limits(low, high, bool(flags & _IS_SHARED), bool(flags & _IS_64), 1 << page_bits)


def _import(body: Reader, found: _Found) -> None:
    module, name, kind = body.name(), body.name(), _kind(body)
    type_ = kind
    match kind:
        case "function":
            type_ = _function(body, found.types)
            found.functions.append(type_)
        case "table":
            _value(body)
            _limits(body)
        case "memory":
            found.memories.append((_limits(body), True))
        case "global":
            _value(body)
            body.byte()  # whether it is mutable
        case _:
            body.byte()  # what a tag is for: exceptions, as yet
            _function(body, found.types)
    found.imports.append(Import(module, name, type_))


def _kind(body: Reader) -> str:
    number = body.byte()
    if number >= len(_KINDS):
        raise body.fail(f"an import or export of the unknown kind {number}", body.at - 1)
    return _KINDS[number]


def _function(body: Reader, types: list[str]) -> str:
    start = body.at
    index = body.unsigned()
    if index >= len(types):
        raise body.fail(f"type {index} of {len(types)}", start)
    return types[index]


def _types(body: Reader) -> list[str]:
    """Return the types of one entry of the type section: one, or those of a recursive group."""
    form = body.byte()
    if form == _Form.GROUP:
        return [_type(body, body.byte()) for _ in body.items()]
    return [_type(body, form)]


def _type(body: Reader, form: int) -> str:
    if form in {_Form.SUB, _Form.SUB_FINAL}:
        for _ in body.items():
            body.unsigned()  # its supertypes
        form = body.byte()
    match form:
        case _Form.FUNCTION:
            return signature(_values(body), _values(body))
        case _Form.STRUCT:
            for _ in body.items():
                _value(body)
                body.byte()  # whether it is mutable
            return "struct"
        case _Form.ARRAY:
            _value(body)
            body.byte()
            return "array"
        case _:
            raise body.fail(f"a type of the unknown form {form:#x}", body.at - 1)


def _values(body: Reader) -> list[str]:
    """Return the types of parameters or results; those that are too many to name are one, `980 more`."""
    start = body.at
    shown = []
    count = 0
    for count, _ in enumerate(body.items(), 1):
        if count > _MOST_VALUES:
            raise body.fail(f"a function of more than {_MOST_VALUES} parameters or results", start)
        value = _value(body)
        if count <= _SHOWN_VALUES:
            shown.append(value)
    return [*shown, f"{count - _SHOWN_VALUES} more"] if count > _SHOWN_VALUES else shown


def _value(body: Reader) -> str:
    code = body.byte()
    if code in _REFERENCES:
        return f"({_REFERENCES[code]} {body.unsigned(_HEAP_TYPE_BITS)})"
    if code not in _VALUES:
        raise body.fail(f"the unknown value type {code:#x}", body.at - 1)
    return _VALUES[code]
