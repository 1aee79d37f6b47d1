"""Tell model formats apart by their bytes, refuse a guest's model that is none or would harm the host.

Compiles nothing; what a file of the operator's may be is in `host.models.files`.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.abi import GraphEncoding
from host.backends.ir_guard import check_ir
from host.backends.onnx_guard import check_onnx, is_onnx
from host.backends.paddle_guard import check_program, is_program
from host.backends.tensorflow_guard import check_graph_def, is_graph_def
from host.backends.tflite_guard import check_tflite, is_tflite
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Format(Enum):
    """The formats that are told apart; the value is the interface's name of the encoding, where it has one.

    Paddle has none: a guest gets to it by `autodetect`. The last two are recognised to be refused by name.
    """

    OPENVINO = "openvino"
    ONNX = "onnx"
    TENSORFLOW = "tensorflow"
    TENSORFLOWLITE = "tensorflowlite"
    PADDLE = "paddle"
    PYTORCH = "pytorch"
    GGUF = "ggml"


BUILDERS: Final = MappingProxyType(
    {
        Format.OPENVINO: ("the XML", "the weights"),
        Format.ONNX: ("the model",),
        Format.TENSORFLOW: ("the frozen graph",),
        Format.TENSORFLOWLITE: ("the model",),
        Format.PADDLE: ("the program", "the parameters"),
    }
)
"""The builders of each format that is served, in order."""

_ADVICE: Final = MappingProxyType(
    {
        Format.PYTORCH: "PyTorch models are code and weights: convert it to OpenVINO IR or ONNX first "
        "(OpenVINO's `ovc`, or `torch.onnx.export`)",
        Format.GGUF: "GGUF holds language models for other runtimes: take the model as OpenVINO IR or ONNX",
    }
)

# At byte 0 and nowhere else: with blanks before it the bytes could be of two formats at once, and OpenVINO
# pick the one that was not checked.
_XML_STARTS: Final = (b"<?xml", b"<net")
_ZIP_START: Final = b"PK\x03\x04"
_GGUF_START: Final = b"GGUF"

_SIGNS: Final[Mapping[Format, Callable[[bytes], bool]]] = MappingProxyType(
    {
        Format.OPENVINO: lambda data: data.startswith(_XML_STARTS),
        Format.TENSORFLOWLITE: is_tflite,
        Format.PYTORCH: lambda data: data.startswith(_ZIP_START),
        Format.GGUF: lambda data: data.startswith(_GGUF_START),
        Format.TENSORFLOW: is_graph_def,
        Format.PADDLE: is_program,
        Format.ONNX: is_onnx,
    }
)
"""What each format is told by, the surest first."""

_GUARDS: Final[Mapping[Format, Callable[[bytes, int], None]]] = MappingProxyType(
    {
        Format.ONNX: check_onnx,
        Format.TENSORFLOW: check_graph_def,
        Format.TENSORFLOWLITE: check_tflite,
        Format.PADDLE: check_program,
    }
)


def recognise(builders: tuple[bytes, ...], encoding: GraphEncoding, tensor_bytes: int) -> Format:
    """Return the format of a guest's model: that of `encoding`, or what `autodetect` finds.

    Args:
        builders: the model, as the guest gave it.
        encoding: what the guest says it is.
        tensor_bytes: the most that a tensor in it may have.

    Raises:
        NnError: ENCODING_NOT_SERVED for a format that no backend here has; BUILDER_COUNT; NOT_A_MODEL, also
            when the bytes are of another format; MODEL_REFERS_TO_FILES, MODEL_UNSAFE or ABSURD_SIZE.
    """
    if encoding is GraphEncoding.AUTODETECT:
        if not builders:
            raise NnError(Condition.BUILDER_COUNT, "no builders: there is nothing to detect an encoding from")
        found = _format_of(builders)
        if found is None:
            raise NnError(
                Condition.NOT_A_MODEL, "`autodetect` does not recognise the bytes of the first builder"
            )
    else:
        found = Format(encoding.name.lower())
    expected = BUILDERS.get(found)
    if expected is None:
        raise NnError(Condition.ENCODING_NOT_SERVED, f"no {found.value} here: {_ADVICE[found]}")
    if len(builders) != len(expected):
        takes = f"{len(expected)} builders ({', '.join(expected)})" if len(expected) > 1 else "1 builder"
        raise NnError(Condition.BUILDER_COUNT, f"{found.value} takes {takes}, got {len(builders)}")
    _check(found, builders, tensor_bytes)
    return found


def sniff(builders: tuple[bytes, ...]) -> str | None:
    """Return the name of the encoding that the first builder's bytes look like; None when like none known.

    It may be an encoding that only other hosts have, or a format that is no encoding.
    """
    found = _format_of(builders)
    return found and found.value


def _format_of(builders: tuple[bytes, ...]) -> Format | None:
    first = builders[0] if builders else b""
    return next((format_ for format_, is_it in _SIGNS.items() if is_it(first)), None)


def _check(format_: Format, builders: tuple[bytes, ...], tensor_bytes: int) -> None:
    first = builders[0]
    if not _SIGNS[format_](first):
        other = sniff(builders)
        hint = f": it looks like {other}" if other else ""
        raise NnError(Condition.NOT_A_MODEL, f"the first builder is no {format_.value} model{hint}")
    if format_ is Format.OPENVINO:
        check_ir(first, len(builders[1]), tensor_bytes)
    else:
        _GUARDS[format_](first, tensor_bytes)
