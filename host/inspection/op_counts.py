"""Count the operations of a model file by type, by reading the file; no backend, nothing is compiled.

Operations inside of loops, branches and functions count too, once each. Of files that are not what they seem
there is no count.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from host.backends import protobuf, tflite_guard
from host.errors import NnError
from host.formats import Format
from host.inspection.ir_layouts import parse_ir
from host.inspection.tflite_names import builtin_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_OPERATIONS: Final = frozenset({"Parameter", "Const", "Result", "Placeholder", "feed", "fetch"})
"""Layers that hold or pass values."""

# Message -> {field number: message in it}: the ways to an operation; and where that has its type.
_SCHEMAS: Final[Mapping[Format, tuple[str, protobuf.Schema, tuple[str, int]]]] = MappingProxyType(
    {
        Format.ONNX: (
            "Model",
            {
                "Model": {7: "Graph", 25: "Function"},
                "Graph": {1: "Node"},
                "Function": {7: "Node"},
                "Node": {5: "Attribute"},
                "Attribute": {6: "Graph", 11: "Graph"},
            },
            ("Node", 4),
        ),
        Format.TENSORFLOW: (
            "Graph",
            {
                "Graph": {1: "Node", 2: "Library"},
                "Library": {1: "Function"},
                "Function": {3: "Node"},
                "Node": {},
            },
            ("Node", 2),
        ),
        Format.PADDLE: (
            "Program",
            {"Program": {1: "Block"}, "Block": {4: "Operator"}, "Operator": {}},
            ("Operator", 3),
        ),
    }
)


def op_counts(data: bytes, format_: Format) -> dict[str, int] | None:
    """Return how many operations of each type the model has, the most frequent first; None if not known."""
    try:
        if format_ is Format.OPENVINO:
            counted = _of_ir(data)
        elif format_ is Format.TENSORFLOWLITE:
            kinds = tflite_guard.operations(data)
            counted = Counter(builtin_name(kind) if isinstance(kind, int) else kind for kind in kinds)
        elif format_ in _SCHEMAS:
            counted = _of_protobuf(data, *_SCHEMAS[format_])
        else:
            return None
    except (expat.ExpatError, protobuf.MalformedError, NnError):
        return None
    return {op: number for op, number in counted.most_common() if op not in _NOT_OPERATIONS}


def _of_ir(xml: bytes) -> Counter[str]:
    counted: Counter[str] = Counter()

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "layer":
            counted[attributes.get("type", "")] += 1

    parse_ir(xml, start)
    return counted


def _of_protobuf(data: bytes, root: str, schema: protobuf.Schema, type_at: tuple[str, int]) -> Counter[str]:
    walked = protobuf.walk(data, root, schema, count())
    return Counter(
        protobuf.text(value) for message, number, value in walked if (message.kind, number) == type_at
    )
