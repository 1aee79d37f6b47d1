"""Tell model formats apart by their bytes, refuse a guest's model that is none or reaches outside itself.

Compiles nothing; what a file of the operator's may be is in `host.registry`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from host.abi import GraphEncoding
from host.backends.onnx_guard import NotOnnxError, external_locations, is_onnx
from host.errors import Condition, NnError

BUILDERS: Final = MappingProxyType(
    {
        GraphEncoding.OPENVINO: ("the XML", "the weights"),
        GraphEncoding.ONNX: ("the model",),
    }
)
"""The builders of each encoding whose bytes the host knows how to check, in order."""

# At byte 0 and nowhere else: with blanks before it the bytes could be of two formats at once, and OpenVINO
# pick the one that was not checked.
_XML_STARTS: Final = (b"<?xml", b"<net")
_TFLITE_AT_4: Final = b"TFL3"
_ZIP_START: Final = b"PK\x03\x04"


def recognise(builders: tuple[bytes, ...], encoding: GraphEncoding) -> GraphEncoding:
    """Return the encoding of a guest's model: `encoding` itself, or what `autodetect` finds.

    Raises NnError when the bytes are no model of that encoding, the builders too many or too few, or when the
    model names files. An encoding that is not in BUILDERS passes unchecked.
    """
    if encoding is GraphEncoding.AUTODETECT:
        encoding = _sniff(builders)
    expected = BUILDERS.get(encoding)
    if expected is None:
        return encoding
    if len(builders) != len(expected):
        takes = f"{len(expected)} builders ({', '.join(expected)})" if len(expected) > 1 else "1 builder"
        raise NnError(Condition.BUILDER_COUNT, f"{encoding.name.lower()} takes {takes}, got {len(builders)}")
    if encoding is GraphEncoding.ONNX:
        _check_onnx(builders[0])
    elif not builders[0].startswith(_XML_STARTS):
        raise NnError(Condition.NOT_A_MODEL, "the first builder is not an OpenVINO IR: it has no XML in it")
    return encoding


def _sniff(builders: tuple[bytes, ...]) -> GraphEncoding:
    if not builders:
        raise NnError(Condition.BUILDER_COUNT, "no builders: there is nothing to detect an encoding from")
    first = builders[0]
    if first.startswith(_XML_STARTS):
        return GraphEncoding.OPENVINO
    if first[4:].startswith(_TFLITE_AT_4):
        return GraphEncoding.TENSORFLOWLITE
    if first.startswith(_ZIP_START):
        return GraphEncoding.PYTORCH
    if is_onnx(first):
        return GraphEncoding.ONNX
    raise NnError(Condition.NOT_A_MODEL, "`autodetect` does not recognise the bytes of the first builder")


def _check_onnx(model: bytes) -> None:
    if not is_onnx(model):
        raise NnError(Condition.NOT_A_MODEL, "the builder is not an ONNX model: no version and graph in it")
    try:
        locations = external_locations(model)
    except NotOnnxError as error:
        raise NnError(Condition.NOT_A_MODEL, f"malformed ONNX model: {error}") from None
    if locations:
        raise NnError(
            Condition.MODEL_REFERS_TO_FILES,
            f"the ONNX model keeps tensors in {locations[0]!r}: a guest's model must hold all its data",
        )
