"""Identifiers for target languages: case conversion, keyword escapes, a collision registry per output scope.

The rules, in this order: a run of characters that are not letters or digits becomes `_`; the case is
converted; a leading digit gets a `_` in front; a keyword or common macro name gets a `_` behind. Two spec
names that become one identifier are reported; a generated local name steps aside by a `_` behind.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from codegen.source import Diagnostic, Span, quoted

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

C_KEYWORDS: Final = frozenset(
    """
    auto break case char const constexpr continue default do double else enum extern false float for goto if
    inline int long nullptr register restrict return short signed sizeof static static_assert struct switch
    thread_local true typedef typeof typeof_unqual union unsigned void volatile while alignas alignof bool
    asm fortran
    and and_eq atomic_cancel atomic_commit atomic_noexcept bitand bitor catch char16_t char32_t char8_t class
    co_await co_return co_yield compl concept const_cast consteval constinit contract_assert decltype delete
    dynamic_cast explicit export friend import module mutable namespace new noexcept not not_eq operator or
    or_eq private protected public reflexpr reinterpret_cast requires static_cast synchronized template this
    throw try typeid typename using virtual wchar_t xor xor_eq
    int8_t int16_t int32_t int64_t intmax_t intptr_t uint8_t uint16_t uint32_t uint64_t uintmax_t uintptr_t
    int_fast8_t int_fast16_t int_fast32_t int_fast64_t uint_fast8_t uint_fast16_t uint_fast32_t uint_fast64_t
    int_least8_t int_least16_t int_least32_t int_least64_t
    uint_least8_t uint_least16_t uint_least32_t uint_least64_t
    max_align_t nullptr_t ptrdiff_t rsize_t size_t unreachable
    assert complex errno imaginary linux major math_errhandling minor noreturn offsetof setjmp signals slots
    stderr stdin stdout unix va_arg va_copy va_end va_start wasm
    """.split()
)
"""Keywords of C and C++ up to C23 and C++26, what <stddef.h> and <stdint.h> define, common macros."""

C_MACROS: Final = frozenset(
    [
        f"{sign}INT{speed}{bits}_{what}"
        for sign in ("", "U")
        for speed in ("", "_FAST", "_LEAST")
        for bits in (8, 16, 32, 64)
        for what in ("C", "MAX", "MIN", "WIDTH")
    ]
    + [
        f"{type_}_{what}"
        for type_ in "INTMAX INTPTR PTRDIFF RSIZE SIG_ATOMIC SIZE UINTMAX UINTPTR WCHAR WINT".split()
        for what in ("C", "MAX", "MIN", "WIDTH")
    ]
)
"""Upper-case macros of <stdint.h>."""

RUST_KEYWORDS: Final = frozenset(
    """
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for
    gen if impl in let loop macro match mod move mut override priv pub ref return self Self static struct
    super trait true try type typeof unsafe unsized use virtual where while yield
    """.split()
)
"""Strict and reserved keywords of every Rust edition up to 2024."""

RUST_TYPE_NAMES: Final = RUST_KEYWORDS | frozenset(
    "Clone Copy Err List None Ok Option Result Some Str".split()
)
"""What a Rust type must not be called: keywords, and the names that generated code says itself."""

_NOT_WORD = re.compile(r"[^0-9A-Za-z]+")


def words(name: str) -> tuple[str, ...]:
    """Split a witx name at all that is not a letter or digit; a name of symbols only is spelled in hex.

    The empty string, which may be a function's name, is `empty`.
    """
    found = tuple(word for word in _NOT_WORD.split(name) if word)
    return found or tuple(f"x{ord(character):02x}" for character in name) or ("empty",)


def snake(name: str, keywords: AbstractSet[str] = frozenset()) -> str:
    """Return `name` as a lower-case identifier."""
    return _escaped("_".join(words(name)).lower(), keywords)


def upper(name: str, keywords: AbstractSet[str] = frozenset()) -> str:
    """Return `name` as an UPPER_CASE identifier."""
    return _escaped("_".join(words(name)).upper(), keywords)


def pascal(name: str, keywords: AbstractSet[str] = frozenset()) -> str:
    """Return `name` as a PascalCase identifier."""
    return _escaped("".join(word[0].upper() + word[1:] for word in words(name)), keywords)


def prefixed(prefix: str, name: str) -> str:
    """Join a prefix that ends in `_` and a name, saying words that end one and start the other once.

    `wasi_nn_` and `nn_errno` give `wasi_nn_errno`.
    """
    head, tail = [word.lower() for word in words(prefix)], [word.lower() for word in words(name)]
    for count in range(min(len(head), len(tail) - 1), 0, -1):
        if head[-count:] == tail[:count]:
            tail = tail[count:]
            break
    return _escaped("_".join((*head, *tail)), frozenset())


def prefix_of(name: str) -> str:
    """Return the prefix for an interface: the words of its module's name, without WASI's `ephemeral`."""
    return "_".join(word.lower() for word in words(name) if word.lower() != "ephemeral") + "_"


class Scope:
    """The identifiers of one output scope; collects a diagnostic for each collision."""

    def __init__(self, where: str, problems: list[Diagnostic]) -> None:
        self._where = where
        self._problems = problems
        self._taken: dict[str, tuple[str, Span | None]] = {}

    def claim(self, identifier: str, origin: str, span: Span) -> str:
        """Take an identifier for a spec name; a second claim is reported with both origins."""
        first = self._taken.setdefault(identifier, (origin, span))
        if first != (origin, span):
            notes = () if first[1] is None else ((f"{first[0]} is here", first[1]),)
            self._problems.append(
                Diagnostic(
                    f"{origin} and {first[0]} both become {quoted(identifier)} in {self._where}",
                    span,
                    notes,
                    "rename one of them in the witx text",
                )
            )
        return identifier

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._taken

    def local(self, identifier: str) -> str:
        """Take a generated name, stepping aside with `_` behind until it is free."""
        while identifier in self._taken:
            identifier += "_"
        self._taken[identifier] = ("a generated name", None)
        return identifier


def _escaped(identifier: str, keywords: AbstractSet[str]) -> str:
    if identifier[0].isdigit():
        identifier = "_" + identifier
    return identifier + "_" if identifier in keywords else identifier
