"""The unit of work: answer one shard and write its file, whole or not at all; the same on every engine.

What is done twice gives the same bytes under the same name.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final
from uuid import uuid4

from host.answers import members
from host.batch import columns, plan
from host.batch.answering import CALL_BYTES, are_all_bytes, as_answer, outputs, unanswered
from host.batch.extras import needed
from host.batch.parcel import opened
from host.job import BadGuestError
from host.lanes import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from host.batch.parcel import Parcel
    from host.batch.plan import Shard

TEMPORARY: Final = ".tmp"
"""What files end in, with a dot before their name, that are being written."""

_OURS: Final = frozenset({"output", "output_base64", "error", "notes"})
_INPUT: Final = "input"
_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Work:
    """What is the same for all shards of a job.

    `per_call` is how many records the guest gets in a call; `is_strict` says that an error costs the shard.
    """

    parcel: Parcel
    source: Path
    out: Path
    format: str
    columns: tuple[str, ...]
    per_call: int
    is_strict: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a shard: so many records, so many with an error; or a `problem`, and there is no file.

    `is_fatal` says that no shard will go; `is_spoilt` that the process is better ended than used again.
    """

    shard: str
    records: int = 0
    failed: int = 0
    problem: str | None = None
    is_fatal: bool = False
    is_spoilt: bool = False


class _ShardError(Exception):
    """A shard that cannot be answered; the message is one line."""


@dataclass(slots=True)
class _Count:
    records: int = 0
    failed: int = 0


def run(work: Work, shard: Shard) -> Outcome:
    """Answer a shard, and write its file; no exception comes out of it."""
    is_fatal, is_spoilt = False, False
    try:
        caller = opened(work.parcel)
        try:
            done = _written(work, shard, caller.call)
            return Outcome(shard.name, done.records, done.failed, is_spoilt=caller.has_lost)
        finally:
            if is_spoilt := caller.has_lost:
                opened.cache_clear()  # it may lose so many threads only: the next shard has another
    except BadGuestError as error:
        problem, is_fatal = "; ".join([str(error), *(text for _, text in error.details)]), True
    except (_ShardError, columns.ColumnsError) as error:
        problem = str(error)
    except OSError as error:
        problem = f"cannot be read or written: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is costs this shard and not the run
        problem = f"{type(error).__name__}: {error}"
    return Outcome(shard.name, problem=problem, is_fatal=is_fatal, is_spoilt=is_spoilt)


def counted(work: Work, path: Path) -> Outcome | None:
    """Return what became of a shard by its file, or None when that is not whole."""
    try:
        if work.format == plan.PARQUET:
            with needed("pyarrow.parquet").ParquetFile(path) as parquet:
                errors = parquet.read([columns.ERROR])[columns.ERROR]
            return Outcome("", len(errors), len(errors) - errors.null_count)
        done = _Count()
        with path.open("rb") as file:
            for line in file:
                done.records += 1
                done.failed += "error" in json.loads(line)
        return Outcome("", done.records, done.failed)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # of pyarrow too
        return None


def _written(work: Work, shard: Shard, call: Callable[[bytes], bytes | Answer]) -> _Count:
    path = work.out / shard.name
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{uuid4().hex}{TEMPORARY}")
    write = {plan.PARQUET: _parquet, plan.LINES: _lines, plan.FILES: _files}[work.format]
    done = _Count()
    try:
        with new.open("xb") as file:
            write(work, shard, call, file, done)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return done


def _parquet(
    work: Work, shard: Shard, call: Callable[[bytes], bytes | Answer], out: BinaryIO, done: _Count
) -> None:
    """Answer row group after row group: so much is in memory."""
    parquet = needed("pyarrow.parquet")
    with parquet.ParquetFile(work.source / shard.sources[0]) as file:
        names = columns.chosen(file.schema_arrow, work.columns)
        schema = columns.written(file.schema_arrow, names)
        first, end = shard.groups or (0, file.metadata.num_row_groups)
        with parquet.ParquetWriter(out, schema) as writer:
            for at in range(first, end):
                table = file.read_row_group(at)
                found = outputs(call, columns.records(table, names), work.per_call)
                _count(work, found, done)
                writer.write_table(columns.answered(table, names, found))


