"""The items of one s-expression, taken from left to right; says what is missing and what is left over.

It knows no witx keyword; `parser` does.
"""

from __future__ import annotations

from codegen import syntax
from codegen.sexpr import Atom, Group, SExpr
from codegen.source import Diagnostic, Span, quoted


class Refused(Exception):  # noqa: N818 (control flow of the parser, never seen outside it)
    """One expression is beyond repair; its siblings are still parsed."""

    def __init__(self, message: str, span: Span, help_: str | None = None) -> None:
        super().__init__()
        self.diagnostic = Diagnostic(message, span, help=help_)


class Cursor:
    """The items of one group, taken from left to right; says what is missing and what is left over."""

    def __init__(self, group: Group, skip: int = 1) -> None:
        self.group = group
        self.items = group.items[skip:]
        self.index = 0

    @property
    def next(self) -> SExpr | None:
        """The item that comes next, not taken; None at the end."""
        return self.items[self.index] if self.index < len(self.items) else None

    def rest(self) -> tuple[SExpr, ...]:
        """Take all that is left."""
        taken, self.index = self.items[self.index :], len(self.items)
        return taken

    def take(self, what: str) -> SExpr:
        """Take the next item, whatever it is; `what` names what was hoped for."""
        item = self.next
        if item is None:
            closing = Span(self.group.span.source, self.group.span.end - 1, self.group.span.end)
            raise Refused(f"expected {what} before this `)`", closing)
        self.index += 1
        return item

    def atom(self, kind: str, what: str) -> Atom:
        """Take an atom of one kind."""
        item = self.take(what)
        if not isinstance(item, Atom) or item.kind != kind:
            is_bare = isinstance(item, Atom) and item.kind == "word" and kind == "id"
            help_ = "names start with `$`" if is_bare else None
            raise Refused(f"expected {what}, found {described(item)}", item.span, help_)
        return item

    def name(self, what: str) -> syntax.Name:
        """Take an identifier."""
        atom = self.atom("id", what)
        return syntax.Name(atom.text, atom.span)

    def string(self, what: str) -> syntax.Name:
        """Take a string that names something."""
        atom = self.atom("string", what)
        return syntax.Name(atom.text, atom.span)

    def optional_group(self, *head: str) -> Cursor | None:
        """Take the next item if it is a group that starts with these words."""
        item = self.next
        if not isinstance(item, Group) or head_of(item, len(head)) != head:
            return None
        self.index += 1
        return Cursor(item, len(head))

    def end(self) -> None:
        """Refuse what is left over."""
        item = self.next
        if item is not None:
            raise Refused(f"unexpected {described(item)}", item.span)


def head_of(group: Group, count: int) -> tuple[str, ...]:
    """Return the first words of a group, annotations with their `@`."""
    return tuple(
        "@" + item.text if item.kind == "annotation" else item.text
        for item in group.items[:count]
        if isinstance(item, Atom) and (item.kind == "annotation" or _is_plain_word(item))
    )


def _is_plain_word(atom: Atom) -> bool:
    """Whether an atom is a keyword: `@witx` apart from its parenthesis is none, though it looks like one."""
    return atom.kind == "word" and not atom.text.startswith("@")


def described(item: SExpr) -> str:
    """Return an item as a message shows it."""
    if isinstance(item, Group):
        head = head_of(item, 1)
        return quoted(f"({head[0]} …)") if head else "a list"
    if item.kind == "string":
        return f"string {quoted(item.text)}"
    return quoted({"id": "$", "annotation": "@"}.get(item.kind, "") + item.text)
