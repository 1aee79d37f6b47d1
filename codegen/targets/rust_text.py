"""Pieces of Rust text: doc comments, literals, identifiers, casts, the lines of a call.

It knows no names of an interface, and no layout.
"""

from __future__ import annotations

import re
from typing import Final

from codegen import naming
from codegen.targets import view

SCALARS: Final = {
    "u8": "u8",
    "u16": "u16",
    "u32": "u32",
    "u64": "u64",
    "s8": "i8",
    "s16": "i16",
    "s32": "i32",
    "s64": "i64",
    "f32": "f32",
    "f64": "f64",
    "char": "u32",
    "char8": "u8",
    "usize": "usize",
}
_WIDTH: Final = 96
"""Characters of a line in a function's body, its indent not counted."""
_LONGEST_PLAIN: Final = 9999
"""The largest number written without `_` between its digits."""
_WORD: Final = re.compile(r"\w+")


def comment(docs: str, indent: int = 0, sign: str = "///") -> tuple[str, ...]:
    """Return doc comment lines; what Markdown would take for a link or a tag is escaped outside code."""
    parts = docs.split("`")
    parts[::2] = [_escaped(part) for part in parts[::2]]
    if len(parts) % 2 == 0:  # the last tick opens nothing
        parts[-1] = _escaped(parts[-1])
    return tuple(f"{sign} {line}".rstrip() for line in view.doc_lines("`".join(parts), indent + 4))


def string_literal(text: str) -> str:
    """Return a Rust string literal."""
    return '"' + printable(text, '"\\') + '"'


def printable(text: str, unsafe: str = "") -> str:
    """Return text with escapes for what a terminal would not show, and for `unsafe`."""
    return "".join(c if c.isprintable() and c not in unsafe else f"\\u{{{ord(c):x}}}" for c in text)


def _escaped(text: str) -> str:
    for character in "\\[]<>":
        text = text.replace(character, "\\" + character)
    return text


def snake(name: str) -> str:
    """Return a lower-case identifier; Rust reads `_` in front as unused, so `n` goes before it."""
    identifier = naming.snake(name, naming.RUST_KEYWORDS)
    return f"n{identifier}" if identifier.startswith("_") else identifier


def identifiers(text: str) -> list[str]:
    """Return what may be identifiers in Rust text."""
    return _WORD.findall(text)


def integer(value: int) -> str:
    """Return an integer literal."""
    return f"{value:_}" if value > _LONGEST_PLAIN else str(value)


def cast(core: str, scalar: str) -> str:
    """Return how the core value `{}` becomes a scalar: a wider one is filled with zeros or the sign."""
    if scalar == core:
        return "{}"
    if core == "i32" and scalar in {"u64", "i64"}:
        return "i64::from({})" if scalar == "i64" else "u64::from({} as u32)"
    return f"{{}} as {scalar}"


def unsafe_block(call: str, start: str = "", end: str = "") -> list[str]:
    """Return a call in an unsafe block, its arguments on lines of their own where one line is too long."""
    line = f"{start}unsafe {{ {call} }}{end}"
    if len(line) <= _WIDTH:
        return [line]
    name, _, arguments = call.removesuffix(")").partition("(")
    is_statement = end and not start
    inner = broken(f"{name}(", arguments.split(", "), ");" if is_statement else ")")
    return [f"{start}unsafe {{", *(f"    {part}" for part in inner), "}" if is_statement else f"}}{end}"]


def broken(start: str, items: list[str], end: str) -> list[str]:
    """Return items between brackets, on lines of their own where one line is too long."""
    line = f"{start}{', '.join(items)}{end}"
    return [line] if len(line) <= _WIDTH else [start, *(f"    {item}," for item in items), end]


def static(generics: str) -> str:
    """Return generics with `'static` for their lifetime."""
    return generics.replace("'a", "'static")
