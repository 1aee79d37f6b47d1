"""The records in a table's columns, and the table with their answers; knows no file and no guest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from host.batch.answering import unanswered
from host.batch.extras import needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from host.lanes import Answer

OUTPUT: Final = "output"
"""The column of answers, binary; null where there is none."""

ERROR: Final = "error"
"""The column that says why not; null where there is an answer."""

_BYTE_BITS: Final = 8
_NULL: Final = "the record is null, or has a null in it"


class ColumnsError(Exception):
    """Columns that cannot be records; the message is one line."""


def chosen(schema: Any, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ANN401 - pyarrow has no types
    """Return the columns that are the record: those of `names`, or else the only one there is.

    Raises ColumnsError when one is not there or has no bytes, or when there would be two of a name.
    """
    if not names and len(schema.names) != 1:
        raise ColumnsError(f"there are columns {_listed(schema.names)}: say which is the record")
    found = tuple(names or schema.names)
    for name in found:
        if schema.names.count(name) != 1:
            raise ColumnsError(f"there is no column `{name}`, or two; there are {_listed(schema.names)}")
        type_ = schema.field(name).type
        if not (_is_bytes(type_) and len(found) == 1) and _width(_item(type_)) is None:
            raise ColumnsError(
                f"column `{name}` is {type_}: a record is bytes or text, or numbers, or lists of numbers"
                + (", and of several columns each is numbers" if len(found) > 1 else "")
            )
    for name in (OUTPUT, ERROR):
        if name in schema.names and name not in found:
            raise ColumnsError(f"there is a column `{name}` already: rename it, or leave it out")
    return found


def records(table: Any, names: Sequence[str]) -> list[bytes | Answer]:  # noqa: ANN401 - as above
    """Return the record of each row: the bytes of its columns, one after the other."""
    cells = [_cells(table.column(name)) for name in names]
    rows: Iterable[tuple[bytes | None, ...]] = zip(*cells, strict=True)
    null = unanswered(_NULL)
    return [null if None in row else b"".join(row) for row in rows]  # type: ignore[arg-type]  # no None in it


def answered(table: Any, names: Sequence[str], answers: Sequence[Answer]) -> Any:  # noqa: ANN401 - as above
    """Return the table without the columns `names`, and with OUTPUT and ERROR."""
    pa = needed("pyarrow")
    outputs = [answer.output if answer.error is None else None for answer in answers]
    errors = [None if answer.error is None else told(answer) for answer in answers]
    rest = table.drop_columns(list(names))
    return rest.append_column(OUTPUT, pa.chunked_array([pa.array(outputs, pa.large_binary())])).append_column(
        ERROR, pa.array(errors, pa.string())
    )


def told(answer: Answer) -> str:
    """Return an error as one text, with the calls of wasi-nn behind it."""
    text = f"{answer.error} ({'; '.join(answer.notes)})" if answer.notes else f"{answer.error}"
    return text.encode(errors="replace").decode()


def _cells(column: Any) -> list[bytes | None]:  # noqa: ANN401 - as above
    pa = needed("pyarrow")
    found: list[bytes | None] = []
    for chunk in column.chunks:
        if _is_bytes(chunk.type):
            found += chunk.cast(pa.large_binary()).to_pylist()
        else:
            found += _numbers(chunk)
    return found


def _numbers(array: Any) -> list[bytes | None]:  # noqa: ANN401 - as above
    """Return the bytes of the numbers in each row, as they are in memory: little-endian."""
    pa = needed("pyarrow")
    rows = len(array)
    if pa.types.is_fixed_size_list(array.type):
        size, items = array.type.list_size, array.values
        ends = [(array.offset + row) * size for row in range(rows + 1)]
    elif _item(array.type) is not array.type:
        items, ends = array.values, array.offsets.to_pylist()
    else:
        items, ends = array, list(range(rows + 1))
    if pa.types.is_boolean(items.type):
        items = items.cast(pa.uint8())
    width = _width(items.type) or 0
    buffer = items.buffers()[1]
    data = memoryview(buffer).cast("B") if buffer is not None else memoryview(b"")
    base = items.offset
    whole = _whole(array, items, ends)
    return [
        data[(base + begin) * width : (base + end) * width].tobytes() if is_whole else None
        for begin, end, is_whole in zip(ends, ends[1:], whole, strict=False)
    ]


def _whole(array: Any, items: Any, ends: Sequence[int]) -> list[bool]:  # noqa: ANN401 - as above
    """Return of each row whether no null is in it."""
    rows: list[bool] = array.is_valid().to_pylist() if array.null_count else [True] * len(array)
    if items is not array and items.null_count:
        valid = items.is_valid().to_pylist()
        return [row and all(valid[ends[at] : ends[at + 1]]) for at, row in enumerate(rows)]
    return rows


def _is_bytes(type_: Any) -> bool:  # noqa: ANN401 - as above
    kinds = needed("pyarrow").types
    return any(
        check(type_)
        for check in (kinds.is_binary, kinds.is_large_binary, kinds.is_fixed_size_binary, kinds.is_string,
                      kinds.is_large_string)
    )  # fmt: skip


def _item(type_: Any) -> Any:  # noqa: ANN401 - as above
    """Return the type of what is in a list, or the type itself when it is none."""
    kinds = needed("pyarrow").types
    is_list = kinds.is_list(type_) or kinds.is_large_list(type_) or kinds.is_fixed_size_list(type_)
    return type_.value_type if is_list else type_


def _width(type_: Any) -> int | None:  # noqa: ANN401 - as above
    """Return the bytes of a number; None for what is none."""
    kinds = needed("pyarrow").types
    if kinds.is_boolean(type_):
        return 1
    is_number = kinds.is_integer(type_) or kinds.is_floating(type_)
    return int(type_.bit_width) // _BYTE_BITS if is_number else None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
