"""How much is measured: all of it, or a little of each to see that it can be; measures nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.bench.models import Task


@dataclass(frozen=True, slots=True)
class Effort:
    """Turns of each contender, `few` of what takes long, and how far what grows does.

    With `warm_up` there is one turn more, before the others, that does not count.
    """

    turns: int
    few: int
    warm_up: bool
    scale: float
    seconds: int
    largest: int
    graphs: tuple[int, ...]
    guests: tuple[int, ...]

    def rounds(self, task: Task) -> int:
        """Return how often a guest infers in one turn."""
        return max(2, round(task.rounds * self.scale))


FULL: Final = Effort(
    5,
    3,
    warm_up=True,
    scale=1.0,
    seconds=2,
    largest=1 << 26,
    graphs=(1, 10, 100, 1000),
    guests=(1, 2, 4, 8, 16),
)
QUICK: Final = Effort(
    1, 1, warm_up=False, scale=0.05, seconds=1, largest=1 << 20, graphs=(1, 10), guests=(1, 2)
)
