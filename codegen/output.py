"""Generated files on disk: written atomically, or compared with what is there."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.targets.view import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_MARK_WITHIN = 400
"""How far into a file the banner is looked for, in bytes."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A file on disk that is not what the generator would write, and how it differs."""

    path: Path
    problem: str
    diff: str


class ForeignFileError(Exception):
    """A file that the generator did not make stands where it would write."""


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


def refuse_foreign(files: Iterable[Path]) -> None:
    """Check, before anything is written, that what would be replaced was generated.

    Raises:
        ForeignFileError: a file is there without the generator's banner.
        OSError: a file cannot be read.
    """
    for path in files:
        if path.exists() and path.stat().st_size and not _is_generated(path):
            raise ForeignFileError(
                f"{path} is there and was not generated: move it away, or choose another --out or --lang"
            )


def check(files: Mapping[Path, str]) -> tuple[Drift, ...]:
    """Return what is missing, stale or edited.

    Raises:
        OSError: a file cannot be read.
    """
    drifts = []
    for path, text in files.items():
        if not path.is_file():
            drifts.append(Drift(path, "is missing", ""))
        elif (found := path.read_bytes()) != text.encode():
            drifts.append(Drift(path, "is stale or was edited", _diff(path, found, text)))
    return tuple(drifts)


def orphans(files: Iterable[Path]) -> tuple[Drift, ...]:
    """Return the generated files that lie beside the given ones, which are all there should be."""
    wanted = set(files)
    problem = "is orphaned: no spec generates it any more"
    return tuple(
        Drift(path, problem, "")
        for folder in sorted({path.parent for path in wanted})
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if path not in wanted and path.is_file() and _is_generated(path)
    )


def _is_generated(path: Path) -> bool:
    with path.open("rb") as stream:
        return MARK.encode() in stream.read(_MARK_WITHIN)


def _diff(path: Path, found: bytes, wanted: str) -> str:
    """Return a unified diff; line ends and undecodable bytes are shown, so no difference is invisible."""
    have = found.decode("utf-8", "backslashreplace").replace("\r", "\\r").splitlines(keepends=True)
    want = wanted.splitlines(keepends=True)
    lines = difflib.unified_diff(have, want, f"{path} (on disk)", f"{path} (generated)")
    return "".join(
        line if line.endswith("\n") else line + "\n\\ no newline at end of file\n" for line in lines
    )


def _replace(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step; a link stays a link, and a file keeps its mode."""
    path = path.resolve()
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        if path.exists():
            fresh.chmod(path.stat().st_mode & 0o777)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
