"""The options with which a run is watched, `--trace` and `--stats`, and what they do; no command itself."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from host.console import EXIT_LIMIT, EXIT_TRAP, EXIT_USAGE, UsageError, say
from host.job import BadGuestError, GuestTrapError, LimitError
from host.tracing.observe import Watch
from host.tracing.stats import Collector, table, to_json
from host.tracing.trace import TraceFile, private_file, shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from host.console import Parser
    from host.job import Job
    from host.tracing.observe import Call

_NAMES: Final = ("--trace", "--stats")
_STDERR: Final = "\0"
"""What stands for no file: no path and no argument of a process can have it."""


def spelled_out(arguments: list[str]) -> list[str]:
    """Return `arguments` with a value for each of the options that has none.

    Only `--trace=FILE` names a file: argparse would take the word after `--trace` for one, the guest.
    """
    return [f"{word}={_STDERR}" if word in _NAMES else word for word in arguments]


def add_to(parser: Parser) -> None:
    """Add the options to `parser`, whose arguments come from `spelled_out`."""
    parser.add_argument(
        "--trace", metavar="=FILE.jsonl", nargs="?",
        help="tell of every wasi-nn call on stderr, or write it and its data to a new file FILE.jsonl, for "
        "`python -m host replay`; it holds what the guest gave to models and got from them",
    )  # fmt: skip
    parser.add_argument(
        "--stats", metavar="=FILE.json", nargs="?",
        help="say at the end what the wasi-nn calls cost, on stderr or in a new file FILE.json",
    )  # fmt: skip


def watched(options: argparse.Namespace, job: Job, run: Callable[[Watch | None], int]) -> int:
    """Call `run`, watched as `options` ask, and return the guest's exit code.

    UsageError when a file cannot be made, before anything runs. What `run` raises goes on to the caller.
    """
    if options.trace is None and options.stats is None:
        return run(None)
    observer = _Observer(options, job)
    try:
        code = run(Watch(observer.hear, has_contents=options.trace is not None))
    except BadGuestError as error:
        observer.end("refused", EXIT_USAGE, str(error))
        raise
    except GuestTrapError as error:
        observer.end("trap", EXIT_TRAP, str(error))
        raise
    except LimitError as error:
        observer.end("limit", EXIT_LIMIT, str(error))
        raise
    observer.end("exit", code, None)
    return code


class _Observer:
    """Hears the calls of one run, for a trace and for statistics; a file that fails costs that file only."""

    def __init__(self, options: argparse.Namespace, job: Job) -> None:
        self._shows_calls = options.trace == _STDERR
        self._shows_stats = options.stats == _STDERR
        self._collector = Collector()
        self._began = perf_counter_ns()
        self._trace: TraceFile | None = None
        self._stats: BinaryIO | None = None
        if options.trace is not None and not self._shows_calls:
            with _usage("--trace", options.trace):
                self._trace = TraceFile(Path(options.trace), job)
        if options.stats is not None and not self._shows_stats:
            with _usage("--stats", options.stats):
                self._stats = private_file(Path(options.stats))

    def hear(self, call: Call) -> None:
        self._collector.add(call)
        if self._shows_calls:
            say("trace", shown(call))
        if self._trace is None:
            return
        try:
            self._trace.call(call)
        except OSError as error:
            say("note", f"the trace ends before call {call.number}: {error.strerror}")
            self._trace = None

    def end(self, how: str, code: int, message: str | None) -> None:
        stats = self._collector.stats(perf_counter_ns() - self._began)
        if self._trace is not None:
            self._trace.end(how, code, message)
        if self._stats is not None:
            try:
                with self._stats as file:
                    file.write(to_json(stats).encode())
            except OSError as error:
                say("note", f"the statistics are not whole: {error.strerror}")
        for line in table(stats) if self._shows_stats else ():
            say("stats", line)


@contextmanager
def _usage(option: str, path: str) -> Iterator[None]:
    """Make a UsageError of what keeps a file from being made."""
    try:
        yield
    except FileExistsError:
        raise UsageError(
            f"`{option}={path}`: there is such a file already, and it is not written over"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, in a call of `main` from Python
        raise UsageError(f"`{option}={path}`: {getattr(error, 'strerror', None) or error}") from error
