"""The Python target: the host's ABI tables, as plain data a host reads guests with.

Enums and flags, one `struct.Struct` and named tuple per record, and the core signature of each function.
"""

from __future__ import annotations

import json
import keyword
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from codegen import abi, model, naming
from codegen.layout import Layouts
from codegen.source import Diagnostic, WitxError, quoted
from codegen.targets import view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEYWORDS: Final = frozenset(map(str.lower, keyword.kwlist))
_CLASSES: Final = frozenset(keyword.kwlist) | frozenset(
    "Epoch Final Function IntEnum IntFlag NamedTuple Param Struct".split()
)
"""What a class must not be called: keywords, and the names the module says itself."""
_CODES: Final = {
    **dict(zip(("u8", "u16", "u32", "u64"), "BHIQ", strict=True)),
    **dict(zip(("s8", "s16", "s32", "s64"), "bhiq", strict=True)),
    **dict(zip(("f32", "f64", "char", "char8", "usize"), "fdIBI", strict=True)),
}
NO_EPOCHS: Final[Mapping[str, model.Document]] = MappingProxyType({})
_CLASS: Final = model.Enum | model.Flags | model.Record | model.List | model.Variant
"""What becomes a class."""
_C_TYPES: Final = {
    **dict(
        zip(
            "BHIQbhiq",
            ("uint8_t", "uint16_t", "uint32_t", "uint64_t", "int8_t", "int16_t", "int32_t", "int64_t"),
            strict=True,
        )
    ),
    "f": "float",
    "d": "double",
}
"""What each `struct` code is in C; a code that is none of them stands for bytes."""
_ROLE_SUFFIXES: Final = {"pointer": "_ptr", "length": "_len"}


@dataclass(frozen=True, slots=True)
class PyValue:
    """A member of an enum, or a constant."""

    docs: tuple[str, ...]
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class PyEnum:
    """A class of named integers; `base` is `IntEnum` or `IntFlag`."""

    docs: tuple[str, ...]
    name: str
    base: str
    values: tuple[PyValue, ...]


@dataclass(frozen=True, slots=True)
class PyStruct:
    """A packed structure; `fields` are those of its named tuple."""

    docs: tuple[str, ...]
    comment: str
    name: str
    constant: str
    format: str
    fields: tuple[str, ...]
    declaration: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PyFunction:
    """A function as literals: module, name, arguments of each `Param`, result types."""

    module: str
    name: str
    params: tuple[str, ...]
    results: str


@dataclass(frozen=True, slots=True)
class PyTable:
    """A name and what it stands for, both as literals."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class PyEpoch:
    """Another epoch or dialect of the interface, as literals."""

    name: str
    module: str
    values: tuple[PyTable, ...]
    structs: tuple[PyTable, ...]
    functions: tuple[PyTable, ...]


@dataclass(frozen=True, slots=True)
class PyView:
    """Everything the Python template prints."""

    banner: str
    enum_bases: str
    module: str
    enums: tuple[PyEnum, ...]
    structs: tuple[PyStruct, ...]
    constants: tuple[PyValue, ...]
    functions: tuple[PyFunction, ...]
    epochs: tuple[PyEpoch, ...]


def build(document: model.Document, epochs: Mapping[str, model.Document] = NO_EPOCHS) -> PyView:
    """Return the view of a document.

    Args:
        document: the interface.
        epochs: documents of the same interface in other epochs and dialects, by name.

    Raises:
        WitxError: names collide.
    """
    builder = _Builder(document)
    result = builder.view(tuple(_epoch(name, epoch) for name, epoch in epochs.items()))
    if builder.problems:
        raise WitxError(builder.problems)
    return result


def docstring(docs: str, indent: int) -> tuple[str, ...]:
    """Return the lines of a docstring; nothing in the text can end it."""
    lines = view.doc_lines(docs.replace("\\", "\\\\").replace('"""', '\\"\\"\\"'), indent + 6)
    if not lines:
        return ('"""From the witx text."""',)
    if len(lines) == 1:
        last = lines[0] + " " if lines[0].endswith('"') else lines[0]
        return (f'"""{last}"""',)
    return (f'"""{lines[0]}', *lines[1:], '"""')


def string_literal(text: str) -> str:
    """Return a string literal in ASCII."""
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'


