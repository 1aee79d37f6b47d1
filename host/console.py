"""What the commands of the host print with, and how they refuse bad usage; no command in it."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXIT_TRAP: Final = 1
EXIT_USAGE: Final = 2
EXIT_LIMIT: Final = 124
"""A limit of the operator's ended the run, be it time, fuel or memory; the number is that of `timeout`."""
EXIT_INTERRUPTED: Final = 130

_COLUMNS: Final = 80
_LINE_CHARACTERS: Final = 2000
_GRACE: Final = 0.5


class UsageError(Exception):
    """Bad usage or bad input; the message is one line, `details` are more of them as (kind, text)."""

    def __init__(self, message: str, details: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.details = details


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return argparse's own for the width there is; to learn that it would load `shutil` and compression."""
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() else 0
    with suppress(OSError):  # no terminal
        width = width or os.get_terminal_size().columns
    return argparse.RawDescriptionHelpFormatter(prog, width=(width or _COLUMNS) - 2)


class Parser(argparse.ArgumentParser):
    """argparse, but a problem is a UsageError and help does not fail on a closed pipe."""

    def __init__(
        self, command: str, description: str = "", epilog: str = "", usage: str | None = None
    ) -> None:
        """Parse the options of `command`; they cannot be shortened, and `epilog` is shown as it is."""
        super().__init__(
            prog=f"python -m host {command}",
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=_formatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> None:  # type: ignore[override]  # typeshed: NoReturn, and so it is
        """Raise UsageError."""
        raise UsageError(f"{message}; `{self.prog} --help` says more")

    def print_help(self, file: object = None) -> None:  # noqa: ARG002 - argparse's signature
        """Print the help to stdout."""
        write(self.format_help())


def say(kind: str, text: str) -> None:
    """Print one line to stderr, safe to show on a terminal whatever the guest put into it."""
    if sys.stderr is None:  # closed by whoever started us; `print` would turn to stdout
        return
    with suppress(OSError):
        print(f"{kind}: {printable(text)}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return `text` as one line without control characters, cut where it gets too long for a line."""
    shown = text if len(text) <= _LINE_CHARACTERS else f"{text[:_LINE_CHARACTERS]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def write(text: str) -> None:
    """Print to stdout, with escapes for what its encoding lacks; a reader that has gone away is no error."""
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except OSError as error:
        # Python flushes stdout once more at exit and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise


def stdout() -> BinaryIO:
    """Return stdout for bytes, each written at once; OSError when it was closed by whoever started us."""
    return open(1, "wb", buffering=0, closefd=False)


def stdin() -> BinaryIO:
    """Return stdin for bytes; OSError when it was closed by whoever started us."""
    return open(0, "rb", closefd=False)


def has_terminal() -> bool:
    """Return whether there is somebody to see `status`."""
    return sys.stderr is not None and sys.stderr.isatty()


def status(text: str) -> None:
    """Put `text` in the place of the line that stderr's terminal ends in; none when it is empty."""
    with suppress(OSError):
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def status_end() -> None:
    """Leave the line of `status` where it is and begin another."""
    with suppress(OSError):
        print(file=sys.stderr, flush=True)


def leave(code: int) -> NoReturn:
    """End the process at once: threads may be inside guests, and nothing is taken down.

    But the folder goes in which multiprocessing has its fork server's socket, as it would at an end in order.
    """
    if "multiprocessing.forkserver" in sys.modules:
        import shutil  # noqa: PLC0415 - a small run takes neither
        from multiprocessing import util  # noqa: PLC0415 - as above

        shutil.rmtree(util.get_temp_dir(), ignore_errors=True)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


@contextmanager
def deadline(seconds: float | None, message: str) -> Iterator[list[Callable[[], None]]]:
    """End the process with `message` and EXIT_LIMIT when the block takes longer, whatever it is waiting for.

    It gets a little longer than `seconds`, to come to an end by itself; for ever when they are None. Yields a
    list: what the block puts into it is called before the end, while the block still runs in its own thread.
    """
    at_last: list[Callable[[], None]] = []
    if seconds is None:
        yield at_last
        return
    is_done = Event()

    def end() -> None:
        if not is_done.wait(seconds + _GRACE):
            for last in at_last:
                with suppress(Exception):  # nothing may keep the process from its end
                    last()
            say("error", message)
            os._exit(EXIT_LIMIT)  # the other thread may be deep inside an inference, a read or a sleep

    Thread(target=end, name="deadline", daemon=True).start()
    try:
        yield at_last
    finally:
        is_done.set()
