"""A model to what the Rust template prints: ready strings, with all that comes from the model neutralised.

Lines are broken as rustfmt does it by default; only names far longer than usual make it want another break.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codegen.bindings.text import overview, port_line, registered
from codegen.targets import rust_text
from codegen.targets.view import banner_line

if TYPE_CHECKING:
    from codegen.bindings.model import Model, Port

_TYPES: Final = {"f16": "F16", "f32": "f32", "f64": "f64", "u8": "u8", "i32": "i32", "i64": "i64"}
_ZEROS: Final = {"f16": "F16::from_bits(0)", "f32": "0.0", "f64": "0.0", "u8": "0", "i32": "0", "i64": "0"}
_LINE: Final = 100
"""Characters of a line, as rustfmt has it by default."""
_LIST: Final = 60
"""Characters that rustfmt leaves the elements of a list, or the arguments of a call, on one line."""


@dataclass(frozen=True, slots=True)
class RustPort:
    """One port.

    `macro` starts its constants. `shape` is the type and value of its constant, empty when not fixed. `count`
    and `size` are empty when not fixed. `shaper` is a function for one of several shapes, `lines` of code.
    """

    docs: tuple[str, ...]
    access_docs: tuple[str, ...]
    macro: str
    index: int
    name: str
    type: str
    element: str
    zero: str
    shape: tuple[str, ...]
    shaper: tuple[str, ...]
    count: str
    size: str
    field: str
    signature: tuple[str, ...]
    body: tuple[str, ...]
    is_fixed: bool
    has_buffer: bool


@dataclass(frozen=True, slots=True)
class RustView:
    """Everything the Rust template prints."""

    banner: str
    docs: tuple[str, ...]
    uses: tuple[str, ...]
    sha256_docs: tuple[str, ...]
    sha256: str
    encoding: str
    hashes: tuple[str, ...]
    part_docs: tuple[str, ...]
    parts: int
    is_loadable: bool
    has_buffers: bool
    ports: tuple[RustPort, ...]


def build(model: Model) -> RustView:
    """Return the view of a model's module."""
    empty = [n for n, part in enumerate(model.parts) if not part.file]
    names = ", ".join(f"`{part.file}`" for part in model.parts if part.file)
    parts = f"Loads the model from the bytes of its parts: {names}"
    parts += "; part 1 is empty, `&[]`." if empty else "."
    return RustView(
        banner_line(model.files, model.sha256),
        rust_text.comment(overview(model), sign="//!"),
        _use(_uses(model)),
        rust_text.comment(registered(model)),
        model.sha256,
        model.encoding,
        tuple(part.sha256 for part in model.parts),
        rust_text.comment(parts),
        len(model.parts),
        bool(model.parts),
        any(port.count for port in model.ports),
        tuple(_port(port) for port in model.ports),
    )


def _uses(model: Model) -> list[str]:
    used = {"GraphEncoding"}
    used |= {"TensorType", "Error", "ExecutionContext"} if model.ports else set()
    used |= {"Error", "ExecutionTarget", "Graph", "GraphBuilder"} if model.parts else set()
    used |= {"Tensor"} if model.inputs else set()
    # rustfmt takes it for a constant, and those come last.
    return [*sorted(used), *["F16"] * any(port.type == "f16" for port in model.ports)]


def _use(names: list[str]) -> tuple[str, ...]:
    joined = ", ".join(names)
    line = f"use wasinn::{{{joined}}};"
    if len(line) <= _LINE:
        return (line,)
    inner = textwrap.wrap(f"{joined},", _LINE, initial_indent="    ", subsequent_indent="    ")
    return ("use wasinn::{", *inner, "};")


