"""The records in a table's columns, and the table with their answers; knows no file and no guest."""

from __future__ import annotations

from array import array
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final

from host.batch.answering import are_all_bytes, unanswered
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
    null = unanswered(_NULL)
    if len(cells) == 1:
        return [null if cell is None else cell for cell in cells[0]]
    rows: Iterable[tuple[bytes | None, ...]] = zip(*cells, strict=True)
    return [null if None in row else b"".join(row) for row in rows]  # type: ignore[arg-type]  # no None in it


def written(schema: Any, names: Sequence[str]) -> Any:  # noqa: ANN401 - as above
    """Return the schema of what `answered` makes of a table."""
    pa = needed("pyarrow")
    for name in names:
        schema = schema.remove(schema.get_field_index(name))
    return schema.append(pa.field(OUTPUT, pa.large_binary())).append(pa.field(ERROR, pa.string()))


def answered(table: Any, names: Sequence[str], outputs: Sequence[bytes | Answer]) -> Any:  # noqa: ANN401 - as above
    """Return the table without the columns `names`, and with OUTPUT and ERROR."""
    pa = needed("pyarrow")
    errors: Sequence[bytes | None] = [None] * len(outputs)
    whole: Sequence[bytes | None]
    if are_all_bytes(outputs):
        whole = outputs
    else:
        errors = [None if isinstance(output, bytes) else told(output).encode() for output in outputs]
        whole = [output if isinstance(output, bytes) else None for output in outputs]
    rest = table.drop_columns(list(names))
    return rest.append_column(OUTPUT, _column(pa.large_binary(), "q", whole)).append_column(
        ERROR, _column(pa.string(), "i", errors)
    )


def _column(type_: Any, offset: str, cells: Sequence[bytes | None]) -> Any:  # noqa: ANN401 - as above
    """Return the cells as an array, whose offsets are of the type that `array` knows as `offset`.

    `pyarrow.array` would load all of pandas where that is installed, which takes half a second.
    """
    pa, valid = needed("pyarrow"), None
    nulls = cells.count(None)
    if nulls == len(cells):
        return pa.nulls(nulls, type_)
    if nulls:
        bits = int("".join("01"[cell is not None] for cell in reversed(cells)), base=2)
        valid = pa.py_buffer(bits.to_bytes((len(cells) + 7) // 8, "little"))
    whole = [cell or b"" for cell in cells]
    offsets = array(offset, accumulate(map(len, whole), initial=0))
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(b"".join(whole))]
    return pa.Array.from_buffers(type_, len(cells), buffers)


def told(answer: Answer) -> str:
    """Return an error as one text, with the calls of wasi-nn behind it."""
    text = f"{answer.error} ({'; '.join(answer.notes)})" if answer.notes else f"{answer.error}"
    return text.encode(errors="replace").decode()


def _cells(column: Any) -> list[bytes | None]:  # noqa: ANN401 - as above
    return [cell for chunk in column.chunks for cell in _of_chunk(chunk)]


def _of_chunk(cells: Any) -> list[bytes | None]:  # noqa: ANN401 - as above
    """Return the bytes of each row, of numbers as they are in memory; None where a null is in it."""
    items, ends = _items(cells)
    if _is_bytes(cells.type):
        data, spans = _text(cells)
    else:
        data, spans = _numbers(items, ends)
    view = memoryview(data if data is not None else b"")
    found: list[bytes | None] = [view[begin:end].tobytes() for begin, end in pairwise(spans)]
    for row in _nulls(cells, items, ends):
        found[row] = None
    return found


def _text(cells: Any) -> tuple[Any, Sequence[int]]:  # noqa: ANN401 - as above
    """Return the buffer that bytes or text are in, and where in it each row begins, and the last ends."""
    if needed("pyarrow").types.is_fixed_size_binary(cells.type):
        width = cells.type.byte_width
        return cells.buffers()[1], [width * (cells.offset + row) for row in range(len(cells) + 1)]
    return cells.buffers()[2], _offsets(cells)


def _items(cells: Any) -> tuple[Any, Sequence[int]]:  # noqa: ANN401 - as above
    """Return what is in lists, or else the cells, and at which of it each row begins, and the last ends."""
    if needed("pyarrow").types.is_fixed_size_list(cells.type):
        size = cells.type.list_size
        return cells.values, [size * (cells.offset + row) for row in range(len(cells) + 1)]
    if _item(cells.type) is not cells.type:
        return cells.values, _offsets(cells)
    return cells, range(len(cells) + 1)


def _numbers(items: Any, ends: Sequence[int]) -> tuple[Any, Sequence[int]]:  # noqa: ANN401 - as above
    """Return the buffer that numbers are in, and where in it those at `ends` are."""
    pa = needed("pyarrow")
    if pa.types.is_boolean(items.type):
        items = items.cast(pa.uint8())
    width = _width(items.type) or 0
    return items.buffers()[1], [width * (items.offset + end) for end in ends]


def _offsets(cells: Any) -> list[int]:  # noqa: ANN401 - as above
    kinds, buffer = needed("pyarrow").types, cells.buffers()[1]
    if not len(cells) or buffer is None:
        return [0]
    is_large = any(
        check(cells.type) for check in (kinds.is_large_binary, kinds.is_large_string, kinds.is_large_list)
    )
    offsets = memoryview(buffer).cast("q" if is_large else "i")
    return offsets[cells.offset : cells.offset + len(cells) + 1].tolist()


def _nulls(cells: Any, items: Any, ends: Sequence[int]) -> list[int]:  # noqa: ANN401 - as above
    """Return the rows that are null, or have one in their list."""
    found: set[int] = set()
    if cells.null_count:
        found.update(row for row, is_valid in enumerate(cells.is_valid().to_pylist()) if not is_valid)
    if items is not cells and items.null_count:
        valid = items.is_valid().to_pylist()
        found.update(row for row, (begin, end) in enumerate(pairwise(ends)) if not all(valid[begin:end]))
    return sorted(found)


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
