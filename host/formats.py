"""Tell model formats apart by their bytes, refuse a guest's model that is none or would harm the host.

Compiles nothing; what a file of the operator's may be is in `host.models.files`.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import Final

from host.abi import GraphEncoding
from host.errors import Condition, NnError


class Format(Enum):
    """The formats that are told apart; the value is the interface's name of the encoding, where it has one.

    Paddle has none: a guest gets to it by `autodetect`. The last two are recognised to be refused by name.
    """

    OPENVINO = GraphEncoding.OPENVINO.name.lower()
    ONNX = GraphEncoding.ONNX.name.lower()
    TENSORFLOW = GraphEncoding.TENSORFLOW.name.lower()
    TENSORFLOWLITE = GraphEncoding.TENSORFLOWLITE.name.lower()
    PADDLE = "paddle"
    PYTORCH = GraphEncoding.PYTORCH.name.lower()
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
        Format.PYTORCH: "PyTorch models are code and weights: where PyTorch is installed convert it to ONNX "
        "(`torch.onnx.export`) or OpenVINO IR (OpenVINO's `ovc`), which `python -m host convert` prepares",
        Format.GGUF: "GGUF holds language models for other runtimes: take the model as OpenVINO IR or ONNX",
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
    from host.backends.guards import SIGNS  # noqa: PLC0415 - help and usage errors come without the parsers

    first = builders[0] if builders else b""
    return next((format_ for format_, is_it in SIGNS.items() if is_it(first)), None)


def _check(format_: Format, builders: tuple[bytes, ...], tensor_bytes: int) -> None:
    from host.backends.guards import CHECKS, SIGNS  # noqa: PLC0415 - see `_format_of`

    if not SIGNS[format_](builders[0]):
        other = sniff(builders)
        hint = f": it looks like {other}" if other else ""
        raise NnError(Condition.NOT_A_MODEL, f"the first builder is no {format_.value} model{hint}")
    CHECKS[format_](builders, tensor_bytes)
