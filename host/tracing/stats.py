"""Add up what the wasi-nn calls of a run cost: per function how many, how long, how many bytes.

Memory stays small however many calls there are: times are counted in classes 5 % wide, so a percentile is
right within 3 %; counts, totals and bytes are exact. Prints nothing.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from host.tracing.observe import Call

_CLASSES_PER_E: Final = 20
"""How many classes of durations there are for each factor of e: 20 makes them 5 % wide."""

_NS_PER_US: Final = 1000
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class FunctionStats:
    """What the calls of one function came to; times in nanoseconds, in the host alone.

    `bytes_in` were copied out of the guest's memory, `bytes_out` into it.
    """

    function: str
    calls: int
    errors: int
    total_ns: int
    p50_ns: int
    p99_ns: int
    bytes_in: int
    bytes_out: int

    @property
    def mean_ns(self) -> int:
        """The mean time of a call."""
        return round(self.total_ns / self.calls)


@dataclass(frozen=True, slots=True)
class Stats:
    """What a run's wasi-nn calls came to, by function, in the order they were first called.

    `run_ns` is the whole run: the guest's compilation, its own code, and the calls.
    """

    functions: tuple[FunctionStats, ...]
    run_ns: int

    @property
    def calls_ns(self) -> int:
        """The time of all calls."""
        return sum(function.total_ns for function in self.functions)


@dataclass(slots=True)
class _Sum:
    errors: int = 0
    total_ns: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    shortest_ns: int = 1 << 63
    longest_ns: int = 0
    classes: Counter[int] = field(default_factory=Counter)

    def percentile(self, percent: int) -> int:
        """Return the time that `percent` of the calls did not exceed (nearest rank)."""
        rank = math.ceil(self.classes.total() * percent / 100)
        for number in sorted(self.classes):
            rank -= self.classes[number]
            if rank <= 0:
                break
        middle = round(math.exp((number + 0.5) / _CLASSES_PER_E))
        return min(max(middle, self.shortest_ns), self.longest_ns)


@dataclass(slots=True)
class Collector:
    """Adds calls up."""

    _sums: dict[str, _Sum] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        """Count one call."""
        so_far = self._sums.setdefault(call.function.name, _Sum())
        so_far.errors += call.error is not None
        so_far.total_ns += call.duration_ns
        so_far.bytes_in += call.bytes_in
        so_far.bytes_out += call.bytes_out
        so_far.shortest_ns = min(so_far.shortest_ns, call.duration_ns)
        so_far.longest_ns = max(so_far.longest_ns, call.duration_ns)
        so_far.classes[int(math.log(max(call.duration_ns, 1)) * _CLASSES_PER_E)] += 1

    def stats(self, run_ns: int) -> Stats:
        """Return what there is so far, for a run that has taken `run_ns`."""
        return Stats(
            tuple(
                FunctionStats(
                    function=name,
                    calls=so_far.classes.total(),
                    errors=so_far.errors,
                    total_ns=so_far.total_ns,
                    p50_ns=so_far.percentile(50),
                    p99_ns=so_far.percentile(99),
                    bytes_in=so_far.bytes_in,
                    bytes_out=so_far.bytes_out,
                )
                for name, so_far in self._sums.items()
            ),
            run_ns,
        )


def table(stats: Stats) -> list[str]:
    """Return the lines of a table for a person."""
    rows = [
        ("function", "calls", "errors", "total ms", "mean us", "p50 us", "p99 us", "bytes in", "bytes out")
    ]
    rows += [
        (
            each.function,
            str(each.calls),
            str(each.errors),
            f"{each.total_ns / _NS_PER_MS:.3f}",
            f"{each.mean_ns / _NS_PER_US:.1f}",
            f"{each.p50_ns / _NS_PER_US:.1f}",
            f"{each.p99_ns / _NS_PER_US:.1f}",
            str(each.bytes_in),
            str(each.bytes_out),
        )
        for each in stats.functions
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    run, calls = stats.run_ns / _NS_PER_MS, stats.calls_ns / _NS_PER_MS
    lines.append(
        f"the run took {run:.0f} ms: {calls:.0f} ms in these calls, {run - calls:.0f} ms in the rest"
    )
    return lines


def to_json(stats: Stats) -> str:
    """Return the same as JSON: the fields of `Stats` and `FunctionStats`, and `mean_ns`."""
    functions = [asdict(each) | {"mean_ns": each.mean_ns} for each in stats.functions]
    return json.dumps({"functions": functions, "run_ns": stats.run_ns, "calls_ns": stats.calls_ns}, indent=2)
