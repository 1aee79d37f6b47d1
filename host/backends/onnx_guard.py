"""Refuse an ONNX model that reaches outside itself or is unsafe, by walking its protobuf; opens nothing.

A runtime that loads ONNX follows `TensorProto.external_data` to any path the model names. So the walk errs on
the side of finding too much: it visits every occurrence of a field, where a parser may keep only one, and
refuses what the wire format allows but no ONNX writer produces. Like `host.backends.ir_guard` it is no proof
that a model is safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

from host.backends.unsafe_ops import check_op
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FIELDS: Final = 1_000_000
"""How many fields a guest's model may have: a walk of that many takes two seconds."""

MOST_DEPTH: Final = 200
"""How many messages may be inside each other: protobuf itself follows 100."""

# Message -> {field number: message in that field}: every way from a model to a tensor in ONNX's onnx.proto,
# and from a graph to the shapes of what goes in and out.
_CHILDREN: Final[dict[str, dict[int, str]]] = {
    "Model": {7: "Graph", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 11: "Value", 12: "Value", 13: "Value", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute", 12: "Value"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
    "Value": {2: "Type"},
    "Type": {1: "TensorType", 8: "TensorType"},
    "TensorType": {2: "Shape"},
    "Shape": {},
}
_TENSOR_DIMS, _SPARSE_DIMS, _SHAPE_DIM, _DIM_VALUE = 1, 3, 1, 1
_MODEL_IR_VERSION, _MODEL_GRAPH = 1, 7
_NODE_OP_TYPE = 4
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_VARINT, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
_VARINT_MAX_BYTES, _KEY_MAX = 10, 0xFFFF_FFFF
_VARINT_MORE: Final = 0x80
_NEGATIVE: Final = 1 << 63

_Field: TypeAlias = tuple[int, int, "int | memoryview"]


class NotOnnxError(Exception):
    """The bytes are not a protobuf that an ONNX writer could have made."""


class _TooManyFieldsError(Exception):
    """More fields than the walk was to see."""


@dataclass(slots=True)
class _Message:
    """A message that is being walked; `elements` is the product of the dimensions seen in it so far."""

    kind: str
    fields: Iterator[_Field]
    elements: int = 1


def is_onnx(data: bytes) -> bool:
    """Return whether `data` begins as an ONNX model, with an IR version and a graph; no more is read."""
    wanted = {(_MODEL_IR_VERSION, _VARINT), (_MODEL_GRAPH, _BYTES)}
    try:
        for number, wire, _ in _fields(memoryview(data), iter(range(MOST_FIELDS))):
            wanted.discard((number, wire))
            if not wanted:
                return True
    except (NotOnnxError, _TooManyFieldsError):
        pass
    return False


def check_onnx(model: bytes, tensor_bytes: int) -> None:
    """Raise NnError at the first reason not to give a guest's ONNX model to a backend.

    Args:
        model: the only builder.
        tensor_bytes: the most that a tensor may have; an element counts as one byte.

    Raises:
        NnError: NOT_A_MODEL, MODEL_REFERS_TO_FILES, MODEL_UNSAFE or ABSURD_SIZE.
    """
    budget = iter(range(MOST_FIELDS))
    try:
        for message, number, value in _walk(model, budget):
            for location in _locations(message.kind, number, value, budget):
                raise NnError(
                    Condition.MODEL_REFERS_TO_FILES,
                    f"the ONNX model keeps tensors in {location!r}: a guest's model must hold all its data",
                )
            if message.kind == "Node" and number == _NODE_OP_TYPE and isinstance(value, memoryview):
                check_op(bytes(value).decode(errors="replace"))
            for length in _lengths(message.kind, number, value, budget):
                message.elements *= max(length, 1)
                if message.elements > tensor_bytes:
                    raise NnError(
                        Condition.ABSURD_SIZE,
                        f"the model has a tensor of {message.elements} elements; {tensor_bytes} is the most",
                    )
    except NotOnnxError as error:
        raise NnError(Condition.NOT_A_MODEL, f"malformed ONNX model: {error}") from None
    except _TooManyFieldsError:
        reason = f"the ONNX model has more than {MOST_FIELDS} fields"
        raise NnError(Condition.ABSURD_SIZE, reason) from None


def external_locations(data: bytes) -> tuple[str, ...]:
    """Return every place outside of itself that the ONNX model `data` names; NotOnnxError if malformed.

    A tensor that is marked as external but names no place counts as the place `""`. Fields are not
    counted: this is for the operator's models.
    """
    budget = count()
    return tuple(
        location
        for message, number, value in _walk(data, budget)
        for location in _locations(message.kind, number, value, budget)
    )


def _walk(data: bytes, budget: Iterator[int]) -> Iterator[tuple[_Message, int, int | memoryview]]:
    """Yield each field of each message: the message, the field's number and value."""
    stack = [_Message("Model", _fields(memoryview(data), budget))]
    while stack:  # not recursion: the nesting is the guest's
        message = stack[-1]
        for number, _, value in message.fields:
            yield message, number, value
            child = _CHILDREN[message.kind].get(number)
            if child and isinstance(value, memoryview) and value:
                if len(stack) == MOST_DEPTH:
                    raise NotOnnxError(f"more than {MOST_DEPTH} messages inside each other")
                stack.append(_Message(child, _fields(value, budget)))
                break
        else:
            stack.pop()


def _locations(kind: str, number: int, value: int | memoryview, budget: Iterator[int]) -> list[str]:
    """Return what a field says of places outside of the model."""
    if kind != "Tensor":
        return []
    if number == _TENSOR_EXTERNAL_DATA and isinstance(value, memoryview):
        return _entry_locations(value, budget)
    return [""] if number == _TENSOR_DATA_LOCATION and value else []


def _entry_locations(entry: memoryview, budget: Iterator[int]) -> list[str]:
    """Return the value of an `external_data` entry, unless its only key is one that names no file."""
    fields = [
        (number, bytes(value))
        for number, _, value in _fields(entry, budget)
        if number in {_ENTRY_KEY, _ENTRY_VALUE} and isinstance(value, memoryview)
    ]
    keys = {value for number, value in fields if number == _ENTRY_KEY}
    if keys and keys <= {b"offset", b"length", b"checksum"}:
        return []
    return [value.decode(errors="replace") for number, value in fields if number == _ENTRY_VALUE] or [""]


def _lengths(kind: str, number: int, value: int | memoryview, budget: Iterator[int]) -> Iterator[int]:
    """Yield the lengths of dimensions in a field."""
    if (kind, number) in {("Tensor", _TENSOR_DIMS), ("SparseTensor", _SPARSE_DIMS)}:
        if isinstance(value, int):
            yield value
            return
        at = 0
        while at < len(value):  # packed
            length, at = _varint(value, at)
            yield length
    elif (kind, number) == ("Shape", _SHAPE_DIM) and isinstance(value, memoryview):
        for inner, _, dimension in _fields(value, budget):
            if inner == _DIM_VALUE and isinstance(dimension, int) and dimension < _NEGATIVE:  # -1 is "any"
                yield dimension


def _fields(body: memoryview, budget: Iterator[int]) -> Iterator[_Field]:
    """Yield (field number, wire type, value) of one message, as long as `budget` has a number for each."""
    at = 0
    end = len(body)
    while at < end:
        if next(budget, None) is None:
            raise _TooManyFieldsError
        key, at = _varint(body, at)
        number, wire = key >> 3, key & 7
        if key > _KEY_MAX or not number:
            raise NotOnnxError(f"field key {key} at byte {at}")
        if wire == _VARINT:
            value, at = _varint(body, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(body, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:  # groups: deprecated before ONNX was, and a way to hide fields from a walk
            raise NotOnnxError(f"wire type {wire} at byte {at}")
        if length > end - at:
            raise NotOnnxError(f"field {number} ends outside of its message")
        yield number, wire, body[at : at + length]
        at += length


def _varint(body: memoryview, at: int) -> tuple[int, int]:
    """Return the varint at `at` and where it ends."""
    if at < len(body) and body[at] < _VARINT_MORE:  # nearly all are one byte
        return body[at], at + 1
    value = 0
    for number, byte in enumerate(body[at : at + _VARINT_MAX_BYTES]):
        value |= (byte & 0x7F) << 7 * number
        if byte < _VARINT_MORE:
            return value, at + number + 1
    raise NotOnnxError(f"unfinished varint at byte {at}")
