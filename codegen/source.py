"""Source text, spans and the one diagnostic type every stage reports with.

It prints nothing and knows nothing of witx.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 50
"""Diagnostics printed in full; a binary file given by mistake has thousands."""
_EXCERPT_WIDTH = 160
"""Characters of a source line shown in a diagnostic: a 1 MB identifier must not flood a terminal."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One witx file: the path to show people and its full text."""

    path: str
    text: str

    def position(self, offset: int) -> tuple[int, int]:
        """Return the 1-based (line, column) of a 0-based character offset."""
        line_start = self.text.rfind("\n", 0, offset) + 1
        return self.text.count("\n", 0, offset) + 1, offset - line_start + 1

    def line_at(self, offset: int) -> str:
        """Return the line that holds a 0-based character offset, without its line end."""
        start = self.text.rfind("\n", 0, offset) + 1
        end = self.text.find("\n", offset)
        return self.text[start:] if end < 0 else self.text[start:end]


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of one source; every syntax node carries one."""

    source: Source
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem, where it is, and what the author can do about it."""

    message: str
    span: Span
    notes: tuple[tuple[str, Span], ...] = ()
    help: str | None = None

    def __str__(self) -> str:
        parts = [_excerpt(f"error: {self.message}", self.span)]
        parts += [_excerpt(f"note: {text}", span) for text, span in self.notes]
        if self.help:
            parts.append(f"help: {self.help}")
        return "\n".join(parts)


class WitxError(Exception):
    """All the problems one stage found, in source order; raised once, at the end of the stage."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        super().__init__()
        self.diagnostics = tuple(diagnostics)

    def __str__(self) -> str:
        shown = [str(diagnostic) for diagnostic in self.diagnostics[:SHOWN]]
        if len(self.diagnostics) > SHOWN:
            shown.append(f"… and {len(self.diagnostics) - SHOWN} more problems")
        return "\n\n".join(shown)


class TemplateProblem(Exception):  # noqa: N818 (named after what it carries, as Diagnostic is)
    """A template is missing or fails; the message starts with its path and line."""


def quoted(text: str) -> str:
    """Return text in backticks, shortened and with control characters escaped, for use in a message."""
    short = text if len(text) <= _EXCERPT_WIDTH // 2 else text[: _EXCERPT_WIDTH // 2] + "…"
    return f"`{visible(short)}`"


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate a person most likely meant, or None."""
    if len(name) > _EXCERPT_WIDTH:
        return None
    matches = get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """Return a help line naming the nearest candidate, or None."""
    match = nearest(name, candidates)
    return None if match is None else f"did you mean `{match}`?"


def visible(text: str) -> str:
    """Replace what could drive a terminal, one character for one, so carets stay aligned."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text.replace("\t", " "))


def _excerpt(label: str, span: Span) -> str:
    if not span.source.text:  # the file could not be read: there is nothing to point at
        return f"{visible(span.source.path)}: {label}"
    line, column = span.source.position(span.start)
    text = span.source.line_at(span.start)
    width = max(1, min(span.end - span.start, len(text) - column + 1))
    first = max(0, column - 1 - _EXCERPT_WIDTH // 2) if len(text) > _EXCERPT_WIDTH else 0
    shown = text[first : first + _EXCERPT_WIDTH]
    caret = column - 1 - first
    return (
        f"{visible(span.source.path)}:{line}:{column}: {label}\n"
        f"{line:>5} | {visible(shown)}\n"
        f"{'':>5} | {' ' * caret}{'^' * max(1, min(width, len(shown) - caret))}"
    )
