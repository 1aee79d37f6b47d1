"""Witx files from disk: decoded, parsed, each loaded once.

A path in a `use` is relative to the file that says it. No name is looked up here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from codegen import parser, sexpr
from codegen.source import Diagnostic, Source, Span, WitxError, quoted

if TYPE_CHECKING:
    from codegen import syntax


class Loader:
    """Remembers which files were loaded; give `load` to `resolve`.

    Loaders that share `parsed` read each file once between them; one that was refused is read again.
    """

    def __init__(self, parsed: dict[Path, syntax.File] | None = None) -> None:
        self._parsed = {} if parsed is None else parsed
        self._loaded: set[Path] = set()

    def load(self, origin: str, used: syntax.Name | None) -> tuple[str, syntax.File] | None:
        """Read and parse one file, or return None when it was loaded before.

        Args:
            origin: the file to load; when `used` is given, the file that contains the `use`.
            used: the path as written in a `use`, or None for a file named on the command line.

        Raises:
            WitxError: the file cannot be read, is not UTF-8, or is not witx.
        """
        path = Path(origin) if used is None else Path(origin).parent / used.text
        try:
            canonical = path.resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a NUL in the path, or a loop of links
            raise _unreadable(path, used, error) from None
        if canonical in self._loaded:
            return None
        self._loaded.add(canonical)
        if canonical not in self._parsed:
            self._parsed[canonical] = parser.parse(sexpr.read(read_source(path, used)))
        return os.fspath(path), self._parsed[canonical]


def read_source(path: Path, used: syntax.Name | None = None) -> Source:
    """Read one file; `used` is where a `use` names it.

    Raises:
        WitxError: it cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unreadable(path, used, error) from None
    return _decoded(os.fspath(path), data)


def _unreadable(path: Path, used: syntax.Name | None, error: Exception) -> WitxError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    span = used.span if used else Span(Source(os.fspath(path), ""), 0, 0)
    return WitxError([Diagnostic(f"cannot read {quoted(os.fspath(path))}: {reason}", span)])


def _decoded(path: str, data: bytes) -> Source:
    try:
        return Source(path, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        source = Source(path, data.decode("utf-8", "replace"))
        start = len(data[: error.start].decode("utf-8", "replace"))
        raise WitxError([Diagnostic("this file is not UTF-8", Span(source, start, start + 1))]) from None
