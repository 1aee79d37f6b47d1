"""A model to what the C template prints: ready strings, with all that comes from the model neutralised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codegen.bindings.text import overview, port_line, registered
from codegen.targets.c_text import comment
from codegen.targets.view import banner_line

if TYPE_CHECKING:
    from codegen.bindings.model import Model, Port

_TYPES: Final = {
    "f16": "uint16_t",
    "f32": "float",
    "f64": "double",
    "u8": "uint8_t",
    "i32": "int32_t",
    "i64": "int64_t",
}
_PLAIN: Final = frozenset(map(chr, range(0x20, 0x7F))) - set('"\\?')


@dataclass(frozen=True, slots=True)
class CDimension:
    """One dimension: its place and the expression for its length."""

    index: int
    length: str


@dataclass(frozen=True, slots=True)
class CPort:
    """One port.

    `macro` starts its constants. `shape` is an initialiser, empty when not fixed or of rank 0; `rank` is
    empty when not fixed. `count` and `size` are empty when not fixed. `dimensions` are for one of several
    shapes. `parameters` of its function begin with a comma.
    """

    docs: tuple[str, ...]
    access_docs: tuple[str, ...]
    buffer_docs: tuple[str, ...]
    macro: str
    index: int
    name: str
    type: str
    element: str
    constructor: str
    rank: str
    shape: str
    count: str
    size: str
    buffer: str
    function: str
    parameters: str
    dimensions: tuple[CDimension, ...]
    is_input: bool
    is_fixed: bool
    is_shapeless: bool
    has_buffer: bool


@dataclass(frozen=True, slots=True)
class CView:
    """Everything the C template prints."""

    banner: str
    guard: str
    docs: tuple[str, ...]
    sha256_docs: tuple[str, ...]
    macro: str
    prefix: str
    sha256: str
    encoding: str
    hashes: tuple[str, ...]
    file_parameters: tuple[str, ...]
    paths: tuple[str, ...]
    parts: str
    is_loadable: bool
    inputs: int
    outputs: int
    ports: tuple[CPort, ...]


def build(model: Model) -> CView:
    """Return the view of a model's header."""
    files = [part.file for part in model.parts]
    names = ["model_path", "weights_path"][: len(files)]
    return CView(
        banner_line(model.files, model.sha256).replace("*/", "* /"),
        f"{model.name.upper()}_H",
        comment(overview(model)),
        comment(registered(model)),
        model.name.upper(),
        model.name,
        model.sha256,
        model.encoding,
        tuple(part.sha256 for part in model.parts),
        tuple(f"const char *{name}" for name, file in zip(names, files, strict=True) if file),
        tuple(name if file else "NULL" for name, file in zip(names, files, strict=True)),
        str(len(model.parts)),
        bool(model.parts),
        len(model.inputs),
        len(model.outputs),
        tuple(_port(model, port) for port in model.ports),
    )


def _port(model: Model, port: Port) -> CPort:
    macro = f"{model.name}_{port.kind}_{port.identifier}".upper()
    is_input = port.kind == "input"
    where = port_line(port)
    verb = "set" if is_input else "get"
    lengths = [f"dim_{n}" if n in port.dynamic else str(length) for n, length in enumerate(port.shape or ())]
    return CPort(
        comment(where[0].upper() + where[1:]),
        comment(_access_docs(port, where), tuple(_parameter_docs(port))),
        comment(f"Room for {port.kind} {port.index}; each source file that includes this has its own."),
        macro,
        port.index,
        literal(port.name),
        port.type.upper(),
        _TYPES[port.type],
        f"wasi_nn_tensor_{port.type}",
        "" if port.shape is None else str(len(port.shape)),
        ", ".join(f"UINT32_C({length})" for length in lengths) if not port.dynamic else "",
        "" if port.count is None else str(port.count),
        "" if port.count is None else str(port.count * port.element_size),
        f"{model.name}_{port.kind}_{port.identifier}",
        f"{model.name}_{verb}_{port.identifier}",
        "".join(f", {parameter}" for parameter in _parameters(port)),
        tuple(CDimension(n, length) for n, length in enumerate(lengths)) if port.dynamic else (),
        is_input,
        port.count is not None,
        port.shape is None,
        bool(port.count),
    )


def _parameters(port: Port) -> list[str]:
    element = _TYPES[port.type]
    if port.kind == "output":
        more = [] if port.count is not None else ["size_t capacity", "size_t *count_out"]
        return [f"{element} *data_out", *more]
    shape = ["const uint32_t *dimensions", "size_t rank"] if port.shape is None else []
    shape += [f"uint32_t dim_{n}" for n in port.dynamic]
    return [*shape, f"const {element} *data", *([] if port.count is not None else ["size_t count"])]


def _access_docs(port: Port, where: str) -> str:
    if port.kind == "output":
        fixed = " An output of another size is `invalid_argument`." if port.count is not None else ""
        return f"Copy {where}{fixed}"
    note = "dimensions and data stay" if port.shape is None else "the data stays"
    return (
        f"Bind {where}\n\nUntil `compute` has returned {note} as is, and the input is not bound in another "
        "context: some hosts read it only then."
    )


def _parameter_docs(port: Port) -> list[str]:
    if port.count is not None:
        return []
    if port.kind == "output":
        return ["@param capacity How many elements fit there.", "@param count_out How many there are."]
    dims = [f"@param dim_{n} The length of dimension {n}: {(port.shape or ())[n]}." for n in port.dynamic]
    return [*dims, "@param count How many elements `data` has: the product of the dimensions."]


def literal(text: str) -> str:
    """Return a C string literal of the text's UTF-8."""
    parts = (character if character in _PLAIN else _octal(character) for character in text)
    return f'"{"".join(parts)}"'


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "backslashreplace"))
