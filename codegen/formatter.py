"""Witx text in its one form; parsing the output gives what parsing the input gave, and no comment is lost.

It works on s-expressions: every literal stays as written, and a blank line between items stays one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from codegen.cursor import head_of
from codegen.parser import parse
from codegen.sexpr import Atom, Comment, Group, SExpr, read

if TYPE_CHECKING:
    from codegen.source import Source

_WIDTH: Final = 100
_INDENT: Final = "  "
_ALWAYS_OPEN: Final = frozenset({"module"})
"""Groups that have one item a line and `)` on a line of its own, however short they are."""
_LISTS: Final = frozenset({"enum", "flags", "tuple", "union"})
"""Groups whose items behind the head are all of one kind: when they do not fit, each has its own line."""
_HEADINGS: Final = frozenset({"export", "@witx"})
"""Groups that stay on their parent's first line, as a function's name and an enum's tag do."""


def format_source(source: Source) -> str:
    """Return the text with two blanks of indent a level, and one item a line where a group does not fit one.

    Raises:
        WitxError: the text is not witx.
    """
    root = read(source)
    parse(root)  # what is refused must not come out as something that is not
    lines = _items((*root.items, *root.trailing), "")
    return "".join(f"{line}\n" for line in lines)


def _items(items: tuple[SExpr | Comment, ...], indent: str) -> list[str]:
    """Return one item after the other, each with its comments; a blank line between two stays."""
    lines: list[str] = []
    end = None
    for item in items:
        for part in (*(() if isinstance(item, Comment) else item.comments), item):
            if end is not None and _has_blank_line(part, end):
                lines.append("")
            lines += _comment(part, indent) if isinstance(part, Comment) else _expression(part, indent)
            end = part.span.end
    return lines


def _has_blank_line(part: SExpr | Comment, end: int) -> bool:
    between = part.span.source.text[end : part.span.start]
    return between.count("\n") > 1


def _comment(comment: Comment, indent: str) -> list[str]:
    first, *rest = comment.text.split("\n")
    # The lines of a block comment are its author's: what stands in them may be part of a doc text.
    return [indent + (first if rest else first.rstrip()), *rest]


def _expression(expression: SExpr, indent: str) -> list[str]:
    if isinstance(expression, Atom):
        return [indent + _literal(expression)]
    line = _on_one_line(expression)
    if line is not None and len(indent) + len(line) <= _WIDTH:
        return [indent + line]
    heading, count = _heading(expression)
    body = _items((*expression.items[count:], *expression.trailing), indent + _INDENT)
    lines = [f"{indent}({heading}", *body]
    if expression.trailing or _is_always_open(expression):
        return [*lines, f"{indent})"]
    return [*lines[:-1], f"{lines[-1]})"]


def _heading(group: Group) -> tuple[str, int]:
    """Return what stands on the first line of an open group, and how many items that is."""
    parts: list[str] = []
    is_list = not _LISTS.isdisjoint(head_of(group, 1))
    for item in group.items:
        if isinstance(item, Atom):
            is_heading = not (is_list and parts)
        else:
            is_heading = not _HEADINGS.isdisjoint(head_of(item, 1))
        line = _on_one_line(item)
        if item.comments or line is None or not is_heading:
            break
        parts.append(line)
    return " ".join(parts), len(parts)


def _on_one_line(expression: SExpr) -> str | None:
    """Return an expression as one line, or None when a comment inside forbids it. Its own are not counted."""
    if isinstance(expression, Atom):
        return _literal(expression)
    has_comments = expression.trailing or any(item.comments for item in expression.items)
    if has_comments or _is_always_open(expression):
        return None
    parts = [_on_one_line(item) for item in expression.items]
    if None in parts:
        return None
    return f"({' '.join(part for part in parts if part is not None)})"


def _is_always_open(group: Group) -> bool:
    return not _ALWAYS_OPEN.isdisjoint(head_of(group, 1)) and len(group.items) > 2  # noqa: PLR2004 (head and name)


def _literal(atom: Atom) -> str:
    return atom.span.source.text[atom.span.start : atom.span.end]
