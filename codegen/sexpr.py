"""Text to s-expressions, each with its span and the comments that stand before it.

It knows the lexical grammar of the WebAssembly text format and no witx keyword.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from codegen.source import Diagnostic, Span, WitxError, quoted

if TYPE_CHECKING:
    from codegen.source import Source

MAX_DEPTH: Final = 100
"""Nesting allowed; real specs stay under 10, and later stages may recurse safely."""

AtomKind = Literal["id", "word", "annotation", "string", "integer"]


@dataclass(frozen=True, slots=True)
class Comment:
    """A `;; …` or `(; … ;)` comment, as written."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Atom:
    """A leaf. `text` is the name without `$` or `@`, the decoded string, or the integer's digits."""

    kind: AtomKind
    text: str
    span: Span
    comments: tuple[Comment, ...] = ()
    value: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A parenthesised list; its span runs from `(` to `)`. `trailing` are the comments before that `)`."""

    items: tuple[SExpr, ...]
    span: Span
    comments: tuple[Comment, ...] = ()
    trailing: tuple[Comment, ...] = ()


SExpr = Atom | Group

_HEX = r"[0-9a-fA-F]"
_ID_CHARS = r"0-9A-Za-z!#$%&'*+\-./:<=>?@\\^_`|~"
_TOKEN = re.compile(
    rf"""
      (?P<space>    [ \t\r\n]+ )
    | (?P<line>     ;;[^\n]* )
    | (?P<block>    \(; )
    | (?P<open>     \( )
    | (?P<close>    \) )
    | (?P<string>   "(?:[^"\\\n]|\\[^\n])*" )
    | (?P<atom>     [{_ID_CHARS}]+ )
    """,
    re.VERBOSE,
)
_BLOCK_EDGE = re.compile(r"\(;|;\)")
_INTEGER = re.compile(rf"\+?(?:0x{_HEX}+(?:_{_HEX}+)*|[0-9]+(?:_[0-9]+)*)\Z")
_ESCAPE = re.compile(rf"\\(?:([tnr\"'\\])|({_HEX}{{2}})|u\{{({_HEX}+(?:_{_HEX}+)*)\}})")
_SIMPLE_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", '"': '"', "'": "'", "\\": "\\"}
_FORBIDDEN = re.compile(
    # Control characters, DEL, byte-order marks, and directional overrides, which make text lie to its reader.
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\u202a-\u202e\u2066-\u2069\u206c]"
)
_U64_END = 1 << 64
_INTEGER_DIGITS = 64
"""Longer digit strings cannot fit u64 and are refused before Python's slow and limited conversion."""


def read(source: Source) -> Group:
    """Return the top-level expressions of a source as one group that spans it.

    Raises:
        WitxError: the text is not lexically valid or not balanced; carries every problem found.
    """
    return _Reader(source).read()


