"""What tells each model format by its bytes, and what checks a guest's model of it; decides nothing.

Apart from `host.formats` so that whoever only names formats need not load a parser of each.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.backends.ir_guard import check_ir
from host.backends.onnx_guard import check_onnx, is_onnx
from host.backends.paddle_guard import check_program, is_program
from host.backends.tensorflow_guard import check_graph_def, is_graph_def
from host.backends.tflite_guard import check_tflite, is_tflite
from host.formats import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# At byte 0 and nowhere else: with blanks before it the bytes could be of two formats at once, and OpenVINO
# pick the one that was not checked.
_XML_STARTS: Final = (b"<?xml", b"<net")
_ZIP_START: Final = b"PK\x03\x04"
_GGUF_START: Final = b"GGUF"

SIGNS: Final[Mapping[Format, Callable[[bytes], bool]]] = MappingProxyType(
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

CHECKS: Final[Mapping[Format, Callable[[tuple[bytes, ...], int], None]]] = MappingProxyType(
    {
        Format.OPENVINO: lambda builders, most: check_ir(builders[0], len(builders[1]), most),
        Format.ONNX: lambda builders, most: check_onnx(builders[0], most),
        Format.TENSORFLOW: lambda builders, most: check_graph_def(builders[0], most),
        Format.TENSORFLOWLITE: lambda builders, most: check_tflite(builders[0], most),
        Format.PADDLE: lambda builders, most: check_program(builders[0], most),
    }
)
"""What raises NnError for builders not to give to a backend; it takes the most bytes of a tensor, too."""
