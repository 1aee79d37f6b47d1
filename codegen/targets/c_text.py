"""Pieces of C text: doc comments, string literals, the spelling of scalar types.

It knows no names of an interface, and no layout.
"""

from __future__ import annotations

from typing import Final

from codegen.targets import view

SCALARS: Final = {
    "u8": "uint8_t",
    "u16": "uint16_t",
    "u32": "uint32_t",
    "u64": "uint64_t",
    "s8": "int8_t",
    "s16": "int16_t",
    "s32": "int32_t",
    "s64": "int64_t",
    "f32": "float",
    "f64": "double",
    "char": "uint32_t",
    "char8": "char",
    "usize": "size_t",
}
CORE: Final = {"i32": "int32_t", "i64": "int64_t", "f32": "float", "f64": "double"}
LITERALS: Final = {
    "u8": "UINT8_C",
    "u16": "UINT16_C",
    "u32": "UINT32_C",
    "u64": "UINT64_C",
    "s8": "INT8_C",
    "s16": "INT16_C",
    "s32": "INT32_C",
    "s64": "INT64_C",
    "usize": "UINT32_C",
}
_ESCAPES: Final = dict(zip('"\\?\a\b\f\n\r\t\v', map("\\".__add__, '"\\?abfnrtv'), strict=True))
_LAST_OF_FOUR_DIGITS: Final = 0xFFFF


def comment(docs: str, extra: tuple[str, ...] = (), indent: int = 0) -> tuple[str, ...]:
    """Return a doc comment's lines; nothing in the text can end it."""
    safe = docs.replace("*/", "* /").replace("/*", "/ *")
    lines = (*view.doc_lines(safe, indent + 3), *extra)
    if len(lines) <= 1:
        return tuple(f"/** {line} */" for line in lines)
    return ("/**", *(f" * {line}".rstrip() for line in lines), " */")


def string_literal(text: str) -> str:
    """Return a C string literal in ASCII; attributes take no numeric escapes."""
    return '"' + "".join(_ESCAPES.get(c, c if c.isascii() else _universal(c)) for c in text) + '"'


def _universal(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= _LAST_OF_FOUR_DIGITS else f"\\U{code:08x}"


def tagged(tag: str, docs: str) -> list[str]:
    """Return the text lines of a tag such as `@param name` in a doc comment; none without docs."""
    safe = docs.replace("*/", "* /").replace("/*", "/ *")
    lines = [line for line in view.doc_lines(f"{tag} {safe}", 3) if line]
    return [lines[0], *(f"    {line}" for line in lines[1:])] if docs.strip() else []
