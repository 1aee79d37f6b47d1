"""The docs target: a Markdown reference with layout tables, signatures and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from codegen import abi, model
from codegen.layout import Layouts
from codegen.targets import view

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class DocRow:
    """One row of a table; `cells` are ready to stand between bars."""

    cells: str


@dataclass(frozen=True, slots=True)
class DocTable:
    """A table: its heading cells, the rule below them, and rows."""

    heading: str
    rule: str
    rows: tuple[DocRow, ...]


@dataclass(frozen=True, slots=True)
class DocType:
    """A named type."""

    heading: str
    anchor: str
    docs: tuple[str, ...]
    facts: str
    tables: tuple[DocTable, ...]


@dataclass(frozen=True, slots=True)
class DocFunction:
    """A function: witx-like signature, parameters, core signature."""

    name: str
    docs: tuple[str, ...]
    signature: str
    core: str
    tables: tuple[DocTable, ...]
    result: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocModule:
    """A module and its functions."""

    name: str
    docs: tuple[str, ...]
    functions: tuple[DocFunction, ...]


@dataclass(frozen=True, slots=True)
class DocView:
    """Everything the Markdown template prints."""

    banner: str
    title: str
    modules: tuple[DocModule, ...]
    types: tuple[DocType, ...]
    constants: tuple[DocTable, ...]


def build(document: model.Document) -> DocView:
    """Return the view of a document; any legal document can be described."""
    layouts = Layouts(document)
    return DocView(
        view.banner(document),
        ", ".join(module.name for module in document.modules) or "Types",
        tuple(_module(module, layouts) for module in document.modules),
        tuple(_definition(definition, layouts) for definition in document.types),
        _constants(document),
    )


def text(docs: str) -> str:
    """Return doc text as Markdown on one line: what would be a tag or a table bar is escaped outside code."""
    parts = " ".join(docs.split()).split("`")
    parts[::2] = [_escaped(part) for part in parts[::2]]
    if len(parts) % 2 == 0:  # the last tick opens nothing
        parts[-1] = _escaped(parts[-1])
    return "`".join(parts)


def _escaped(part: str) -> str:
    return part.replace("<", "&lt;").replace("|", "\\|")


def spelled(type_: model.Type) -> str:  # noqa: C901, PLR0911 (one branch per type)
    """Return a type as a person writes it; a named type is a link to its section."""
    match type_:
        case model.Named(definition):
            return f"[{_code(definition.name)}](#{_anchor(definition.name)})"
        case model.Builtin(name):
            return _code(name)
        case model.Bool():
            return _code("bool")
        case model.String():
            return _code("string")
        case model.Handle():
            return "handle"
        case model.List(element):
            return f"list of {spelled(element)}"
        case model.Pointer(target, is_const):
            return f"{'const ' if is_const else ''}pointer to {spelled(target)}"
        case model.Enum():
            return "enum"
        case model.Flags():
            return "flags"
        case model.Record(fields, is_tuple):
            return f"tuple of ({', '.join(spelled(f.type) for f in fields)})" if is_tuple else "record"
        case model.Variant(cases=cases, form="expected"):
            ok, err = (None if case.type is None else spelled(case.type) for case in cases)
            return f"{ok or 'nothing'}, or error {err or 'without a value'}"
        case model.Variant(form=form):
            return form
    assert_never(type_)


def _module(module: model.Module, layouts: Layouts) -> DocModule:
    functions = tuple(_function(function, layouts) for function in module.functions)
    return DocModule(module.name, _paragraphs(module.docs), functions)


def _function(function: model.Function, layouts: Layouts) -> DocFunction:
    lowered = abi.lower(function)
    params = ", ".join(param.name for param in function.params)
    core = f"({' '.join(lowered.valtypes)}) -> {lowered.result or 'nothing'}"
    outs = [core_param for core_param in lowered.params if core_param.param is None]
    result: list[str] = []
    if function.noreturn:
        result.append("It does not return.")
    elif function.result is not None:
        result.append(f"Result: {spelled(function.result.type)}. {text(function.result.docs)}".strip())
    for out in outs:
        layout = layouts.of(out.type)
        result.append(
            f"On success the value is written through a trailing pointer: {layout.size} bytes, "
            f"aligned to {layout.align}; on error it is undefined."
        )
    tables: tuple[DocTable, ...] = ()
    if function.params:
        rows = ((_code(p.name), spelled(p.type), text(p.docs)) for p in function.params)
        tables = (_table(("parameter", "type", "meaning"), rows),)
    return DocFunction(
        function.name,
        _paragraphs(function.docs),
        _code(f"{function.name}({params})"),
        _code(core),
        tables,
        tuple(result),
    )


def _definition(definition: model.TypeDef, layouts: Layouts) -> DocType:
    type_ = definition.type
    layout = layouts.of(type_)
    facts = f"{_upper_first(spelled(type_))}, size {layout.size}, align {layout.align}"
    tables: tuple[DocTable, ...] = ()
    match type_:
        case model.Enum(tag, cases):
            facts += f", stored as {_code(tag)}"
            rows = ((str(value), _code(case.name), text(case.docs)) for value, case in enumerate(cases))
            tables = (_table(("value", "name", "meaning"), rows),)
        case model.Flags(repr_, flags):
            facts += f", stored as {_code(repr_)}"
            rows = ((str(bit), _code(flag.name), text(flag.docs)) for bit, flag in enumerate(flags))
            tables = (_table(("bit", "name", "meaning"), rows),)
        case model.Record(fields):
            rows4 = (
                (str(offset), _code(f.name), spelled(f.type), text(f.docs))
                for f, offset in zip(fields, layout.offsets, strict=True)
            )
            tables = (_table(("offset", "field", "type", "meaning"), rows4),)
        case model.Variant(tag, _, cases):
            facts += f", tag {_code(tag)} at 0, payload at {layout.payload_offset}"
            rows4 = (
                (str(value), _code(c.name), "" if c.type is None else spelled(c.type), text(c.docs))
                for value, c in enumerate(cases)
            )
            tables = (_table(("tag", "case", "type", "meaning"), rows4),)
    return DocType(
        _code(definition.name), _anchor(definition.name), _paragraphs(definition.docs), facts + ".", tables
    )


def _constants(document: model.Document) -> tuple[DocTable, ...]:
    if not document.constants:
        return ()
    rows = ((_code(c.type.name), _code(c.name), str(c.value), text(c.docs)) for c in document.constants)
    return (_table(("type", "constant", "value", "meaning"), rows),)


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> DocTable:
    return DocTable(
        _cells(heading), _cells(("---",) * len(heading)), tuple(DocRow(_cells(row)) for row in rows)
    )


def _cells(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _paragraphs(docs: str) -> tuple[str, ...]:
    return tuple(text(paragraph) for paragraph in docs.strip("\n").split("\n\n") if paragraph.strip())


def _code(name: str) -> str:
    """Return a code span on one line, in more backticks than the name has in a row."""
    name = "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in name)
    ticks = "`"
    while ticks in name:
        ticks += "`"
    pad = " " if name.startswith("`") or name.endswith("`") else ""
    return f"{ticks}{pad}{name.replace('|', chr(92) + '|')}{pad}{ticks}"


def _anchor(name: str) -> str:
    return "type-" + "".join(c if c.isalnum() or c in "-_" else f"{ord(c):x}" for c in name)


def _upper_first(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
