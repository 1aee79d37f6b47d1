"""What was compiled, kept in files for the next run: found by all that it was made of, or not at all.

Knows neither guests nor models. An entry that is damaged, or not this user's own, is as good as none.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache as once
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.quantities import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST: Final = 1 << 30
"""Bytes that the entries of a folder take at most; what was not used for longest goes first."""

_MAGIC: Final = b"wasinn\0\1"
_TRAILER: Final = len(_MAGIC) + sha256().digest_size
"""Bytes after what was put: the magic, and the hash of the key and of all that is before."""

_SUFFIX: Final = ".entry"
_NEW: Final = "new-"
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK: Final = 1 << 20
_PROCESSOR: Final = ("model name", "flags", "Features", "CPU implementer", "CPU part")
_PROCESSOR_CHARACTERS: Final = 1 << 13


class CacheUnusableError(Exception):
    """The folder cannot hold a cache; the message is one line: which, why, and what would do."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How many entries there are, and the bytes they take."""

    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Cache:
    """Entries in one folder, for any number of threads and processes at once."""

    folder: Path
    most: int = MOST

    def get(self, key: str) -> memoryview | None:
        """Return what was put under `key`, or None; it is mapped, and stays when the file is removed."""
        with suppress(OSError, ValueError):
            file = os.open(self._path(key), _OPEN)
            try:
                status = os.fstat(file)
                if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                    return None
                content = memoryview(mmap.mmap(file, status.st_size, access=mmap.ACCESS_READ))
                if _is_sealed(key, content):
                    with suppress(OSError):  # an entry may be there to be read only
                        os.utime(file)
                    return content[:-_TRAILER]
            finally:
                os.close(file)
            self.drop(key)
        return None

    def put(self, key: str, write: Callable[[Path], object]) -> None:
        """Keep what `write` writes to the file at a path it is given; an entry appears whole or not at all.

        A disk that is full, and what alone is more than `most`, is no error: there is no entry then.
        """
        with suppress(OSError):
            self._trim()  # before, too: a process that is killed while it writes does not get any further
            path = self.folder / f"{_NEW}{os.urandom(16).hex()}"
            lock = os.open(path, _CREATE, stat.S_IRUSR | stat.S_IWUSR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                write(path)
                if path.stat().st_size <= self.most:
                    _seal(key, path)
                    path.replace(self._path(key))
            finally:
                path.unlink(missing_ok=True)
                os.close(lock)
            self._trim()

    def drop(self, key: str) -> None:
        """Remove what is under `key`, if there is anything."""
        with suppress(OSError):
            self._path(key).unlink()

    def clear(self) -> Usage:
        """Remove all entries, also those that others are writing; return what was there."""
        before = self.usage()
        for path, _ in self._files(_SUFFIX, _NEW):
            path.unlink(missing_ok=True)
        return before

    def usage(self) -> Usage:
        """Return what the entries take."""
        sizes = [status.st_size for _, status in self._files(_SUFFIX)]
        return Usage(len(sizes), sum(sizes))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _files(self, *marks: str) -> Iterator[tuple[Path, os.stat_result]]:
        with os.scandir(self.folder) as found:
            for each in found:
                if each.name.startswith(marks) or each.name.endswith(marks):
                    with suppress(FileNotFoundError):  # another process was quicker
                        status = each.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):
                            yield Path(each.path), status

    def _trim(self) -> None:
        entries = sorted(self._files(_SUFFIX), key=lambda found: found[1].st_mtime, reverse=True)
        total = 0
        for path, status in entries:
            total += status.st_size
            if total > self.most:
                path.unlink(missing_ok=True)
        for path, _ in self._files(_NEW):
            if not _is_locked(path):
                path.unlink(missing_ok=True)


def key(*parts: bytes | str) -> str:
    """Return the key of what is made of `parts`, in this order, on this processor: 64 hex digits."""
    sha = sha256(_MAGIC)
    for part in (processor(), *parts):
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in some files, without holding it."""

    files: tuple[Path, ...]
    _seen: list[tuple[int, ...]] = field(default_factory=list)

    def identity(self) -> str:
        """Return a key of all the bytes in them; OSError."""
        self._seen[:] = self._states()
        hashes = []
        for path in self.files:
            with path.open("rb") as file:
                hashes.append(file_digest(file, sha256).digest())
        return key(*hashes)

    def size(self) -> int:
        """Return how many bytes are in them; OSError."""
        return sum(path.stat().st_size for path in self.files)

    def are_same(self) -> bool:
        """Return whether the files are as they were when `identity` began to read them."""
        try:
            return self._seen == self._states()
        except OSError:
            return False

    def _states(self) -> list[tuple[int, ...]]:
        found = [path.stat() for path in self.files]
        return [
            (each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in found
        ]


def user_cache() -> Cache:
    """Return the cache of this user, in `wasinn` under `$XDG_CACHE_HOME`, or else under `~/.cache`.

    `$WASINN_CACHE_SIZE` is how much it holds, such as `4G`; MOST when not set.

    Raises:
        CacheUnusableError: the folder cannot be made, or others can write to it: what is in it gets executed.
    """
    try:
        most = size(os.environ.get("WASINN_CACHE_SIZE") or str(MOST))
    except ValueError as error:
        raise CacheUnusableError(f"no cache: in `WASINN_CACHE_SIZE` {error}") from error
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    folder = (base if base.is_absolute() else Path("~/.cache")) / "wasinn"
    try:
        folder = folder.expanduser()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=stat.S_IRWXU)
        status = folder.lstat()
    except (OSError, RuntimeError) as error:
        raise CacheUnusableError(f"no cache in `{folder}`: {error}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise CacheUnusableError(f"no cache in `{folder}`: it is not a folder")
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheUnusableError(f"no cache in `{folder}`: others may write to it; `chmod 700` would do")
    return Cache(folder, most)


@once
def processor() -> str:
    """Return what tells this processor from another, as far as compiled code goes."""
    text = ""
    with (
        suppress(OSError),
        Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file,  # elsewhere there is none
    ):
        text = file.read(_PROCESSOR_CHARACTERS)
    first = text.partition("\n\n")[0].splitlines()
    return "\n".join([os.uname().machine, *(line for line in first if line.startswith(_PROCESSOR))])


def _is_locked(path: Path) -> bool:
    """Return whether a process is at a file: the lock of one that was killed is gone."""
    try:
        file = os.open(path, _OPEN)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _seal(key: str, path: Path) -> None:
    """Write the trailer: without it, and with another, a file is no entry."""
    sha = sha256(key.encode())
    with path.open("r+b") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
        file.write(_MAGIC + sha.digest())


def _is_sealed(key: str, content: memoryview) -> bool:
    end = len(content) - _TRAILER
    if end < 0:
        return False
    sha = sha256(key.encode())
    sha.update(content[:end])
    return bytes(content[end:]) == _MAGIC + sha.digest()
