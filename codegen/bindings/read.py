"""A model file to a `Model`: the host tells what is in it, as `python -m host inspect` does.

Whoever needs this imports it late: everything else in the generator goes without the host and OpenVINO.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from codegen.bindings.model import Model, Part, Port, least_lengths, model_name, port_identifiers
from codegen.source import quoted, visible
from host.abi import GraphEncoding, TensorType
from host.backends.openvino import OpenVino
from host.backends.openvino_c import OpenVinoMissingError
from host.dialects import ELEMENT_BYTES
from host.formats import BUILDERS, Format
from host.inspection.model import ModelError, inspect
from host.models.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.bindings.model import Kind
    from host.inspection.model import ModelFacts, PortFacts

_MEMORY: Final = 1 << 32
"""What wasm32 can address, in bytes."""
_LONGEST_NAME: Final = 1000
"""Characters of a port's name: more than any tool gives one, and less than C takes in a string."""
_SAYS_NOTHING: Final = "model"
"""The name of a model's file where the name of its folder tells what it is."""


class UnboundError(Exception):
    """A model that there can be no bindings to; the message has a line for each reason."""


def read(path: Path, name: str | None = None) -> Model:
    """Return the model in the file or folder `path`, under `name` or else that of its file or folder.

    Raises:
        UnboundError: it cannot be read, or a port of it has no place in the interface.
    """
    facts = _facts(path)
    problems = [f"{visible(str(path))}: {problem}" for problem in _problems(facts)]
    if problems:
        raise UnboundError("\n".join(problems))
    encodings = {encoding.name.lower() for encoding in GraphEncoding}
    encoding = facts.format if facts.format in encodings else GraphEncoding.AUTODETECT.name
    files = tuple(Path(file.file) for file in facts.files)
    stem = files[0].stem if files[0].stem != _SAYS_NOTHING else files[0].parent.name
    return Model(
        model_name(name or stem),
        facts.format,
        encoding.upper(),
        tuple(file.name for file in files),
        sha256_of(*files),
        _parts(facts, len(BUILDERS[Format(facts.format)])),
        _ports("input", facts.inputs),
        _ports("output", facts.outputs),
    )


def _facts(path: Path) -> ModelFacts:
    try:
        return inspect(path, OpenVino)
    except (ModelError, OpenVinoMissingError) as error:
        raise UnboundError(visible(str(error))) from error


def _problems(facts: ModelFacts) -> Iterator[str]:
    for kind, ports in (("input", facts.inputs), ("output", facts.outputs)):
        for port in ports:
            where = f"{kind} {port.index} {quoted(port.name)}"
            if port.tensor_type is None:
                yield f"{where} has elements of type {port.type}, which wasi-nn has no number for: convert it"
            if max(_least_bytes(port), *least_lengths(port.shape or ()), 0) >= _MEMORY:
                yield f"{where} is larger than a guest's memory"
            if len(port.name) > _LONGEST_NAME:
                yield f"{where} has a name of {len(port.name)} characters: rename it"


def _least_bytes(port: PortFacts) -> int:
    """Return how large a port is at least; an element that wasi-nn has no number for counts as a byte."""
    if port.bytes is not None:
        return port.bytes
    size = 1 if port.tensor_type is None else ELEMENT_BYTES[TensorType(port.tensor_type).name.lower()]
    return size * math.prod(least_lengths(port.shape or ()))


def _parts(facts: ModelFacts, count: int) -> tuple[Part, ...]:
    """Return the parts that `load` takes, missing ones empty; none when there are more files than that."""
    files = [Part(Path(file.file).name, file.size, file.sha256) for file in facts.files]
    if len(files) > count:
        return ()
    empty = Part("", 0, hashlib.sha256().hexdigest())
    return (*files, *[empty] * (count - len(files)))


def _ports(kind: Kind, ports: tuple[PortFacts, ...]) -> tuple[Port, ...]:
    identifiers = port_identifiers(kind, tuple(port.name for port in ports))
    found = []
    for port, identifier in zip(ports, identifiers, strict=True):
        type_ = TensorType(port.tensor_type or 0).name.lower()
        found.append(Port(kind, port.index, port.name, identifier, type_, ELEMENT_BYTES[type_], port.shape))
    return tuple(found)