def _port(port: Port) -> RustPort:
    macro = f"{port.kind}_{port.identifier}".upper()
    element = _TYPES[port.type]
    where = port_line(port)
    lengths = [
        f"dim_{n}" if n in port.dynamic else rust_text.integer(int(length))
        for n, length in enumerate(port.shape or ())
    ]
    shape = f"[u32; {len(lengths)}]"
    is_fixed = port.count is not None
    return RustPort(
        rust_text.comment(where[0].upper() + where[1:]),
        rust_text.comment(_access_docs(port, where)),
        macro,
        port.index,
        rust_text.string_literal(port.name),
        port.type.upper(),
        element,
        _ZEROS[port.type],
        _list(f"pub const {macro}_SHAPE: {shape} = [", lengths, "];") if is_fixed else (),
        _shaper(port, lengths, shape) if port.dynamic else (),
        "" if port.count is None else rust_text.integer(port.count),
        "" if port.count is None else rust_text.integer(port.count * port.element_size),
        f"{port.kind}_{port.identifier}",
        _signature(port, macro, element, shape),
        _body(port, macro),
        is_fixed,
        bool(port.count),
    )


def _shaper(port: Port, lengths: list[str], shape: str) -> tuple[str, ...]:
    dims = [f"dim_{n}: u32" for n in port.dynamic]
    head = _call(f"pub const fn {port.kind}_{port.identifier}_shape(", dims, f") -> {shape} {{")
    docs = ", ".join(f"{n} ({(port.shape or ())[n]})" for n in port.dynamic)
    docs = f"A shape of {port.kind} {port.index}, of the lengths of its dimensions {docs}."
    body = (f"    {line}" for line in _list("[", lengths, "]"))
    return (*rust_text.comment(docs), "#[must_use]", *head, *body, "}")


def _signature(port: Port, macro: str, element: str, shape: str) -> tuple[str, ...]:
    context = "context: &mut ExecutionContext" if port.kind == "input" else "context: &ExecutionContext"
    array = f"[{element}; {macro}_COUNT]" if port.count is not None else f"[{element}]"
    result = "Result<(), Error>"
    parameters = [context, f"data: &mut {array}"]
    if port.kind == "output":
        result = "Result<(), Error>" if port.count is not None else "Result<usize, Error>"
    else:
        shapes = [] if port.count is not None else [f"shape: &{'[u32]' if port.shape is None else shape}"]
        parameters = [context, *shapes, f"data: &{array}"]
    verb = "set" if port.kind == "input" else "get"
    return _call(f"pub fn {verb}_{port.identifier}(", parameters, f") -> {result} {{")


def _body(port: Port, macro: str) -> tuple[str, ...]:
    if port.kind == "input":
        shape = f"&{macro}_SHAPE" if port.count is not None else "shape"
        return _call(f"context.set_input({macro}_INDEX, Tensor::new(", [shape, "data"], ")?)", 4)
    get = f"context.get_output_into({macro}_INDEX, data)"
    if port.count is None:
        return (f"    {get}",)
    return (
        f"    let count = {get}?;",
        f"    if count != {macro}_COUNT {{",
        "        return Err(Error::Shape {",
        f"            expected: Some({macro}_COUNT),",
        "            found: count,",
        "        });",
        "    }",
        "    Ok(())",
    )


def _access_docs(port: Port, where: str) -> str:
    errors = "\n\n# Errors\n\nWhat the host answers"
    if port.kind == "input":
        other = "" if port.count is not None else ", and `Error::Shape` when data and shape do not fit"
        shape = "Shape and data" if port.count is None else "The data"
        return f"Binds {where} {shape} must stay as is until `compute` has returned.{errors}{other}."
    if port.count is None:
        return f"Copies {where} Returns how many elements it has.{errors}."
    return f"Copies {where}{errors}; `Error::Shape` when the output has another size."


def _list(start: str, items: list[str], end: str) -> tuple[str, ...]:
    joined = ", ".join(items)
    if len(joined) <= _LIST and len(start + joined + end) <= _LINE - 4:
        return (f"{start}{joined}{end}",)
    return (start, *textwrap.wrap(f"{joined},", _LINE, initial_indent="    ", subsequent_indent="    "), end)


def _call(start: str, items: list[str], end: str, indent: int = 0) -> tuple[str, ...]:
    line = " " * indent + start + ", ".join(items) + end
    if len(line) <= _LINE:
        return (line,)
    margin = " " * indent
    return (margin + start, *(f"{margin}    {item}," for item in items), margin + end)