def _lines(
    work: Work, shard: Shard, call: Callable[[bytes], bytes | Answer], out: BinaryIO, done: _Count
) -> None:
    (name,) = shard.sources
    with (work.source / name).open("rb") as file:
        rows = (_row(f"{name}:{at}", line, work.columns) for at, line in enumerate(_read_lines(file), 1))
        _write_rows(work, rows, call, out, done)


def _files(
    work: Work, shard: Shard, call: Callable[[bytes], bytes | Answer], out: BinaryIO, done: _Count
) -> None:
    rows: Iterator[tuple[dict[str, object], bytes | Answer]] = (
        ({_INPUT: name}, _read_file(work.source / name)) for name in shard.sources
    )
    _write_rows(work, rows, call, out, done)


def _write_rows(
    work: Work,
    rows: Iterator[tuple[dict[str, object], bytes | Answer]],
    call: Callable[[bytes], bytes | Answer],
    out: BinaryIO,
    done: _Count,
) -> None:
    """Write a line for each record: what it is, and what became of it."""
    for part in _parts(rows, work.per_call):
        found = outputs(call, [record for _, record in part], work.per_call)
        _count(work, found, done)
        lines = ({**told, **members(as_answer(each))} for (told, _), each in zip(part, found, strict=True))
        out.writelines(json.dumps(line).encode() + b"\n" for line in lines)


def _parts(
    rows: Iterator[tuple[dict[str, object], bytes | Answer]], most: int
) -> Iterator[list[tuple[dict[str, object], bytes | Answer]]]:
    """Yield rows in lists of `most`, or of less where they have more bytes than a call may."""
    part: list[tuple[dict[str, object], bytes | Answer]] = []
    size = 0
    for row in rows:
        part.append(row)
        size += len(row[1]) if isinstance(row[1], bytes) else 0
        if len(part) == most or size > CALL_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _count(work: Work, found: Sequence[bytes | Answer], done: _Count) -> None:
    if not are_all_bytes(found):
        failed = [(at, each) for at, each in enumerate(found, done.records + 1) if isinstance(each, Answer)]
        if work.is_strict:
            at, first = failed[0]
            raise _ShardError(f"record {at}: {columns.told(first)}")
        done.failed += len(failed)
    done.records += len(found)


def _row(name: str, line: bytes | Answer, names: tuple[str, ...]) -> tuple[dict[str, object], bytes | Answer]:
    """Return what tells which record a line is, and its bytes: the whole line, or its member `names[0]`."""
    if not names or not isinstance(line, bytes):
        return {_INPUT: name}, line
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {_INPUT: name}, unanswered("the line is not JSON")
    if not isinstance(found, dict) or names[0] not in found:
        return {_INPUT: name}, unanswered(f"the line is no object with a member `{names[0]}`")
    value = found.pop(names[0])
    if not _OURS.isdisjoint(found):
        return {_INPUT: name}, unanswered(f"the line has a member of its own that is one of {sorted(_OURS)}")
    if value is None:
        return found, unanswered("the record is null")
    return found, value.encode(errors="replace") if isinstance(value, str) else json.dumps(value).encode()


def _read_lines(file: BinaryIO) -> Iterator[bytes | Answer]:
    while line := file.readline(CALL_BYTES + 1):
        if len(line) <= CALL_BYTES:
            yield line.removesuffix(b"\n")
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(CALL_BYTES + 1)
        yield unanswered("the line has more bytes than a call may have")


def _read_file(path: Path) -> bytes | Answer:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(min(size, CALL_BYTES) + 1)  # what is read is allocated first
            while size < len(data) <= CALL_BYTES and (more := file.read(_PIECE_BYTES)):  # as files of /proc
                data += more
    except OSError as error:
        return unanswered(f"cannot be read: {error.strerror or error}")
    return unanswered("the file has more bytes than a call may have") if len(data) > CALL_BYTES else data
