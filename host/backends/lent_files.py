"""Bytes as files, for as long as a reader that knows only paths reads them; nobody else can.

The folder is the user's alone and locked while in use. A process that is killed leaves its folder behind, but
not the lock, and so the next one can tell that nobody needs it any more. For systems that have `flock`.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX: Final = "wasinn-lent-"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def lent(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Give a folder that holds `files`, by name, and remove it at the end; OSError when it cannot be made.

    What killed processes left is removed first.
    """
    remove_left_overs()
    path, folder = _new_folder()
    try:
        for name, data in files.items():
            file = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
            with open(file, "wb") as stream:  # noqa: PTH123 - it is open already
                stream.write(data)
        yield path
    finally:
        _remove(path, folder)
        os.close(folder)


def remove_left_overs() -> None:
    """Remove the folders of this user's processes that were killed; what cannot be removed stays."""
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                _remove_left_over(Path(entry.path))


def _new_folder() -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        folder = os.open(path, _FOLDER)
        fcntl.flock(folder, fcntl.LOCK_EX)
        if _is_at(path, folder):
            return path, folder
        os.close(folder)  # taken for a left-over before it was locked


def _remove_left_over(path: Path) -> None:
    with suppress(OSError):
        folder = os.open(path, _FOLDER)
        try:
            if os.fstat(folder).st_uid == os.geteuid():
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError while its process lives
                if _is_at(path, folder):
                    _remove(path, folder)
        finally:
            os.close(folder)


def _is_at(path: Path, folder: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(folder))
    except FileNotFoundError:
        return False


def _remove(path: Path, folder: int) -> None:
    for name in os.listdir(folder):
        os.unlink(name, dir_fd=folder)
    path.rmdir()