class _Builder:
    """One module in the making."""

    def __init__(self, document: model.Document) -> None:
        self.document = document
        self.problems: list[Diagnostic] = []
        self.layouts = Layouts(document)
        self.names = naming.Scope("the Python module", self.problems)
        for taken in ("CDEF", "EPOCHS", "FUNCTIONS", "MODULE"):
            self.names.local(taken)

    def view(self, epochs: tuple[PyEpoch, ...]) -> PyView:
        modules = self.document.modules
        self._reserve()
        enums, structs = [], []
        for definition in self.document.types:
            if isinstance(definition.type, model.Enum | model.Flags):
                enums.append(self._enum(definition))
            elif isinstance(definition.type, model.Record | model.List | model.Variant):
                structs.append(self._struct(definition))
        return PyView(
            view.banner(self.document),
            ", ".join(sorted({enum.base for enum in enums} or {"IntEnum"})),
            string_literal(modules[0].name) if len(modules) == 1 else "",
            tuple(enums),
            tuple(structs),
            tuple(self._constant(constant) for constant in self.document.constants),
            tuple(self._function(f, module) for module in modules for f in module.functions),
            epochs,
        )

    def _reserve(self) -> None:
        """Take every name the witx text gives before one is made up, so that the made ones step aside."""
        for definition in self.document.types:
            if isinstance(definition.type, _CLASS):
                origin = f"type {quoted('$' + definition.name)}"
                self.names.claim(_class_name(definition), origin, definition.span)
        for constant in self.document.constants:
            origin = f"constant {quoted('$' + constant.name)}"
            self.names.claim(_constant_name(constant), origin, constant.span)

    def _enum(self, definition: model.TypeDef) -> PyEnum:
        name = _class_name(definition)
        scope = naming.Scope(f"class {quoted(name)}", self.problems)
        is_flags = isinstance(definition.type, model.Flags)
        cases = definition.type.flags if isinstance(definition.type, model.Flags) else ()
        cases = definition.type.cases if isinstance(definition.type, model.Enum) else cases
        values = []
        for index, case in enumerate(cases):
            member = naming.upper(case.name)
            scope.claim(member, f"value {quoted('$' + case.name)}", definition.span)
            values.append(
                PyValue(docstring(case.docs, 4), member, f"1 << {index}" if is_flags else str(index))
            )
        base = "IntFlag" if is_flags else "IntEnum"
        return PyEnum(docstring(definition.docs, 4), name, base, tuple(values))

    def _struct(self, definition: model.TypeDef) -> PyStruct:
        name = _class_name(definition)
        constant = self.names.local(naming.upper(definition.name))
        layout = self.layouts.of(definition.type)
        format_, fields = self.packed(definition.type)
        comment = f"`{definition.name}` in guest memory: size {layout.size}, align {layout.align}."
        declaration = (*self._members(definition.type, fields), f"}} guest_{constant.lower()};")
        return PyStruct(docstring(definition.docs, 4), comment, name, constant, format_, fields, declaration)

    def _members(self, type_: model.Type, names: tuple[str, ...]) -> Iterator[str]:
        """Yield the lines of a C structure up to its brace; every byte of padding is a member."""
        layout, end, gaps = self.layouts.of(type_), 0, 0
        yield "typedef struct {"
        for name, (_, code, offset, size) in zip(names, self._parts(type_), strict=True):
            if offset > end:
                yield f"  uint8_t _padding{gaps}[{offset - end}];"
                gaps += 1
            member = name
            while member in naming.C_KEYWORDS or (member != name and member in names):
                member += "_"
            yield f"  {_C_TYPES[code]} {member};" if code in _C_TYPES else f"  uint8_t {member}[{size}];"
            end = offset + size
        if layout.size > end:
            yield f"  uint8_t _padding{gaps}[{layout.size - end}];"

    def packed(self, type_: model.Type) -> tuple[str, tuple[str, ...]]:
        """Return a type's `struct` format and the names of what it unpacks to."""
        layout = self.layouts.of(type_)
        format_, end, fields = "<", 0, []
        scope = naming.Scope("the fields", self.problems)
        for field, code, offset, size in self._parts(type_):
            format_ += _pad(offset - end) + code
            # A named tuple takes no field with `_` in front; two paths may make one name.
            fields.append(scope.local(f"n{field}" if field.startswith("_") else field))
            end = offset + size
        return format_ + _pad(layout.size - end), tuple(fields)

    def _parts(self, type_: model.Type) -> Iterator[tuple[str, str, int, int]]:
        """Yield (field name, struct code, offset, size) of each part of a type, in order of offset."""
        layout = self.layouts.of(type_)
        match type_:
            case model.Record(fields=fields):
                for field, offset in zip(fields, layout.offsets, strict=True):
                    yield from self._scalars(field.type, naming.snake(field.name, _KEYWORDS), offset)
            case model.Variant(tag=tag):
                yield from self._scalars(model.Builtin(tag), "tag", 0)
                if layout.size > layout.payload_offset:
                    size = layout.size - layout.payload_offset
                    yield "payload", f"{size}s", layout.payload_offset, size
            case _:
                yield from self._scalars(type_, "", 0)

    def _scalars(self, type_: model.Type, name: str, offset: int) -> Iterator[tuple[str, str, int, int]]:
        """Yield the parts of a field. A record or variant in it is bytes, for that type's own structure."""
        resolved = model.underlying(type_)
        size = self.layouts.of(resolved).size
        match resolved:
            case model.List() | model.String():
                half = size // 2
                yield (f"{name}_ptr" if name else "ptr"), "I", offset, half
                yield (f"{name}_len" if name else "len"), "I", offset + half, half
            case model.Record() | model.Variant():
                yield name, f"{size}s", offset, size
            case model.Builtin(name=scalar) | model.Enum(tag=scalar) | model.Flags(repr=scalar):
                yield name, _CODES[scalar], offset, size
            case _:  # bool, handle, pointer
                yield name, "I", offset, size

    def _constant(self, constant: model.Constant) -> PyValue:
        return PyValue(docstring(constant.docs, 0), _constant_name(constant), str(constant.value))

    def _function(self, function: model.Function, module: model.Module) -> PyFunction:
        lowered = abi.lower(function)
        scope = naming.Scope(f"the parameters of {quoted(function.name)}", self.problems)
        for param in function.params:
            scope.claim(naming.snake(param.name, _KEYWORDS), f"parameter {quoted(param.name)}", param.span)
        params = tuple(self._param(core, scope) for core in lowered.params)
        results = f'("{lowered.result}",)' if lowered.result else "()"
        return PyFunction(string_literal(module.name), string_literal(function.name), params, results)

    def _param(self, core: abi.CoreParam, scope: naming.Scope) -> str:
        """Return the arguments of a `Param`; an address also tells the memory behind it."""
        if core.param is None:
            named = core.type.definition.name if isinstance(core.type, model.Named) else "ok"
            name = scope.local(naming.snake(named) + "_out")
        else:
            name = naming.snake(core.param.name, _KEYWORDS)
            if core.role in _ROLE_SUFFIXES:
                name = scope.local(name + _ROLE_SUFFIXES[core.role])
        if core.role not in {"address", "return_pointer"}:
            return f'"{name}", "{core.valtype}"'
        layout = self.layouts.of(core.type)
        return f'"{name}", "{core.valtype}", size={layout.size}, align={layout.align}'


