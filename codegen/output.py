"""Generated files on disk: written atomically, or compared with what is there."""

from __future__ import annotations

import difflib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.targets.view import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MARK_WITHIN = 400
"""How far into a file the banner is looked for, in bytes."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A file on disk that is not what the generator would write, and how it differs."""

    path: Path
    problem: str
    diff: str


def write(files: Mapping[Path, str]) -> tuple[Path, ...]:
    """Write every file that differs, through a temporary name; return those written.

    Raises:
        OSError: a folder or file cannot be written; files written before stay.
    """
    written = []
    for path, text in files.items():
        data = text.encode()
        if path.exists() and path.read_bytes() == data:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
        written.append(path)
    return tuple(written)


def check(files: Mapping[Path, str]) -> tuple[Drift, ...]:
    """Return what is missing, stale, edited, or orphaned beside the files the generator would write."""
    drifts = []
    for path, text in files.items():
        if not path.is_file():
            drifts.append(Drift(path, "is missing", ""))
        elif (found := path.read_bytes()) != text.encode():
            drifts.append(Drift(path, "is stale or was edited", _diff(path, found, text)))
    return (*drifts, *_orphans(files))


def _orphans(files: Mapping[Path, str]) -> Iterable[Drift]:
    for folder in sorted({path.parent for path in files}):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path in files or not path.is_file():
                continue
            with path.open("rb") as stream:
                head = stream.read(_MARK_WITHIN)
            if MARK.encode() in head:
                yield Drift(path, "is orphaned: no spec generates it any more", "")


def _diff(path: Path, found: bytes, wanted: str) -> str:
    """Return a unified diff; line ends and undecodable bytes are shown, so no difference is invisible."""
    have = found.decode("utf-8", "backslashreplace").replace("\r", "\\r").splitlines(keepends=True)
    want = wanted.splitlines(keepends=True)
    lines = difflib.unified_diff(have, want, f"{path} (on disk)", f"{path} (generated)")
    return "".join(
        line if line.endswith("\n") else line + "\n\\ no newline at end of file\n" for line in lines
    )


def _replace(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
