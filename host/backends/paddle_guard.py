"""Refuse a guest's Paddle program that is unsafe or absurd, by walking its ProgramDesc; opens nothing.

Like `host.backends.ir_guard` it is no proof that a model is safe.
"""

from __future__ import annotations

from typing import Final

from host.backends.protobuf import (
    BYTES,
    MOST_FIELDS,
    VARINT,
    MalformedError,
    Schema,
    TooManyFieldsError,
    begins_with,
    packed,
    text,
    walk,
)
from host.backends.unsafe_ops import check_op, check_size
from host.errors import Condition, NnError

# Every way from a program to an operation, and to the shape of a variable.
_SCHEMA: Final[Schema] = {
    "Program": {1: "Block", 4: BYTES, 5: BYTES},
    "Block": {1: VARINT, 2: VARINT, 3: "Variable", 4: "Op", 5: VARINT},
    "Op": {3: BYTES},
    "Variable": {1: BYTES, 2: "VariableType"},
    "VariableType": {2: "Tensor", 3: "Holder", 4: "Holder"},
    "Holder": {1: "Tensor"},
    "Tensor": {1: VARINT},
}
_CLOSED: Final = frozenset({"Program"})
"""What may have no other fields: the bytes could be of two formats."""

_BLOCK, _OP_TYPE, _TENSOR_DIMS = 1, 3, 2
_FIRST_FIELDS: Final = frozenset({(1, VARINT), (2, VARINT)})
_NEGATIVE: Final = 1 << 63


def is_program(data: bytes) -> bool:
    """Return whether `data` begins as a Paddle program, with a block that has its two numbers."""
    return begins_with(data, _BLOCK, _FIRST_FIELDS)


def check_program(model: bytes, tensor_bytes: int) -> None:
    """Raise NnError at the first reason not to give a guest's Paddle program to a backend.

    Args:
        model: the first builder.
        tensor_bytes: the most that a tensor may have; an element counts as one byte.

    Raises:
        NnError: NOT_A_MODEL, MODEL_UNSAFE or ABSURD_SIZE.
    """
    try:
        for message, number, value in walk(model, "Program", _SCHEMA, iter(range(MOST_FIELDS)), _CLOSED):
            if message.kind == "Op" and number == _OP_TYPE:
                check_op(text(value))
            if message.kind == "Tensor" and number == _TENSOR_DIMS:
                for length in packed(value):
                    message.elements *= 1 if length >= _NEGATIVE else max(length, 1)  # -1 is "any"
                    check_size(message.elements, tensor_bytes)
    except MalformedError as error:
        raise NnError(Condition.NOT_A_MODEL, f"malformed Paddle program: {error}") from None
    except TooManyFieldsError:
        reason = f"the Paddle program has more than {MOST_FIELDS} fields"
        raise NnError(Condition.ABSURD_SIZE, reason) from None
