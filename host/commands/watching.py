"""What `--trace` and `--stats` do with the calls of a run; knows no options."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from host.commands.watch_options import STDERR
from host.console import UsageError, say
from host.quantities import shown_size
from host.tracing.stats import Collector, table, to_json
from host.tracing.trace import TraceFile, TraceFullError, private_file, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from host.job import Job
    from host.tracing.observe import Call

_LOCK_SECONDS: Final = 1.0


class Observer:
    """Hears the calls of one run, for a trace and for statistics; a file that fails costs that file only."""

    def __init__(self, trace: str | None, stats: str | None, trace_bytes: int, job: Job) -> None:
        """Make the files; UsageError when one cannot be made, and there is no new file then.

        Args:
            trace: A new file for the calls, STDERR, or None when they are not to be told.
            stats: A new file for what they cost, STDERR, or None.
            trace_bytes: What the first holds of the calls at most.
            job: What is going to run.
        """
        self._shows_calls = trace == STDERR
        self._shows_stats = stats == STDERR
        self._trace_bytes = trace_bytes
        self._collector = Collector()
        self._began = perf_counter_ns()
        self._trace: TraceFile | None = None
        self._stats: BinaryIO | None = None
        self._lock = Lock()
        """Held while a call is told of or the end: the end may come from another thread."""
        self._is_over = False
        with ExitStack() as undo:
            if trace is not None and not self._shows_calls:
                with _usage("--trace", trace):
                    self._trace = TraceFile(Path(trace), job, self._trace_bytes)
                undo.callback(Path(trace).unlink)
            if stats is not None and not self._shows_stats:
                with _usage("--stats", stats):
                    self._stats = private_file(Path(stats))
            undo.pop_all()

    def hear(self, call: Call) -> None:
        """Hear of a call that was made."""
        with self._lock:
            if not self._is_over:
                self._hear(call)

    def end(self, how: str, code: int, message: str | None) -> None:
        """Hear of the end of the run; of the first one only."""
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
