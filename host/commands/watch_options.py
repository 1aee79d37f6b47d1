"""The options with which a run is watched, `--trace` and `--stats`, and what they do; no command itself."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from host import quantities
from host.commands.limit_options import argument
from host.console import EXIT_LIMIT, EXIT_TRAP, EXIT_USAGE, UsageError, say
from host.job import BadGuestError, GuestTrapError, LimitError
from host.quantities import shown_size
from host.tracing.observe import Watch
from host.tracing.stats import Collector, table, to_json
from host.tracing.trace import TRACE_BYTES, TraceFile, TraceFullError, private_file, shown

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

_GUESTS: Final = (".wasm", ".wat")
_LOCK_SECONDS: Final = 1.0


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
        "--max-trace-bytes", metavar="SIZE", type=argument(quantities.size), default=TRACE_BYTES,
        help=f"what `--trace=FILE` writes of the calls at most (default: {shown_size(TRACE_BYTES)})",
    )  # fmt: skip
    parser.add_argument(
        "--stats", metavar="=FILE.json", nargs="?",
        help="say at the end what the wasi-nn calls cost, on stderr or in a new file FILE.json",
    )  # fmt: skip


def watched(
    options: argparse.Namespace,
    job: Job,
    at_last: list[Callable[[], None]],
    run: Callable[[Job, Watch | None], int],
) -> int:
    """Call `run`, watched as `options` ask, and return the guest's exit code.

    `at_last` gets what ends the recording when the process ends before `run` does. UsageError when a file
    cannot be made, before anything runs; there is no new file then, nor when the guest cannot be read. What
    `run` raises goes on to the caller.
    """
    if options.trace is None and options.stats is None:
        return run(job, None)
    job = replace(job, code=_code(options, job))
    observer = _Observer(options, job)
    at_last.append(lambda: observer.end("limit", EXIT_LIMIT, job.bounds.out_of_time))
    try:
        code = run(job, Watch(observer.hear, has_contents=options.trace is not None))
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


def _code(options: argparse.Namespace, job: Job) -> bytes:
    """Return the guest, read once: what is traced has to be what runs."""
    from host.guests import read_code  # noqa: PLC0415 - loads wasmtime: usage errors come without it

    try:
        return read_code(job.guest)
    except BadGuestError as error:
        if job.guest.suffix in _GUESTS:
            raise
        bare = (name for name in _NAMES if getattr(options, name.removeprefix("--")) == _STDERR)
        hints = tuple(("hint", f"if that is to be written, use `{name}={job.guest}`") for name in bare)
        raise BadGuestError(str(error), (*error.details, *hints)) from error


class _Observer:
    """Hears the calls of one run, for a trace and for statistics; a file that fails costs that file only."""

    def __init__(self, options: argparse.Namespace, job: Job) -> None:
        self._shows_calls = options.trace == _STDERR
        self._shows_stats = options.stats == _STDERR
        self._trace_bytes = options.max_trace_bytes
        self._collector = Collector()
        self._began = perf_counter_ns()
        self._trace: TraceFile | None = None
        self._stats: BinaryIO | None = None
        self._lock = Lock()
        """Held while a call is told of or the end: the end may come from another thread."""
        self._is_over = False
        with ExitStack() as undo:
            if options.trace is not None and not self._shows_calls:
                with _usage("--trace", options.trace):
                    self._trace = TraceFile(Path(options.trace), job, self._trace_bytes)
                undo.callback(Path(options.trace).unlink)
            if options.stats is not None and not self._shows_stats:
                with _usage("--stats", options.stats):
                    self._stats = private_file(Path(options.stats))
            undo.pop_all()

    def hear(self, call: Call) -> None:
        with self._lock:
            if not self._is_over:
                self._hear(call)

    def end(self, how: str, code: int, message: str | None) -> None:
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            return  # a write that hangs must not keep the process from its end
        try:
            if not self._is_over:
                self._end(how, code, message)
        finally:
            self._is_over = True
            self._lock.release()

    def _hear(self, call: Call) -> None:
        self._collector.add(call)
        if self._shows_calls:
            say("trace", shown(call))
        if self._trace is None:
            return
        try:
            self._trace.call(call)
        except OSError as error:
            self._trace_ends(call, str(error.strerror))
        except TraceFullError:
            most = shown_size(self._trace_bytes)
            self._trace_ends(call, f"it has the {most} that `--max-trace-bytes` allows")

    def _trace_ends(self, call: Call, why: str) -> None:
        say("note", f"the trace ends before call {call.number}: {why}")
        self._trace = None

    def _end(self, how: str, code: int, message: str | None) -> None:
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
