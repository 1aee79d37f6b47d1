"""Tensors as the Open Inference Protocol v2 has them: element types, metadata, and answers that are checked.

Sends and receives nothing, and believes nothing that a server says.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from host.abi import TensorType
from host.backends import Dimension, Port
from host.errors import Condition, NnError
from host.memory import U32_MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ANSWER_BYTES: Final = 1 << 30
"""What an answer of a server's may have at most, whatever its outputs."""

METADATA_BYTES: Final = 1 << 20
"""What the metadata of a model may have at most, and all that an answer has besides its tensors."""

JSON_BYTES: Final = 1 << 26
"""What an answer may have in JSON at most: it takes many times as much when it is read."""

_NUMBER_CHARACTERS: Final = 32
_PORTS: Final = 1024
_RANK: Final = 32
_NAME_CHARACTERS: Final = 1024
_SHOWN: Final = 80


class Element(NamedTuple):
    """An element type: its name here, its bytes, and its code in `array`, None where that has none."""

    name: str
    size: int
    code: str | None


ELEMENTS: Final[Mapping[str, Element]] = MappingProxyType(
    {
        "BOOL": Element("boolean", 1, "B"),
        "UINT8": Element("u8", 1, "B"),
        "UINT16": Element("u16", 2, "H"),
        "UINT32": Element("u32", 4, "I"),
        "UINT64": Element("u64", 8, "Q"),
        "INT8": Element("i8", 1, "b"),
        "INT16": Element("i16", 2, "h"),
        "INT32": Element("i32", 4, "i"),
        "INT64": Element("i64", 8, "q"),
        "FP16": Element("f16", 2, None),
        "BF16": Element("bf16", 2, None),
        "FP32": Element("f32", 4, "f"),
        "FP64": Element("f64", 8, "d"),
    }
)
"""The element types of the protocol; not BYTES, whose elements are of any length."""

_TYPES: Final[Mapping[str, TensorType]] = MappingProxyType({kind.name.lower(): kind for kind in TensorType})