def _class_name(definition: model.TypeDef) -> str:
    return naming.pascal(definition.name, _CLASSES)


def _constant_name(constant: model.Constant) -> str:
    return naming.upper("_".join((*naming.words(constant.type.name), *naming.words(constant.name))))


def _epoch(name: str, document: model.Document) -> PyEpoch:
    builder = _Builder(document)
    values: dict[str, dict[str, int]] = {}
    structs = []
    for definition in document.types:
        if isinstance(definition.type, model.Enum):
            values[definition.name] = {case.name: i for i, case in enumerate(definition.type.cases)}
        elif isinstance(definition.type, model.Record):
            format_, _ = builder.packed(definition.type)
            structs.append(PyTable(json.dumps(definition.name), f'Struct("{format_}")'))
    for constant in document.constants:
        values.setdefault(constant.type.name, {})[constant.name] = constant.value
    functions = [
        PyTable(json.dumps(function.name), json.dumps(" ".join(abi.lower(function).valtypes)))
        for module in document.modules
        for function in module.functions
    ]
    return PyEpoch(
        json.dumps(name),
        json.dumps(document.modules[0].name),
        tuple(PyTable(json.dumps(type_name), json.dumps(cases)) for type_name, cases in values.items()),
        tuple(structs),
        tuple(functions),
    )


def _pad(count: int) -> str:
    return f"{count}x" if count > 1 else "x" * count
