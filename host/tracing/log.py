"""What is to be told of one run from Python: its notes, and its calls and what they cost where asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from host.job import Listener
from host.quantities import shown_size
from host.tracing.observe import Load, Watch
from host.tracing.stats import Collector

if TYPE_CHECKING:
    from host.errors import NnError
    from host.tracing.observe import Call
    from host.tracing.stats import Stats

NOTES_KEPT: Final = 1000
"""How many notes a result has at most: a guest can fail as often as it likes."""

TRACE_BYTES: Final = 256 << 20
"""What the calls of a trace take in memory at most, about; the ones after that are not kept."""

_CALL_BYTES: Final = 2048
"""About what a call takes besides the bytes in it."""


class Log:
    """What is to be told of one run."""

    def __init__(self, *, has_stats: bool, has_trace: bool) -> None:
        """Keep the notes, and if asked for what the calls cost and the calls themselves."""
        self.notes: list[str] = []
        self._calls: list[Call] = []
        self._room = TRACE_BYTES
        self._collector = Collector()
        self._has_stats = has_stats
        self._has_trace = has_trace

    def listener(self) -> Listener:
        """Return what fills this."""
        is_watching = self._has_stats or self._has_trace
        watch = Watch(self._heard, has_contents=self._has_trace) if is_watching else None
        return Listener(report=self._report, notice=lambda _: None, warn=self._note, watch=watch)

    def stats(self, run_ns: int) -> Stats | None:
        """Return what the calls cost, if that was asked for."""
        return self._collector.stats(run_ns) if self._has_stats else None

    def trace(self) -> tuple[Call, ...] | None:
        """Return the calls, if they were asked for."""
        return tuple(self._calls) if self._has_trace else None

    def _report(self, function: str, error: NnError) -> None:
        self._note(f"{function} -> {error.errno.value} {error.errno.name.lower()}: {error.reason}")

    def _note(self, text: str) -> None:
        if len(self.notes) < NOTES_KEPT:
            self.notes.append(text)

    def _heard(self, call: Call) -> None:
        if self._has_stats:
            self._collector.add(call)
        if not self._has_trace or self._room < 0:
            return
        in_memory = 0 if isinstance(call.operation, Load) else call.bytes_in  # of models only hashes are kept
        self._room -= _CALL_BYTES + in_memory + call.bytes_out
        if self._room < 0:
            self._note(f"the trace ends before call {call.number}: it has {shown_size(TRACE_BYTES)} already")
            return
        self._calls.append(call)
