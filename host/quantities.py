"""Read and write amounts of bytes and of time the way people type them; knows no option by name."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE: Final = re.compile(r"([0-9]{1,15})(?:([KMG])(?:iB)?)?", re.ASCII)
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([sm]?)", re.ASCII)
_MINUTE: Final = 60

LONGEST: Final = 1_000_000_000.0
"""The longest time in seconds, some thirty years: what clocks and threads can wait for without overflow."""


def size(text: str) -> int:
    """Return the bytes that `512`, `64K`, `512M` or `2GiB` say; units are powers of 1024. ValueError if none.

    `MB` is refused: to some it is a million bytes, to others 1048576.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"`{text}` is no size: say bytes, or K, M, G for powers of 1024, as in 512M or 2GiB")
    return int(found[1]) * _UNITS[found[2] or ""]


def duration(text: str) -> float:
    """Return the seconds that `1.5`, `90s` or `2m` say; ValueError if none, or not above 0."""
    found = _DURATION.fullmatch(text)
    seconds = float(found[1]) * (_MINUTE if found[2] == "m" else 1) if found else 0.0
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"`{text}` is no time: say seconds above 0, or minutes, as in 1.5, 90s or 2m")
    return seconds


def number(text: str, least: int, most: int) -> int:
    """Return the whole number that `text` says; ValueError if none from `least` to `most`."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most:
        return int(text)
    raise ValueError(f"`{text}` is no number from {least} to {most}")


def shown_size(count: int) -> str:
    """Return an amount of bytes for a message, such as `64 MiB`; odd ones are rounded."""
    unit = max((unit for unit, worth in _UNITS.items() if count >= worth), key=_UNITS.__getitem__, default="")
    return f"{count / _UNITS[unit]:.4g} {unit}iB" if unit else f"{count} bytes"
