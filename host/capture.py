"""Streams for a guest that is not to have the process's own: its input, and what of its output is kept."""

from __future__ import annotations

import fcntl
import os
import select
import tempfile
import termios
from array import array
from contextlib import contextmanager
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, Self

from host.job import Stdio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OUTPUT_BYTES: Final = 64 << 20
"""How much of each output stream is kept; the guest may write more, and is not told."""

_PIECE_BYTES: Final = 1 << 16


class Capture:
    """What one run wrote, and what there is to say of that: complete once the block of `capture` is left."""

    def __init__(self) -> None:
        self.stdout = b""
        self.stderr = b""
        self.notes: tuple[str, ...] = ()
        self.forget: Callable[[], None] = lambda: None
        """Keep nothing of what was written to stderr until now; for the block of `capture`."""


@contextmanager
def capture(
    kept: Capture, stdin: bytes | None, most: int = OUTPUT_BYTES, last: int | None = None
) -> Iterator[Stdio]:
    """Give the files for a guest's streams; whoever opens them has closed them before the block is left.

    Args:
        kept: Where the output goes.
        stdin: What the guest reads; nothing when None.
        most: How many bytes of each output stream to keep.
        last: How many of stderr to keep in place of that, not from its beginning but from its end; no note
            tells of the others.

    Raises:
        OSError: The process is short of files, or of room for `stdin`.
    """
    of_stderr = most if last is None else last
    with _file(stdin) as given, _Pipe(most) as stdout, _Pipe(of_stderr, is_tail=last is not None) as stderr:
        kept.forget = stderr.forget
        try:
            yield Stdio(given, stdout.path, stderr.path)
        except GeneratorExit:  # not left but collected as garbage, maybe before what has the streams open
            stdout.close()
            stderr.close()
            raise
        finally:
            kept.stdout, kept.stderr = stdout.finish(), stderr.finish()
            kept.notes = tuple(
                f"{pipe.dropped} bytes of {name} beyond the first {most} were not kept"
                for name, pipe in (("stdout", stdout), ("stderr", stderr))
                if pipe.dropped
            )


class _Pipe:
    """What a guest writes to one stream, taken from a pipe by a thread; nothing of it touches a disk."""

    def __init__(self, most: int, *, is_tail: bool = False) -> None:
        """Keep the first `most` bytes, or with `is_tail` the last."""
        self.dropped = 0
        """How many more there were than the first `most`."""
        self._kept = bytearray()
        self._most = most
        self._is_tail = is_tail
        self._lock = Lock()
        self._old = array("i", [0])
        """How many bytes still in the pipe are not to be kept; an int of C, for `ioctl` to fill."""
        self._reader, self._writer = os.pipe()
        self._is_open = True
        self._thread = Thread(target=self._drain, name="guest output", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    @property
    def path(self) -> str:
        """A name under which this process can open the end that is written to."""
        return _path(self._writer)

    def finish(self) -> bytes:
        """Return what was written; every other writer must be closed by now."""
        if self._is_open:
            self.close()
            self._thread.join()
        return bytes(self._kept)

    def close(self) -> None:
        """Let the thread end when every other writer is closed; do not wait for that."""
        if self._is_open:
            self._is_open = False
            os.close(self._writer)

    def forget(self) -> None:
        """Keep nothing of what was written until now, be it taken from the pipe or still in it."""
        with self._lock:
            self._kept.clear()
            fcntl.ioctl(self._reader, termios.FIONREAD, self._old)

    def _drain(self) -> None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        with open(self._reader, "rb", buffering=0) as stream:  # noqa: PTH123 - a descriptor has no path
            while True:
                poll.poll()  # not within the lock
                with self._lock:
                    piece = stream.read(_PIECE_BYTES)
                    if not piece:
                        return
                    self._keep(piece)

    def _keep(self, piece: bytes) -> None:
        old = min(self._old[0], len(piece))
        self._old[0] -= old
        if self._is_tail:
            self._kept += piece[old:]
            del self._kept[: max(len(self._kept) - self._most, 0)]
            return
        room = self._most - len(self._kept)
        self._kept += piece[old : old + room]
        self.dropped += max(len(piece) - old - room, 0)


@contextmanager
def _file(content: bytes | None) -> Iterator[str | None]:
    """Give the path of a file that has no other name, so that nothing can leave it behind."""
    if content is None:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)  # some systems share the position between all who open this path
        yield _path(file.fileno())


def _path(descriptor: int) -> str:
    return f"/dev/fd/{descriptor}"
