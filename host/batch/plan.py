"""Which shards a job has: each some of the input, and one file of the output. Runs nothing."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from host.batch import columns
from host.batch.extras import needed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PARQUET: Final = "parquet"
LINES: Final = "jsonl"
FILES: Final = "files"
FORMATS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {PARQUET: (".parquet",), LINES: (".jsonl", ".ndjson"), FILES: ()}
)
"""The formats of input, and the suffixes by which each is known."""

SHARD_ROWS: Final[Mapping[str, int]] = MappingProxyType({PARQUET: 1 << 16, FILES: 256})
"""How many records a shard has at least, where there are as many, unless told otherwise."""

SHARD_BYTES: Final = 64 << 20
"""With so much data, not compressed, a shard of Parquet has enough row groups."""

JOB_FILE: Final = "_job.json"
"""What says in the folder of output which job made it."""


class PlanError(Exception):
    """Input or output that does not do; the message is one line."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the input, and what its output is called in the output's folder.

    `sources` are paths relative to the input's folder: one, or of files as records many. `groups` are the
    first and the one after the last row group, None for all.
    """

    name: str
    sources: tuple[str, ...]
    groups: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All shards of a job, in order, and what of the input makes it another job.

    `columns` are the names of the record's columns, or none where a record is a line or a file.
    """

    folder: Path
    format: str
    columns: tuple[str, ...]
    shards: tuple[Shard, ...]
    listing: str | None = None


def planned(root: Path, format_: str | None, names: Sequence[str], rows: int | None) -> Plan:
    """Return the plan for the file or folder `root`.

    Args:
        root: What there is to answer. In a folder, hidden files and those that begin with `_` do not count.
        format_: One of FORMATS; None to go by the suffixes.
        names: The columns that are the record.
        rows: How many records a shard has at least; None for SHARD_ROWS.

    Raises:
        PlanError: There is no input, or it does not have these columns.
        MissingExtraError: For Parquet, pyarrow is not installed.
    """
    folder, found = _listed(root)
    format_ = format_ or _format(root, found)
    suffixes = FORMATS[format_]
    found = [name for name in found if not suffixes or Path(name).suffix.lower() in suffixes]
    if not found:
        raise PlanError(f"`{root}` has no file that ends in {' or '.join(suffixes) or 'anything'}")
    if format_ == PARQUET:
        return _parquet(folder, found, names, rows or SHARD_ROWS[PARQUET])
    if len(names) > (format_ == LINES):
        raise PlanError(
            "a record of JSON lines is one member: give one `--column`" if format_ == LINES
            else "a record is a whole file: there are no columns"
        )  # fmt: skip
    if format_ == LINES:
        return Plan(folder, LINES, tuple(names), tuple(Shard(name, (name,)) for name in found))
    size = rows or SHARD_ROWS[FILES]
    parts = [tuple(found[at : at + size]) for at in range(0, len(found), size)]
    shards = tuple(Shard(f"files-{at:06}.jsonl", part) for at, part in enumerate(parts))
    listing = hashlib.sha256("\0".join(found).encode(errors="surrogateescape")).hexdigest()
    return Plan(folder, FILES, (), shards, listing)


def _listed(root: Path) -> tuple[Path, list[str]]:
    """Return the folder of the input and the files in it, sorted, relative to it."""
    if root.is_file():
        return root.absolute().parent, [root.name]
    if not root.is_dir():
        raise PlanError(f"there is no file or folder `{root}`")
    found: list[str] = []
    for folder, folders, names in os.walk(root, onerror=_raise_unreadable):
        folders[:] = filter(_counts, folders)
        paths = [Path(folder, name) for name in filter(_counts, names)]
        found += [str(path.relative_to(root)) for path in paths if path.is_file() or _leads_nowhere(path)]
        for path in (Path(folder, name) for name in folders):
            if path.is_symlink():
                raise PlanError(f"`{path}` is a link to a folder, which is not followed: move one of them")
    return root.absolute(), sorted(found)


def _counts(name: str) -> bool:
    """Return whether a file or folder of this name is input."""
    return not name.startswith((".", "_"))


def _leads_nowhere(path: Path) -> bool:
    """Return whether it is a link to nothing, which costs its own shard."""
    return path.is_symlink() and not path.exists()


def _raise_unreadable(error: OSError) -> NoReturn:
    raise PlanError(f"`{error.filename}` cannot be read: {error.strerror}") from error


def _format(root: Path, names: Sequence[str]) -> str:
    suffixes = {Path(name).suffix.lower() for name in names}
    for format_, known in FORMATS.items():
        if suffixes and suffixes <= set(known):
            return format_
    if suffixes.isdisjoint(suffix for known in FORMATS.values() for suffix in known):
        return FILES
    raise PlanError(f"`{root}` has files of several kinds: say which with `--format`")


def _parquet(folder: Path, found: Sequence[str], names: Sequence[str], rows: int) -> Plan:
    parquet, arrow = needed("pyarrow.parquet"), needed("pyarrow")
    shards: list[Shard] = []
    record: tuple[str, ...] | None = None
    for name in found:
        try:
            file = parquet.ParquetFile(folder / name)
        except (OSError, ValueError, arrow.ArrowException):  # costs its own shard, which says why
            shards.append(Shard(name, (name,)))
            continue
        with file:
            try:
                here = columns.chosen(file.schema_arrow, names)
            except columns.ColumnsError as error:
                raise PlanError(f"`{folder / name}`: {error}") from error
            if record not in {None, here}:
                raise PlanError(f"`{folder / name}` has other columns than the files before: use `--column`")
            record = here
            shards += _of_file(name, file.metadata, rows)
    _check_names(folder, shards)
    return Plan(folder, PARQUET, record or tuple(names), tuple(shards))


def _check_names(folder: Path, shards: Sequence[Shard]) -> None:
    """Raise PlanError when a part of a file is called as a file."""
    of: dict[str, Shard] = {}
    for shard in shards:
        if (other := of.setdefault(shard.name, shard)) is not shard:
            sources = " and ".join(f"`{folder / each.sources[0]}`" for each in (other, shard))
            raise PlanError(
                f"{sources} would both have the output `{shard.name}`: rename the one of that name"
            )


def _of_file(name: str, metadata: Any, rows: int) -> Iterator[Shard]:  # noqa: ANN401 - pyarrow has no types
    """Yield the shards of a file: all of it, or row groups in a row that have enough rows or bytes."""
    ranges, begin, held, size = [], 0, 0, 0
    for at in range(metadata.num_row_groups):
        group = metadata.row_group(at)
        held, size = held + group.num_rows, size + group.total_byte_size
        if held >= rows or size >= SHARD_BYTES:
            ranges.append((begin, at + 1))
            begin, held, size = at + 1, 0, 0
    if begin < metadata.num_row_groups:
        ranges.append((begin, metadata.num_row_groups))
    if len(ranges) <= 1:
        yield Shard(name, (name,))
        return
    path = Path(name)
    for first, end in ranges:
        part = path.with_name(f"{path.stem}.{first:06}-{end:06}{path.suffix}")
        yield Shard(str(part), (name,), (first, end))
