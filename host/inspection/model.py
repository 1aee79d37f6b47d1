"""What can be told of a model without running it: what it takes and gives, its operations, its files.

The facts are data, ready for JSON; nothing here prints. The model is the operator's: it is read by OpenVINO
in this process, as `run --graph` does, and may not have data outside of its own folder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.parsers.expat import ExpatError

from host.dialects import ELEMENT_BYTES
from host.errors import NnError
from host.formats import Format
from host.inspection.ir_layouts import Layouts, ir_layouts
from host.inspection.op_counts import op_counts
from host.models.files import RegistrationError, checked_format, files_of, find_model, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.backends import Describer, Port

ANY: Final = "?"
"""A dimension of any length, in a shape."""


class ModelError(Exception):
    """A model that nothing can be told of; the message is one line."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of the model's."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PortFacts:
    """One input or output.

    `shape` has a number, `?` or a range such as `1..8` for each dimension, and is None when their number is
    not fixed. `type` is the backend's name; `tensor_type` is its number in wasi-nn, None when it has none.
    `bytes` is None when the size is not fixed. `layout`, such as `[N,C,H,W]`, says what the axes stand for,
    and is None where the model does not.
    """

    index: int
    name: str
    shape: tuple[int | str, ...] | None
    type: str
    tensor_type: int | None
    bytes: int | None
    layout: str | None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is told of a model; `ops` maps types to counts, None when they could not be counted."""

    file: str
    kind: str
    format: str
    files: tuple[FileFacts, ...]
    inputs: tuple[PortFacts, ...]
    outputs: tuple[PortFacts, ...]
    ops_count: int | None
    ops: dict[str, int] | None


def inspect(path: Path, backend: Callable[[], Describer]) -> ModelFacts:
    """Return the facts of the model in the file or folder `path`; ModelError when there are none."""
    try:
        model = find_model(path)
        data = model.read_bytes()
        format_ = checked_format(model, data)
        files = tuple(_file(part) for part in files_of(model))
        found = backend().describe(model)
    except RegistrationError as error:
        raise ModelError(str(error)) from error
    except NnError as error:
        raise ModelError(f"model `{path}`: {error.reason}") from error
    except OSError as error:
        raise ModelError(f"cannot read `{error.filename or path}`: {error.strerror}") from error
    ops = op_counts(data, format_)
    layouts = _layouts(data, format_)
    return ModelFacts(
        file=str(model),
        kind="model",
        format=format_.value,
        files=files,
        inputs=_ports(found.inputs, found.input_names, layouts.inputs),
        outputs=_ports(found.outputs, found.output_names, layouts.outputs),
        ops_count=None if ops is None else sum(ops.values()),
        ops=ops,
    )


def _file(path: Path) -> FileFacts:
    return FileFacts(str(path), path.stat().st_size, sha256_of(path))


def _layouts(data: bytes, format_: Format) -> Layouts:
    try:
        return ir_layouts(data) if format_ is Format.OPENVINO else Layouts((), ())
    except ExpatError:  # OpenVINO's parser is not as strict
        return Layouts((), ())


def _ports(
    ports: tuple[Port, ...], names: tuple[str, ...], layouts: tuple[str | None, ...]
) -> tuple[PortFacts, ...]:
    if len(layouts) != len(ports):  # of a model that OpenVINO has changed, or that has none
        layouts = (None,) * len(ports)
    return tuple(
        PortFacts(
            index,
            name,
            _shape(port),
            port.type_name,
            None if port.type is None else int(port.type),
            _size(port),
            layout,
        )
        for index, (port, name, layout) in enumerate(zip(ports, names, layouts, strict=True))
    )


def _shape(port: Port) -> tuple[int | str, ...] | None:
    if port.dimensions is None:
        return None
    return tuple(
        each.low if each.low == each.high else ANY if (each.low, each.high) == (0, None) else str(each)
        for each in port.dimensions
    )


def _size(port: Port) -> int | None:
    element = ELEMENT_BYTES.get(port.type_name)
    if port.dimensions is None or element is None or any(each.low != each.high for each in port.dimensions):
        return None
    return math.prod(each.low for each in port.dimensions) * element
