"""Streams for a guest that is not to have the process's own: its input, and what of its output is kept."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Final, Self

from host.job import Stdio

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUT_BYTES: Final = 64 << 20
"""How much of each output stream is kept; the guest may write more, and is not told."""

_PIECE_BYTES: Final = 1 << 16


class Capture:
    """What one run wrote, and what there is to say of that: complete once the block of `capture` is left."""

    def __init__(self) -> None:
        self.stdout = b""
        self.stderr = b""
        self.notes: tuple[str, ...] = ()


@contextmanager
def capture(kept: Capture, stdin: bytes | None, most: int = OUTPUT_BYTES) -> Iterator[Stdio]:
    """Give the files for a guest's streams; whoever opens them has closed them before the block is left.

    Args:
        kept: Where the output goes.
        stdin: What the guest reads; nothing when None.
        most: How many bytes of each output stream to keep.
    """
    with _file(stdin) as given, _Pipe(most) as stdout, _Pipe(most) as stderr:
        try:
            yield Stdio(given, stdout.path, stderr.path)
        finally:
            kept.stdout, kept.stderr = stdout.finish(), stderr.finish()
            kept.notes = tuple(
                f"{pipe.dropped} bytes of {name} beyond the first {most} were not kept"
                for name, pipe in (("stdout", stdout), ("stderr", stderr))
                if pipe.dropped
            )


class _Pipe:
    """What a guest writes to one stream, taken from a pipe by a thread; nothing of it touches a disk."""

    def __init__(self, most: int) -> None:
        self.dropped = 0
        self._kept = bytearray()
        self._most = most
        self._reader, self._writer = os.pipe()
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
        if self._thread.is_alive():
            os.close(self._writer)
            self._thread.join()
        return bytes(self._kept)

    def _drain(self) -> None:
        with open(self._reader, "rb", buffering=0) as stream:  # noqa: PTH123 - a descriptor has no path
            while piece := stream.read(_PIECE_BYTES):
                room = self._most - len(self._kept)
                self._kept += piece[:room]
                self.dropped += max(len(piece) - room, 0)


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
