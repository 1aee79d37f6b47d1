"""Find the files an ONNX model wants to read, by walking its protobuf; parses nothing else and opens nothing.

A runtime that loads ONNX follows `TensorProto.external_data` to any path the model names. So the walk errs on
the side of finding too much: it visits every occurrence of a field, where a parser may keep only one, and
refuses what the wire format allows but no ONNX writer produces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

# Message -> {field number: message in that field}: every way from a model to a tensor in ONNX's onnx.proto.
_CHILDREN: Final = {
    "Model": {7: "Graph", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
    "Entry": {},
}
_MODEL_IR_VERSION, _MODEL_GRAPH = 1, 7
_TENSOR_DATA_LOCATION = 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_VARINT, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
_VARINT_MAX_BYTES, _KEY_MAX = 10, 0xFFFF_FFFF

_Field: TypeAlias = tuple[int, int, "int | memoryview"]


class NotOnnxError(Exception):
    """The bytes are not a protobuf that an ONNX writer could have made."""


def is_onnx(data: bytes) -> bool:
    """Return whether `data` is, at its top level, an ONNX model: it has an IR version and a graph."""
    try:
        seen = {(number, wire) for number, wire, _ in _fields(memoryview(data))}
    except NotOnnxError:
        return False
    return {(_MODEL_IR_VERSION, _VARINT), (_MODEL_GRAPH, _BYTES)} <= seen


def external_locations(data: bytes) -> tuple[str, ...]:
    """Return every place outside of itself that the ONNX model `data` names; NotOnnxError if malformed.

    A tensor that is marked as external but names no place counts as the place `""`.
    """
    found: list[str] = []
    pending: list[tuple[str, memoryview]] = [("Model", memoryview(data))]
    while pending:  # not recursion: the nesting is the guest's
        message, body = pending.pop()
        if message == "Entry":
            found += _location(body)
            continue
        for number, wire, value in _fields(body):
            if message == "Tensor" and number == _TENSOR_DATA_LOCATION and value:
                found.append("")
            child = _CHILDREN[message].get(number)
            if child and wire == _BYTES and isinstance(value, memoryview):
                pending.append((child, value))
    return tuple(found)


def _location(entry: memoryview) -> list[str]:
    """Return the value of an `external_data` entry, unless its only key is one that names no file."""
    fields = [(number, bytes(value)) for number, _, value in _fields(entry) if isinstance(value, memoryview)]
    keys = {value for number, value in fields if number == _ENTRY_KEY}
    if keys and keys <= {b"offset", b"length", b"checksum"}:
        return []
    return [value.decode(errors="replace") for number, value in fields if number == _ENTRY_VALUE] or [""]


def _fields(body: memoryview) -> Iterator[_Field]:
    """Yield (field number, wire type, value) of one message."""
    at = 0
    while at < len(body):
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
        if length > len(body) - at:
            raise NotOnnxError(f"field {number} ends outside of its message")
        yield number, wire, body[at : at + length]
        at += length


def _varint(body: memoryview, at: int) -> tuple[int, int]:
    """Return the varint at `at` and where it ends."""
    value = 0
    for count, byte in enumerate(body[at : at + _VARINT_MAX_BYTES]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:  # noqa: PLR2004 - the wire format's continuation bit
            return value, at + count + 1
    raise NotOnnxError(f"unfinished varint at byte {at}")