class _Reader:
    """One pass over one source; collects problems instead of stopping at the first."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Diagnostic] = []
        self.comments: list[Comment] = []
        self.stack: list[tuple[int, tuple[Comment, ...]]] = []
        self.levels: list[list[SExpr]] = [[]]

    def read(self) -> Group:
        text = self.source.text
        for match in _FORBIDDEN.finditer(text):
            message = f"character U+{ord(match[0]):04X} is not allowed in witx"
            self._report(message, match.start(), match.end())
        position = 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            if token is None:
                position = self._stray(position)
            elif token.lastgroup == "block":
                position = self._block_comment(position)
            else:
                self._token(token.lastgroup or "", token[0], position)
                position = token.end()
        for start, _ in self.stack:
            self._report("this `(` is never closed", start, start + 1)
        if self.problems:
            raise WitxError(sorted(self.problems, key=lambda d: d.span.start))
        return Group(tuple(self.levels[0]), self._span(0, len(text)), trailing=self._take())

    def _token(self, kind: str, text: str, start: int) -> None:
        if kind == "line":
            self.comments.append(Comment(text, self._span(start, start + len(text))))
        elif kind == "open":
            self._open(start)
        elif kind == "close":
            self._close(start)
        elif kind == "string":
            span = self._span(start, start + len(text))
            self._add(Atom("string", self._decode(text, start), span, self._take()))
        elif kind == "atom":
            self._atom(text, start)

    def _open(self, start: int) -> None:
        if len(self.stack) == MAX_DEPTH:
            self._report(f"nested more than {MAX_DEPTH} levels deep", start, start + 1)
            raise WitxError(self.problems)
        self.stack.append((start, self._take()))
        self.levels.append([])

    def _close(self, start: int) -> None:
        if not self.stack:
            self._report("this `)` closes nothing", start, start + 1)
            return
        items = tuple(self.levels.pop())
        opened, comments = self.stack.pop()
        self._add(Group(items, self._span(opened, start + 1), comments, self._take()))

    def _atom(self, text: str, start: int) -> None:
        span = self._span(start, start + len(text))
        comments = self._take()
        if text[0] == "$":
            if len(text) == 1:
                self._report("`$` without a name", start, start + 1)
            self._add(Atom("id", text[1:], span, comments))
        elif _INTEGER.match(text):
            self._add(Atom("integer", text, span, comments, self._integer(text, span)))
        elif text[0] == "@" and self._follows_open(start):
            self._add(Atom("annotation", text[1:], span, comments))
        else:
            self._add(Atom("word", text, span, comments))

    def _integer(self, text: str, span: Span) -> int:
        digits = text.replace("_", "").lstrip("+")
        value = _U64_END
        if len(digits) <= _INTEGER_DIGITS:
            value = int(digits, 16 if digits.startswith("0x") else 10)
        if value >= _U64_END:
            self.problems.append(Diagnostic(f"integer {quoted(text)} does not fit u64", span))
        return value

    def _decode(self, literal: str, start: int) -> str:
        """Return a string literal's value; bad escapes are reported where they stand."""
        data = bytearray()
        body, position = literal[1:-1], 0
        while position < len(body):
            if body[position] != "\\":
                data += body[position].encode("utf-8", "replace")
                position += 1
                continue
            escape = _ESCAPE.match(body, position)
            at = start + 1 + position
            if escape is None:
                self._report(f"unknown escape {quoted(body[position : position + 2])}", at, at + 2)
                position += 2
            else:
                data += self._escaped(escape, at)
                position = escape.end()
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self._report("this string's bytes are not UTF-8", start, start + len(literal))
            return ""

    def _escaped(self, match: re.Match[str], at: int) -> bytes:
        simple, byte, scalar = match.groups()
        if simple:
            return _SIMPLE_ESCAPES[simple].encode()
        if byte:
            return bytes([int(byte, 16)])
        digits = scalar.replace("_", "")
        try:
            return chr(int(digits[:_INTEGER_DIGITS], 16)).encode()
        except (ValueError, OverflowError):  # beyond Unicode, or a surrogate
            self._report(f"{quoted(match[0])} is not a Unicode scalar value", at, at + len(match[0]))
            return b""

    def _block_comment(self, start: int) -> int:
        depth, position = 0, start
        while True:
            edge = _BLOCK_EDGE.search(self.source.text, position)
            if edge is None:
                self._report("this block comment is never closed", start, start + 2)
                return len(self.source.text)
            position = edge.end()
            depth += 1 if edge[0] == "(;" else -1
            if depth == 0:
                span = self._span(start, position)
                self.comments.append(Comment(self.source.text[start:position], span))
                return position

    def _stray(self, start: int) -> int:
        text = self.source.text
        if text[start] == '"':
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            self._report("this string is never closed", start, end)
            return end
        end = start + 1
        while end < len(text) and not _TOKEN.match(text, end):
            end += 1
        if not _FORBIDDEN.search(text, start, end):  # those are reported already
            plural = "s" if end > start + 1 else ""
            self._report(f"unexpected character{plural} {quoted(text[start:end])}", start, end)
        return end

    def _follows_open(self, start: int) -> bool:
        return start > 0 and self.source.text[start - 1] == "("

    def _add(self, expression: SExpr) -> None:
        self.levels[-1].append(expression)

    def _take(self) -> tuple[Comment, ...]:
        taken = tuple(self.comments)
        self.comments.clear()
        return taken

    def _span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def _report(self, message: str, start: int, end: int) -> None:
        self.problems.append(Diagnostic(message, self._span(start, end)))
