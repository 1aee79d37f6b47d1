"""What the templates of a new project see, from its name and its model; ready strings all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codegen.bindings.model import least_lengths

if TYPE_CHECKING:
    from codegen.bindings.model import Model, Port

_OUTPUT_ROOM: Final = 4096
"""Elements of an output whose size is not fixed that a new guest has room for."""
_SHOWN: Final = 5
"""Elements of an output that a new guest prints."""

_C_ELEMENTS: Final = {
    "f16": ("uint16_t", "0x%04x"),
    "f32": ("float", "%g"),
    "f64": ("double", "%g"),
    "u8": ("uint8_t", "%d"),
    "i32": ("int32_t", "%d"),
    "i64": ("int64_t", "%lld"),
}
_C_HALVES: Final = "static const uint16_t halves[] = {0, 0x3c00, 0x4000}; /* 0, 1 and 2 as f16 */"
_F16: Final = "wasinn::F16::from_bits"
_RUST_VALUES: Final = {
    "f16": (f"{_F16}(0)", f"{_F16}(0x3c00)", f"{_F16}(0x4000)"),
    "f32": ("0.0", "1.0", "2.0"),
    "f64": ("0.0", "1.0", "2.0"),
}
_RUST_INTEGERS: Final = ("0", "1", "2")


@dataclass(frozen=True, slots=True)
class GuestPort:
    """One port: the expressions for its buffer, for how many elements that has, and for the call.

    `is_half` is an input whose elements C has no type for, but only their bits.
    """

    label: str
    declarations: tuple[str, ...]
    buffer: str
    count: str
    call: str
    element: str = ""
    format: str = ""
    values: str = ""
    is_half: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """One file of the model, and the variable that holds its bytes."""

    path: str
    variable: str


@dataclass(frozen=True, slots=True)
class CGuest:
    """What the main file in C or C++ sees."""

    files: str
    declarations: tuple[str, ...]
    inputs: tuple[GuestPort, ...]
    outputs: tuple[GuestPort, ...]
    has_ports: bool


@dataclass(frozen=True, slots=True)
class RustGuest:
    """What the main file in Rust sees."""

    files: tuple[File, ...]
    parts: str
    has_buffers: bool
    inputs: tuple[GuestPort, ...]
    outputs: tuple[GuestPort, ...]


def c_guest(model: Model) -> CGuest:
    """Return the view of a guest in C or C++; the model's parts are in the folder `model`."""
    inputs, outputs = (tuple(map(_c_port, ports)) for ports in (model.inputs, model.outputs))
    halves = (_C_HALVES,) if any(port.is_half for port in inputs) else ()
    return CGuest(
        ", ".join(f'"model/{part.file}"' for part in model.parts if part.file),
        halves + tuple(line for port in inputs + outputs for line in port.declarations),
        inputs,
        outputs,
        bool(model.ports),
    )


def _c_port(port: Port) -> GuestPort:
    element, format_ = _C_ELEMENTS[port.type]
    name = f"{port.kind}_{port.identifier}"
    is_input = port.kind == "input"
    is_half = is_input and port.type == "f16"
    if port.count:
        count = f"MODEL_{name.upper()}_COUNT"
        call = f"model_{'set' if is_input else 'get'}_{port.identifier}(context, model_{name})"
        return GuestPort(port.identifier, (), f"model_{name}", count, call, element, format_, is_half=is_half)
    if is_input:
        # A C array has at least one element, also where the tensor has none.
        lines = [f"static {element} {name}[{max(_elements(port), 1)}];"]
        shape = [str(length) for length in _dynamic_lengths(port)]
        if port.shape is None:
            lines.append(f"static const uint32_t {name}_dimensions[] = {{1}};")
            shape = [f"{name}_dimensions", "1"]
        more = [] if port.count == 0 else [str(_elements(port))]
        call = f"model_set_{port.identifier}({', '.join(['context', *shape, name, *more])})"
        return GuestPort(
            port.identifier, tuple(lines), name, str(_elements(port)), call, element, format_, is_half=is_half
        )
    lines = [f"static {element} {name}[{_OUTPUT_ROOM}];"]
    if port.count == 0:
        return GuestPort(
            port.identifier, tuple(lines), name, "0", f"model_get_{port.identifier}(context, {name})"
        )
    lines.append(f"size_t {name}_count = 0;")
    call = f"model_get_{port.identifier}(context, {name}, {_OUTPUT_ROOM}, &{name}_count)"
    return GuestPort(port.identifier, tuple(lines), name, f"{name}_count", call, element, format_)


def rust_guest(model: Model) -> RustGuest:
    """Return the view of a guest in Rust; the model's parts are in the folder `model`."""
    variables = [f"part_{n}" if part.file else "" for n, part in enumerate(model.parts)]
    return RustGuest(
        tuple(
            File(f"model/{part.file}", variable)
            for part, variable in zip(model.parts, variables, strict=True)
            if part.file
        ),
        ", ".join(f"&{variable}" if variable else "&[]" for variable in variables),
        any(port.count for port in model.ports),
        tuple(map(_rust_input, model.inputs)),
        tuple(map(_rust_output, model.outputs)),
    )


def _rust_input(port: Port) -> GuestPort:
    zero, *_ = values = _RUST_VALUES.get(port.type, _RUST_INTEGERS)
    name = f"input_{port.identifier}"
    declarations: tuple[str, ...] = ()
    buffer, arguments = name, f"&{name}"
    if port.count:
        buffer, arguments = f"buffers.{name}", f"&buffers.{name}"
    elif port.count == 0:
        declarations = (f"let mut {name} = [{zero}; model::{name.upper()}_COUNT];",)
    else:
        declarations = (f"let mut {name} = vec![{zero}; {_elements(port)}];",)
        lengths = ", ".join(map(str, _dynamic_lengths(port)))
        shape = "&[1]" if port.shape is None else f"&model::{name}_shape({lengths})"
        arguments = f"{shape}, &{name}"
    call = f"model::set_{port.identifier}(&mut context, {arguments})"
    return GuestPort(port.identifier, declarations, buffer, "", call, values=", ".join(values))


def _rust_output(port: Port) -> GuestPort:
    zero = _RUST_VALUES.get(port.type, _RUST_INTEGERS)[0]
    name = f"output_{port.identifier}"
    get = f"model::get_{port.identifier}(&context, &mut"
    if port.count:
        return GuestPort(
            port.identifier, (), f"buffers.{name}", str(min(port.count, _SHOWN)), f"{get} buffers.{name})"
        )
    if port.count == 0:
        declared = f"let mut {name} = [{zero}; model::{name.upper()}_COUNT];"
        return GuestPort(port.identifier, (declared,), name, "0", f"{get} {name})")
    declared = f"let mut {name} = vec![{zero}; {_OUTPUT_ROOM}];"
    call = f"let {name}_count = {get} {name})"
    return GuestPort(port.identifier, (declared,), name, f"{name}_count.min({_SHOWN})", call)


def _dynamic_lengths(port: Port) -> list[int]:
    lengths = least_lengths(port.shape or ())
    return [lengths[n] for n in port.dynamic]


def _elements(port: Port) -> int:
    return math.prod(least_lengths(port.shape or ()))
