"""Refuse an ONNX model that reaches outside itself or is unsafe, by walking its protobuf; opens nothing.

A runtime that loads ONNX follows `TensorProto.external_data` to any path the model names. So the walk errs on
the side of finding too much: it visits every occurrence of a field, where a parser may keep only one, and
refuses what the wire format allows but no ONNX writer produces. Like `host.backends.ir_guard` it is no proof
that a model is safe.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Final

from host.backends.protobuf import (
    BYTES,
    MOST_FIELDS,
    VARINT,
    MalformedError,
    Schema,
    TooManyFieldsError,
    fields,
    packed,
    text,
    walk,
)
from host.backends.unsafe_ops import check_op, check_size
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Message -> {field number: message in that field}: every way from a model to a tensor in ONNX's onnx.proto,
# and from a graph to the shapes of what goes in and out.
# Of a model also the wire types of what else is in it: bytes that read as two formats disagree there.
_SCHEMA: Final[Schema] = {
    "Model": {
        1: VARINT,
        2: BYTES,
        3: BYTES,
        4: BYTES,
        5: VARINT,
        6: BYTES,
        7: "Graph",
        8: BYTES,
        14: BYTES,
        20: "TrainingInfo",
        25: "Function",
    },
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
_NEGATIVE: Final = 1 << 63

_FIRST_MARKUP: Final = re.compile(rb"[^<\0]*(?:(<net)|(<[!?]))", re.IGNORECASE)
_XML_ROOT: Final = re.compile(rb"<net", re.IGNORECASE)


class NotOnnxError(Exception):
    """The bytes are not a protobuf that an ONNX writer could have made."""


def is_onnx(data: bytes) -> bool:
    """Return whether `data` begins as an ONNX model, with an IR version and a graph; no more is read."""
    wanted = {(_MODEL_IR_VERSION, VARINT), (_MODEL_GRAPH, BYTES)}
    try:
        for number, wire, _ in fields(memoryview(data), iter(range(MOST_FIELDS))):
            wanted.discard((number, wire))
            if not wanted:
                return True
    except (MalformedError, TooManyFieldsError):
        pass
    return False


def _reads_as_xml(data: bytes) -> bool:
    """Return whether an XML parser that is as lenient as OpenVINO's may find an IR in these bytes.

    OpenVINO asks its IR reader first, and that skips whatever text stands before the root element, wherever
    it is: an ONNX model whose producer is called `<net ...>...</net>` would run as that IR, unchecked. Text
    ends at a NUL.
    """
    found = _FIRST_MARKUP.match(data)
    return found is not None and (found[1] is not None or _XML_ROOT.search(data, found.end()) is not None)


def check_onnx(model: bytes, tensor_bytes: int) -> None:
    """Raise NnError at the first reason not to give a guest's ONNX model to a backend.

    Args:
        model: the only builder.
        tensor_bytes: the most that a tensor may have; an element counts as one byte.

    Raises:
        NnError: NOT_A_MODEL, MODEL_REFERS_TO_FILES, MODEL_UNSAFE or ABSURD_SIZE.
    """
    if _reads_as_xml(model):
        raise NnError(Condition.NOT_A_MODEL, "the ONNX model could also be read as an OpenVINO IR")
    budget = iter(range(MOST_FIELDS))
    try:
        for message, number, value in walk(model, "Model", _SCHEMA, budget):
            for location in _locations(message.kind, number, value, budget):
                raise NnError(
                    Condition.MODEL_REFERS_TO_FILES,
                    f"the ONNX model keeps tensors in {location!r}: a guest's model must hold all its data",
                )
            if message.kind == "Node" and number == _NODE_OP_TYPE and isinstance(value, memoryview):
                check_op(text(value))
            for length in _lengths(message.kind, number, value, budget):
                message.elements *= max(length, 1)
                check_size(message.elements, tensor_bytes)
    except MalformedError as error:
        raise NnError(Condition.NOT_A_MODEL, f"malformed ONNX model: {error}") from None
    except TooManyFieldsError:
        reason = f"the ONNX model has more than {MOST_FIELDS} fields"
        raise NnError(Condition.ABSURD_SIZE, reason) from None


def external_locations(data: bytes) -> tuple[str, ...]:
    """Return every place outside of itself that the ONNX model `data` names; NotOnnxError if malformed.

    A tensor that is marked as external but names no place counts as the place `""`. Fields are not
    counted: this is for the operator's models.
    """
    budget = count()
    try:
        return tuple(
            location
            for message, number, value in walk(data, "Model", _SCHEMA, budget)
            for location in _locations(message.kind, number, value, budget)
        )
    except MalformedError as error:
        raise NotOnnxError(str(error)) from None


def _locations(kind: str, number: int, value: int | memoryview, budget: Iterator[int]) -> list[str]:
    """Return what a field says of places outside of the model."""
    if kind != "Tensor":
        return []
    if number == _TENSOR_EXTERNAL_DATA and isinstance(value, memoryview):
        return _entry_locations(value, budget)
    return [""] if number == _TENSOR_DATA_LOCATION and value else []


def _entry_locations(entry: memoryview, budget: Iterator[int]) -> list[str]:
    """Return the value of an `external_data` entry, unless its only key is one that names no file."""
    found = [
        (number, bytes(value))
        for number, _, value in fields(entry, budget)
        if number in {_ENTRY_KEY, _ENTRY_VALUE} and isinstance(value, memoryview)
    ]
    keys = {value for number, value in found if number == _ENTRY_KEY}
    if keys and keys <= {b"offset", b"length", b"checksum"}:
        return []
    return [value.decode(errors="replace") for number, value in found if number == _ENTRY_VALUE] or [""]


def _lengths(kind: str, number: int, value: int | memoryview, budget: Iterator[int]) -> Iterator[int]:
    """Yield the lengths of dimensions in a field."""
    if (kind, number) in {("Tensor", _TENSOR_DIMS), ("SparseTensor", _SPARSE_DIMS)}:
        yield from packed(value)
    elif (kind, number) == ("Shape", _SHAPE_DIM) and isinstance(value, memoryview):
        for inner, _, dimension in fields(value, budget):
            if inner == _DIM_VALUE and isinstance(dimension, int) and dimension < _NEGATIVE:  # -1 is "any"
                yield dimension
