"""Refuse a guest's frozen TensorFlow graph that reaches outside itself or is unsafe, by walking its GraphDef.

Opens nothing. Like `host.backends.ir_guard` it is no proof that a model is safe.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from host.backends.protobuf import (
    BYTES,
    MOST_FIELDS,
    VARINT,
    MalformedError,
    Schema,
    TooManyFieldsError,
    begins_with,
    text,
    walk,
)
from host.backends.unsafe_ops import check_op, check_size
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from host.backends.protobuf import Message

# Every way from a graph to an operation, and to the shape of a tensor.
_SCHEMA: Final[Schema] = {
    "GraphDef": {1: "Node", 2: "Library", 3: VARINT, 4: BYTES, 5: BYTES},
    "Library": {1: "Function", 2: BYTES, 3: BYTES},
    "Function": {1: BYTES, 3: "Node", 4: BYTES, 5: "Entry", 6: BYTES, 7: BYTES, 8: BYTES},
    "Node": {1: BYTES, 2: BYTES, 3: BYTES, 4: BYTES, 5: "Entry"},
    "Entry": {1: BYTES, 2: "Value"},
    "Value": {1: "List", 7: "Shape", 8: "Tensor", 10: "NamedAttributes"},
    "NamedAttributes": {1: BYTES, 2: "Entry"},
    "List": {7: "Shape", 8: "Tensor", 9: "NamedAttributes"},
    "Tensor": {2: "Shape"},
    "Shape": {2: "Dimension"},
    "Dimension": {1: VARINT},
}
_CLOSED: Final = frozenset({"GraphDef", "Library", "Function"})
"""What may have no other fields: OpenVINO also reads MetaGraphDefs, where field 2 is a graph of its own."""

_NODE, _NODE_OP, _DIMENSION_SIZE = 1, 2, 1
_FIRST_FIELDS: Final = frozenset({(1, BYTES), (2, BYTES)})
_NEGATIVE: Final = 1 << 63

_PRELUDE: Final = b"zz" + b"zzzz\n".ljust(ord("z"), b"\0")
"""A field 15 of "z" bytes, which no GraphDef has and its binary reader skips."""

_FILE_OPS: Final = re.compile(
    r"file|restore|save|checkpoint|record|textline|dataset|asset|loadandremap|lmdb|varhandle", re.IGNORECASE
)
"""Parts of the names of operations whose attributes or inputs name files, or what was read from one."""


def is_graph_def(data: bytes) -> bool:
    """Return whether `data` begins as a GraphDef, with a node that has a name and an operation."""
    return begins_with(data, _NODE, _FIRST_FIELDS)


def check_graph_def(model: bytes, tensor_bytes: int) -> None:
    """Raise NnError at the first reason not to give a guest's GraphDef to a backend.

    Args:
        model: the only builder.
        tensor_bytes: the most that a tensor may have; an element counts as one byte.

    Raises:
        NnError: NOT_A_MODEL, MODEL_REFERS_TO_FILES, MODEL_UNSAFE or ABSURD_SIZE.
    """
    shape: Message | None = None
    try:
        for message, number, value in walk(model, "GraphDef", _SCHEMA, iter(range(MOST_FIELDS)), _CLOSED):
            if message.kind == "Node" and number == _NODE_OP:
                _check_op(text(value))
            if message.kind == "Shape":
                shape = message
            if message.kind == "Dimension" and shape and number == _DIMENSION_SIZE and isinstance(value, int):
                shape.elements *= 1 if value >= _NEGATIVE else max(value, 1)  # -1 is "any"
                check_size(shape.elements, tensor_bytes)
    except MalformedError as error:
        raise NnError(Condition.NOT_A_MODEL, f"malformed TensorFlow graph: {error}") from None
    except TooManyFieldsError:
        reason = f"the TensorFlow graph has more than {MOST_FIELDS} fields"
        raise NnError(Condition.ABSURD_SIZE, reason) from None


def as_file(model: bytes) -> bytes:
    """Return what to write into a file so that it is read as a binary GraphDef and as nothing else.

    Where its first reader fails OpenVINO tries others, among them those of IR and of GraphDefs as text. A
    field that a binary GraphDef does not have is ignored there; the readers of text stop in it, that of
    GraphDefs before it shows the guest's own bytes on stderr.
    """
    return _PRELUDE + model


def _check_op(name: str) -> None:
    check_op(name)
    if _FILE_OPS.search(name):
        raise NnError(
            Condition.MODEL_REFERS_TO_FILES,
            f"the TensorFlow graph has the operation `{name[:80]}`: a guest's model must hold all its data",
        )
