"""Tell model formats apart by their bytes, refuse a guest's model that is none or would harm the host.

Compiles nothing; what a file of the operator's may be is in `host.registry`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from host.abi import GraphEncoding
from host.backends.ir_guard import check_ir
from host.backends.onnx_guard import check_onnx, is_onnx
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
_GGUF_START: Final = b"GGUF"
_GGUF_ENCODING: Final = (
    "ggml"  # an encoding of other hosts only: none of this one's tables has a member for it
)


def recognise(builders: tuple[bytes, ...], encoding: GraphEncoding, tensor_bytes: int) -> GraphEncoding:
    """Return the encoding of a guest's model: `encoding` itself, or what `autodetect` finds.

    Args:
        builders: the model, as the guest gave it.
        encoding: what the guest says it is.
        tensor_bytes: the most that a tensor in it may have.

    Raises:
        NnError: the bytes are no model of that encoding, the builders too many or too few, or the model names
            files, holds an unsafe operation or absurd sizes. An encoding that is not in BUILDERS passes
            unchecked.
    """
    if encoding is GraphEncoding.AUTODETECT:
        encoding = _detected(builders)
    expected = BUILDERS.get(encoding)
    if expected is None:
        return encoding
    if len(builders) != len(expected):
        takes = f"{len(expected)} builders ({', '.join(expected)})" if len(expected) > 1 else "1 builder"
        raise NnError(Condition.BUILDER_COUNT, f"{encoding.name.lower()} takes {takes}, got {len(builders)}")
    if encoding is GraphEncoding.ONNX:
        if not is_onnx(builders[0]):
            raise NnError(
                Condition.NOT_A_MODEL, "the builder is not an ONNX model: no version and graph in it"
            )
        check_onnx(builders[0], tensor_bytes)
        return encoding
    xml, weights = builders
    if not xml.startswith(_XML_STARTS):
        raise NnError(Condition.NOT_A_MODEL, "the first builder is not an OpenVINO IR: it has no XML in it")
    check_ir(xml, len(weights), tensor_bytes)
    return encoding


def sniff(builders: tuple[bytes, ...]) -> str | None:
    """Return the name of the encoding that the first builder's bytes look like; None when like none known.

    It may be an encoding that only other hosts have.
    """
    first = builders[0] if builders else b""
    if first.startswith(_GGUF_START):
        return _GGUF_ENCODING
    if first.startswith(_XML_STARTS):
        return GraphEncoding.OPENVINO.name.lower()
    if first[4:8] == _TFLITE_AT_4:
        return GraphEncoding.TENSORFLOWLITE.name.lower()
    if first.startswith(_ZIP_START):
        return GraphEncoding.PYTORCH.name.lower()
    return GraphEncoding.ONNX.name.lower() if is_onnx(first) else None


def _detected(builders: tuple[bytes, ...]) -> GraphEncoding:
    if not builders:
        raise NnError(Condition.BUILDER_COUNT, "no builders: there is nothing to detect an encoding from")
    found = sniff(builders)
    if found is None:
        raise NnError(Condition.NOT_A_MODEL, "`autodetect` does not recognise the bytes of the first builder")
    for encoding in GraphEncoding:
        if encoding.name.lower() == found:
            return encoding
    raise NnError(Condition.ENCODING_NOT_SERVED, f"the model is `{found}`, which no backend here serves")
