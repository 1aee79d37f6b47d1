"""Where the records of `python -m host map` come from: files, or the lines of one; answers none of them."""

from __future__ import annotations

import errno
import glob
import os
import stat
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.console import UsageError, stdin
from host.quantities import shown_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from host.lanes import Record

RECORD_BYTES: Final = 1 << 30
"""What a record may have: it has to fit into the guest's memory, twice when the guest copies it."""


def names(patterns: list[str], own: Iterable[Path | int]) -> list[str]:
    """Return the names of the files that the patterns stand for, sorted; UsageError when there are none.

    `own` are files, or descriptors, that the run writes: they are none of its records.
    """
    found = {name for pattern in patterns for name in glob.glob(pattern, recursive=True)}  # noqa: PTH207 - as typed
    others = {None, *map(_file, own)}
    files = sorted(name for name in found if _file(name) not in others)
    if not files:
        raise UsageError(f"no file is called like `{'` or `'.join(patterns)}`")
    return files


def of_file(name: str) -> Record:
    """Return the record that is a file."""
    from host.lanes import Record  # noqa: PLC0415 - loads wasmtime

    return Record(name, partial(_read, Path(name)))


def of_lines(name: str) -> Iterator[Record]:
    """Open a file, `-` for stdin, and return its lines as records; UsageError now, OSError from then on."""
    try:
        file = stdin() if name == "-" else Path(name).open("rb")  # noqa: SIM115 - `_lines` closes it
    except OSError as error:
        raise UsageError(f"`--lines {name}` cannot be read: {error.strerror}") from error
    return _lines(name, file)


def _lines(name: str, file: BinaryIO) -> Iterator[Record]:
    from host.lanes import Record  # noqa: PLC0415 - loads wasmtime

    with file:
        for number in count(1):
            line = file.readline(RECORD_BYTES + 2)
            if not line:
                break
            rest = line
            while len(rest) > RECORD_BYTES and not rest.endswith(b"\n"):  # of a line that is too long
                rest = file.readline(RECORD_BYTES + 2)
            yield Record(f"{name}:{number}", partial(_checked, line.removesuffix(b"\n")))


def _file(path: str | Path | int) -> tuple[int, int] | None:
    """Return which regular file is at `path`, whatever it is called; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of descriptors too
    except (OSError, ValueError):  # a NUL in its name
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        # Room for all that is read is set aside before: so not much more than there is.
        size = min(os.fstat(file.fileno()).st_size, RECORD_BYTES)
        data = file.read(size + 1)
        if len(data) > size:  # it grew, or its size is not known
            data += file.read(RECORD_BYTES + 1 - len(data))
    return _checked(data)


def _checked(data: bytes) -> bytes:
    if len(data) > RECORD_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {shown_size(RECORD_BYTES)}")
    return data