@dataclass(frozen=True, slots=True)
class Described:
    """A tensor of a model's metadata."""

    name: str
    datatype: str
    port: Port


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a model takes and gives, by index."""

    inputs: tuple[Described, ...]
    outputs: tuple[Described, ...]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor on its way."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes


class Link(Protocol):
    """A way to a server for one call after another."""

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> tuple[Tensor, ...]:
        """Return the `outputs` that the server gives for `inputs`, as they came; NnError when it does not."""


class Server(Protocol):
    """A model on a server, for any number of threads."""

    def metadata(self) -> Metadata:
        """Return what the server says of the model; NnError when it does not or it cannot be so."""

    def link(self) -> Link:
        """Return a new way to it."""

    @property
    def remark(self) -> str:
        """How the tensors travel, for the operator."""


def lies(what: str) -> NnError:
    """Return the error of a server that answers what it may not."""
    return NnError(Condition.REMOTE_FAILED, f"the server's answer cannot be: {what}")


def too_large(most: int, what: str = "bytes") -> NnError:
    """Return the error of an answer that is not read to its end."""
    return NnError(Condition.ABSURD_SIZE, f"the server's answer has more than {most} {what}")


def answer_bytes(metadata: Metadata) -> int:
    """Return how many bytes an answer may have: what its outputs can, as bytes or as numbers in JSON."""
    shapes = [(each.port.static_shape, ELEMENTS[each.datatype].size) for each in metadata.outputs]
    if any(shape is None for shape, _ in shapes):
        return ANSWER_BYTES
    elements = sum(math.prod(shape or ()) for shape, _ in shapes)
    sizes = sum(math.prod(shape or ()) * size for shape, size in shapes)
    tensors = max(sizes, min(_NUMBER_CHARACTERS * elements, JSON_BYTES))
    return min(METADATA_BYTES + tensors, ANSWER_BYTES)


def described(inputs: Iterable[tuple[object, ...]], outputs: Iterable[tuple[object, ...]]) -> Metadata:
    """Return metadata from (name, datatype, shape) of each tensor, as a server gave them; NnError."""
    made = Metadata(
        tuple(_described("input", each) for each in _few(inputs)),
        tuple(_described("output", each) for each in _few(outputs)),
    )
    for what, tensors in (("inputs", made.inputs), ("outputs", made.outputs)):
        if not tensors:
            raise lies(f"its metadata names no {what}, so nothing tells their order")
        if len({each.name for each in tensors}) != len(tensors):
            raise lies(f"its metadata names two {what} alike")
    for index, each in enumerate(made.inputs):
        if each.port.type is None:
            raise NnError(
                Condition.NOT_A_MODEL, f"input {index} is {each.datatype}, which no tensor of wasi-nn can be"
            )
    return made


def _few(tensors: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
    found = list(tensors)
    if len(found) > _PORTS:
        raise lies(f"its metadata names {len(found)} tensors")
    return found


def _described(what: str, given: tuple[object, ...]) -> Described:
    name, datatype, shape = given
    if not isinstance(name, str) or not 0 < len(name) <= _NAME_CHARACTERS or not name.isprintable():
        raise lies(f"its metadata has an {what} without a name, or with control characters in it")
    if not isinstance(datatype, str) or datatype not in ELEMENTS:
        raise NnError(
            Condition.NOT_A_MODEL,
            f"{what} `{shown(name)}` is of the type {shown(datatype)}, which no tensor of wasi-nn can be",
        )
    lengths = shape_of(shape, lowest=-1)
    dimensions = tuple(Dimension(0, None) if length < 0 else Dimension(length, length) for length in lengths)
    element = ELEMENTS[datatype].name
    return Described(name, datatype, Port(dimensions, _TYPES.get(element), element))


def shape_of(given: object, lowest: int = 0) -> tuple[int, ...]:
    """Return a shape that a server gave; NnError when it is none."""
    if not isinstance(given, list | tuple) or len(given) > _RANK:
        raise lies("a shape is no list, or has too many dimensions")
    if not all(type(length) is int and lowest <= length <= U32_MASK for length in given):
        raise lies("a shape has a length in it that is none")
    return tuple(given)


def packed(datatype: object, values: object) -> bytes:
    """Return numbers, in a list or lists of lists, as the bytes of a tensor; NnError when they cannot be."""
    element = ELEMENTS.get(datatype) if isinstance(datatype, str) else None
    if element is None or element.code is None:
        raise lies(f"it has numbers of the type {shown(datatype)}")
    try:
        while isinstance(values, list) and values and isinstance(values[0], list):
            values = list(chain.from_iterable(values))
        data = array(element.code, values).tobytes()  # type: ignore[call-overload]  # or TypeError
    except (TypeError, ValueError, OverflowError) as error:
        raise lies(f"its data are not all numbers of {datatype}") from error
    if datatype != "BOOL" and bool in map(type, values):  # type: ignore[call-overload]  # it is a list by now
        raise lies(f"its data are not all numbers of {datatype}")
    return bytes(data)


def unpacked(tensor: Tensor) -> Sequence[float]:
    """Return the numbers of a tensor, whose type must have them."""
    return array(ELEMENTS[tensor.datatype].code or "B", tensor.data).tolist()


def checked(answer: Iterable[Tensor], wanted: Sequence[Described]) -> tuple[bytes, ...]:
    """Return the data of an answer in the order of `wanted`; NnError when it is not as that says."""
    tensors = list(answer)
    found = {tensor.name: tensor for tensor in tensors}
    if len(tensors) != len(wanted) or found.keys() != {each.name for each in wanted}:
        names = ", ".join(f"`{shown(tensor.name)}`" for tensor in tensors[:8]) or "none"
        raise lies(f"it has the outputs {names} where the metadata has {len(wanted)}")
    return tuple(_checked(found[each.name], each, index) for index, each in enumerate(wanted))


def _checked(tensor: Tensor, wanted: Described, index: int) -> bytes:
    if tensor.datatype != wanted.datatype:
        raise lies(f"output {index} is {shown(tensor.datatype)} and {wanted.datatype} in the metadata")
    dimensions = wanted.port.dimensions or ()
    if len(tensor.shape) != len(dimensions) or not all(
        dimension.fits(length) for dimension, length in zip(dimensions, tensor.shape, strict=False)
    ):
        expected = ", ".join(map(str, dimensions))
        raise lies(f"output {index} has the shape {list(tensor.shape)}, and [{expected}] in the metadata")
    size = math.prod(tensor.shape) * ELEMENTS[wanted.datatype].size
    if size != len(tensor.data):
        raise lies(f"output {index} has {len(tensor.data)} bytes, and its shape and type take {size}")
    return tensor.data


def shown(value: object) -> str:
    """Return what a server said for a message: all or none of it, for a part could be one of a credential."""
    text = value if isinstance(value, str) else type(value).__name__
    return text if len(text) <= _SHOWN else f"({len(text)} characters)"
