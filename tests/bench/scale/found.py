"""What a suite measured: tables of numbers, and goals with what was reached; measures nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SMALL: Final = 100


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of numbers, the first thing in each what they are of."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]


@dataclass(frozen=True, slots=True)
class Goal:
    """A number, and the limit that it should have at most, or at least."""

    what: str
    measured: float
    limit: float
    unit: str
    is_least: bool = False

    @property
    def is_reached(self) -> bool:
        """Whether the number is as it should be."""
        return self.measured >= self.limit if self.is_least else self.measured <= self.limit


@dataclass(frozen=True, slots=True)
class Found:
    """What a suite measured, or in one line why it could not."""

    tables: tuple[Table, ...] = ()
    goals: tuple[Goal, ...] = ()
    left_out: str | None = None


def lines(found: Mapping[str, Found]) -> Iterator[str]:
    """Yield what is found, as Markdown."""
    for suite, each in found.items():
        if each.left_out:
            yield f"{suite}: left out: {each.left_out}\n"
        for table in each.tables:
            yield f"| {' | '.join((suite, *table.columns))} |"
            yield "|---" * (1 + len(table.columns)) + "|"
            for name, numbers in table.rows:
                yield f"| {' | '.join((name, *map(_shown, numbers)))} |"
            yield ""
    yield "| goal | measured | wanted | |\n|---|---|---|---|"
    for goal in (goal for each in found.values() for goal in each.goals):
        wanted = f"{'>=' if goal.is_least else '<='} {goal.limit:g} {goal.unit}"
        reached = "reached" if goal.is_reached else "not reached"
        yield f"| {goal.what} | {_shown(goal.measured)} {goal.unit} | {wanted} | {reached} |"


def dumps(machine: Mapping[str, str], found: Mapping[str, Found]) -> str:
    """Return all of it as JSON, and of each goal whether it is reached."""
    suites = {
        suite: {
            **asdict(each),
            "goals": [{**asdict(goal), "is_reached": goal.is_reached} for goal in each.goals],
        }
        for suite, each in found.items()
    }
    return json.dumps({"machine": machine, "suites": suites}, indent=1) + "\n"


def _shown(number: float) -> str:
    return f"{number:.0f}" if number >= _SMALL else f"{number:.2f}"
