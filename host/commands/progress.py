"""How far a long command has come, as one line on a terminal; nothing anywhere else."""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import Final

from host import console

_EVERY: Final = 0.2
_WIDTH: Final = 24
_WINDOW: Final = 10.0


class Progress:
    """A bar, the rate and what is left to wait."""

    def __init__(self, total: int | None, done: int = 0, unit: str = "", records: int | None = None) -> None:
        """Begin; `total` is None when nobody knows, `done` were there before.

        `unit` is what is counted when that is not records but parts with `records` in them: these come
        seldom, so the rate is that of the whole time.
        """
        self._total = total
        self._unit = unit
        self._window = inf if unit else _WINDOW
        self._shown = 0.0
        self._marks = [(monotonic(), done)]
        self._records = records or 0
        self._is_on = console.has_terminal()

    def show(self, done: int, failed: int, *, records: int = 0, is_last: bool = False) -> None:
        """Tell of so many, failed ones among them, and of their `records`; most calls do nothing."""
        now = monotonic()
        if not self._is_on or (now - self._shown < _EVERY and not is_last):
            return
        self._shown = now
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] > self._window:  # noqa: PLR2004 - a first and a last
            del self._marks[0]
        rate, speed = _rate(self._marks), ""
        if self._unit:
            speed = f"{(records - self._records) / max(now - self._marks[0][0], _EVERY):.0f} records/s"
        console.status(_text(done, self._total, failed, rate, (self._unit, speed or f"{rate:.1f}/s")))

    def clear(self) -> None:
        """Take the line away, for another to be written."""
        if self._is_on:
            console.status("")

    def end(self) -> None:
        """Leave the line where it is."""
        if self._is_on:
            console.status_end()


def _rate(marks: list[tuple[float, int]]) -> float:
    (since, before), (now, done) = marks[0], marks[-1]
    return (done - before) / (now - since) if now > since else 0.0


def _text(done: int, total: int | None, failed: int, rate: float, told: tuple[str, str]) -> str:
    unit, speed = told
    parts = [f"{done} records" if total is None else f"{done}/{total} {unit}".rstrip(), speed]
    if total:
        full = _WIDTH * done // total
        parts.insert(0, f"[{'#' * full}{'.' * (_WIDTH - full)}]")
        if rate and done < total:
            parts.append(f"ETA {_time((total - done) / rate)}")
    if failed:
        parts.append(f"{failed} failed")
    return "  ".join(parts)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
