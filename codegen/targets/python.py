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
_CODES: Final = {
    **dict(zip(("u8", "u16", "u32", "u64"), "BHIQ", strict=True)),
    **dict(zip(("s8", "s16", "s32", "s64"), "bhiq", strict=True)),
    **dict(zip(("f32", "f64", "char", "char8", "usize"), "fdIBI", strict=True)),
}
NO_EPOCHS: Final[Mapping[str, model.Document]] = MappingProxyType({})
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


class _Builder:
    """One module in the making."""

    def __init__(self, document: model.Document) -> None:
        self.document = document
        self.problems: list[Diagnostic] = []
        self.layouts = Layouts(document)
        self.names = naming.Scope("the Python module", self.problems)
        for taken in ("Param", "Function", "MODULE", "FUNCTIONS", "Struct", "Final", "NamedTuple"):
            self.names.local(taken)
        for base in ("IntEnum", "IntFlag"):
            self.names.local(base)

    def view(self, epochs: tuple[PyEpoch, ...]) -> PyView:
        modules = self.document.modules
        enums, structs = [], []
        for definition in self.document.types:
            if isinstance(definition.type, model.Enum | model.Flags):
                enums.append(self._enum(definition))
            elif isinstance(definition.type, model.Record | model.List | model.Variant):
                structs.append(self._struct(definition))
        return PyView(
            view.banner(self.document),
            ", ".join(sorted({enum.base for enum in enums} or {"IntEnum"})),
            json.dumps(modules[0].name) if len(modules) == 1 else "",
            tuple(enums),
            tuple(structs),
            tuple(self._constant(constant) for constant in self.document.constants),
            tuple(self._function(f, module) for module in modules for f in module.functions),
            epochs,
        )

    def _enum(self, definition: model.TypeDef) -> PyEnum:
        name = self._claim(naming.pascal(definition.name), definition)
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
        name = self._claim(naming.pascal(definition.name), definition)
        constant = self._claim(naming.upper(definition.name), definition)
        layout = self.layouts.of(definition.type)
        scope = naming.Scope(f"class {quoted(name)}", self.problems)
        format_, fields = self.packed(definition.type)
        for field in fields:
            scope.claim(field, f"field {quoted(field)}", definition.span)
        comment = f"`{definition.name}` in guest memory: size {layout.size}, align {layout.align}."
        return PyStruct(docstring(definition.docs, 4), comment, name, constant, format_, fields)

    def packed(self, type_: model.Type) -> tuple[str, tuple[str, ...]]:
        """Return a type's `struct` format and the names of what it unpacks to."""
        layout = self.layouts.of(type_)
        format_, end, fields = "<", 0, []
        for field, code, offset, size in self._flat(type_, "", 0):
            format_ += _pad(offset - end) + code
            fields.append(field)
            end = offset + size
        return format_ + _pad(layout.size - end), tuple(fields)

    def _flat(self, type_: model.Type, path: str, base: int) -> Iterator[tuple[str, str, int, int]]:
        """Yield (field name, struct code, offset, size) of every scalar in a type, in order of offset."""
        resolved = model.underlying(type_)
        layout = self.layouts.of(resolved)
        name = path or "value"
        match resolved:
            case model.List() | model.String():
                half = layout.size // 2
                yield (f"{path}_ptr" if path else "ptr"), "I", base, half
                yield (f"{path}_len" if path else "len"), "I", base + half, half
            case model.Record(fields=fields):
                for field, offset in zip(fields, layout.offsets, strict=True):
                    member = naming.snake(field.name, _KEYWORDS)
                    yield from self._flat(field.type, f"{path}_{member}" if path else member, base + offset)
            case model.Variant(tag=tag):
                tag_layout = self.layouts.of(model.Builtin(tag))
                yield (f"{path}_tag" if path else "tag"), _CODES[tag], base, tag_layout.size
                size = layout.size - layout.payload_offset
                payload = f"{path}_payload" if path else "payload"
                yield payload, f"{size}s", base + layout.payload_offset, size
            case model.Builtin(name=scalar) | model.Enum(tag=scalar) | model.Flags(repr=scalar):
                yield name, _CODES[scalar], base, layout.size
            case _:  # bool, handle, pointer
                yield name, "I", base, layout.size

    def _constant(self, constant: model.Constant) -> PyValue:
        name = naming.upper(f"{constant.type.name}_{constant.name}")
        self.names.claim(name, f"constant {quoted('$' + constant.name)}", constant.span)
        return PyValue(docstring(constant.docs, 0), name, str(constant.value))

    def _function(self, function: model.Function, module: model.Module) -> PyFunction:
        lowered = abi.lower(function)
        scope = naming.Scope(f"the parameters of {quoted(function.name)}", self.problems)
        for param in function.params:
            scope.claim(naming.snake(param.name, _KEYWORDS), f"parameter {quoted(param.name)}", param.span)
        params = tuple(self._param(core, scope) for core in lowered.params)
        results = f'("{lowered.result}",)' if lowered.result else "()"
        return PyFunction(json.dumps(module.name), json.dumps(function.name), params, results)

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

    def _claim(self, identifier: str, definition: model.TypeDef) -> str:
        return self.names.claim(identifier, f"type {quoted('$' + definition.name)}", definition.span)


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
