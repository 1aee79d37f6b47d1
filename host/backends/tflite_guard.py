"""Refuse a guest's TensorFlow Lite model that reaches outside itself or is unsafe, by reading its FlatBuffer.

Opens nothing. It reads only what it decides on; that all else is in bounds too is verified by OpenVINO. Like
`host.backends.ir_guard` it is no proof that a model is safe.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final

from host.backends.unsafe_ops import check_op, check_size
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENTIFIER: Final = b"TFL3"
_IDENTIFIER_AT: Final = 4
_MOST_OBJECTS: Final = 1_000_000
_MOST_RANK: Final = 64
_MOST_CHARACTERS: Final = 4096
_VTABLE_HEAD: Final = 4

# Slots of tables, as TensorFlow Lite's schema orders them.
_MODEL_OPERATORS, _MODEL_GRAPHS, _MODEL_BUFFERS = 1, 2, 4
_OPERATOR_OLD, _OPERATOR_CUSTOM, _OPERATOR_BUILTIN = 0, 1, 3
_GRAPH_TENSORS, _GRAPH_NODES = 0, 3
_NODE_OPERATOR: Final = 0
_TENSOR_SHAPE, _TENSOR_SIGNATURE = 0, 7
_BUFFER_OFFSET: Final = 1
_CUSTOM, _GATHER_ND = 32, 107  # of its enum BuiltinOperator

_UINT: Final = Struct("<I")
_INT: Final = Struct("<i")
_BYTE: Final = Struct("<b")
_SHORT: Final = Struct("<H")
_LONG: Final = Struct("<Q")


def is_tflite(data: bytes) -> bool:
    """Return whether `data` is marked as a TensorFlow Lite model."""
    return data[_IDENTIFIER_AT : _IDENTIFIER_AT + len(IDENTIFIER)] == IDENTIFIER


def check_tflite(model: bytes, tensor_bytes: int) -> None:
    """Raise NnError at the first reason not to give a guest's model to a backend.

    Args:
        model: the only builder.
        tensor_bytes: the most that a tensor may have; an element counts as one byte.

    Raises:
        NnError: NOT_A_MODEL, MODEL_UNSAFE or ABSURD_SIZE.
    """
    buffer = _Buffer(memoryview(model), iter(range(_MOST_OBJECTS)))
    root = buffer.table(buffer.follow(0))
    for operator in buffer.tables(root, _MODEL_OPERATORS):
        custom = buffer.text(operator, _OPERATOR_CUSTOM)
        check_op(custom)
        numbers = {
            buffer.number(operator, _OPERATOR_OLD, _BYTE),
            buffer.number(operator, _OPERATOR_BUILTIN, _INT),
        }
        if _GATHER_ND in numbers:
            check_op("GATHER_ND")
    for graph in buffer.tables(root, _MODEL_GRAPHS):
        for tensor in buffer.tables(graph, _GRAPH_TENSORS):
            for slot in (_TENSOR_SHAPE, _TENSOR_SIGNATURE):
                lengths = buffer.integers(tensor, slot)
                check_size(math.prod(max(length, 1) for length in lengths), tensor_bytes)
    for data in buffer.tables(root, _MODEL_BUFFERS):
        if buffer.number(data, _BUFFER_OFFSET, _LONG) > 1:  # 0 and 1 stand for "inside the FlatBuffer"
            raise NnError(Condition.NOT_A_MODEL, "the model keeps tensors outside of its FlatBuffer")


def operations(model: bytes) -> Iterator[int | str]:
    """Yield what each operation of a model is: the number of a built-in operator, the name of another.

    Those of all graphs, one after the other. Raises NnError: NOT_A_MODEL or ABSURD_SIZE.
    """
    buffer = _Buffer(memoryview(model), iter(range(_MOST_OBJECTS)))
    root = buffer.table(buffer.follow(0))
    kinds = [_kind(buffer, operator) for operator in buffer.tables(root, _MODEL_OPERATORS)]
    for graph in buffer.tables(root, _MODEL_GRAPHS):
        for node in buffer.tables(graph, _GRAPH_NODES):
            index = buffer.number(node, _NODE_OPERATOR, _UINT)
            if index >= len(kinds):
                raise NnError(Condition.NOT_A_MODEL, f"operator {index} of {len(kinds)}")
            yield kinds[index]


def _kind(buffer: _Buffer, operator: _Table) -> int | str:
    # The first field came to its end at 127, and files that have the other one may have 127 in it.
    number = max(
        buffer.number(operator, _OPERATOR_OLD, _BYTE), buffer.number(operator, _OPERATOR_BUILTIN, _INT)
    )
    return buffer.text(operator, _OPERATOR_CUSTOM) if number == _CUSTOM else number


@dataclass(frozen=True, slots=True)
class _Table:
    """Where a table is, where the list of its fields is, and how many bytes that has."""

    at: int
    vtable: int
    vtable_size: int


@dataclass(frozen=True, slots=True)
class _Buffer:
    """A hostile FlatBuffer; `budget` has a number for each object that may be read."""

    data: memoryview
    budget: Iterator[int]

    def read(self, at: int, kind: Struct) -> int:
        """Return the number at `at`."""
        if at < 0 or at + kind.size > len(self.data):
            raise NnError(Condition.NOT_A_MODEL, f"malformed FlatBuffer: byte {at} of {len(self.data)}")
        number: int = kind.unpack_from(self.data, at)[0]
        return number

    def follow(self, at: int) -> int:
        """Return where the offset at `at` leads."""
        return at + self.read(at, _UINT)

    def table(self, at: int) -> _Table:
        """Return the table at `at`."""
        if next(self.budget, None) is None:
            raise NnError(Condition.ABSURD_SIZE, f"the model has more than {_MOST_OBJECTS} objects")
        vtable = at - self.read(at, _INT)
        return _Table(at, vtable, self.read(vtable, _SHORT))

    def place(self, table: _Table, slot: int) -> int | None:
        """Return where a table's field is; None when it has none."""
        entry = _VTABLE_HEAD + slot * _SHORT.size
        offset = self.read(table.vtable + entry, _SHORT) if entry < table.vtable_size else 0
        return table.at + offset if offset else None

    def number(self, table: _Table, slot: int, kind: Struct) -> int:
        """Return a field that is a number; 0 when the table has none."""
        at = self.place(table, slot)
        return 0 if at is None else self.read(at, kind)

    def vector(self, table: _Table, slot: int, size: int, most: int) -> tuple[int, int]:
        """Return where a field's elements, of `size` bytes each, begin, and how many there are, up to `most`.

        Capped because fields may share their elements: a small model could have many that are large.
        """
        at = self.place(table, slot)
        if at is None:
            return 0, 0
        start = self.follow(at)
        count = self.read(start, _UINT)
        if count > most:
            raise NnError(Condition.ABSURD_SIZE, f"{count} elements in a list; {most} is the most")
        start += _UINT.size
        if start + count * size > len(self.data):
            raise NnError(Condition.NOT_A_MODEL, f"malformed FlatBuffer: {count} elements at byte {start}")
        return start, count

    def tables(self, table: _Table, slot: int) -> Iterator[_Table]:
        """Yield the tables that a field lists."""
        start, count = self.vector(table, slot, _UINT.size, _MOST_OBJECTS)
        for number in range(count):
            yield self.table(self.follow(start + number * _UINT.size))

    def integers(self, table: _Table, slot: int) -> tuple[int, ...]:
        """Return a field that is a list of i32."""
        start, count = self.vector(table, slot, _INT.size, _MOST_RANK)
        return tuple(self.read(start + number * _INT.size, _INT) for number in range(count))

    def text(self, table: _Table, slot: int) -> str:
        """Return a field that is a string; an empty one when the table has none."""
        start, count = self.vector(table, slot, 1, _MOST_CHARACTERS)
        return bytes(self.data[start : start + count]).decode(errors="replace")
