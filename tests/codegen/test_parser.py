"""The grammar: every production parses, everything else is refused by name and with help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codegen import parser, sexpr
from codegen.source import Source, WitxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from codegen import model


@pytest.mark.parametrize(
    ("comments", "docs"),
    [
        ((), ""),
        ((";; plain",), ""),
        ((";;; one",), "one\n"),
        ((";;; one", ";; plain", ";;;   two"), "one\n  two\n"),
        ((";;;one", ";;;", ";;; two  "), "one\n\n two\n"),
        (("(;; block ;)",), "block\n"),
    ],
)
def test_docs_are_the_triple_comments_dedented(comments: tuple[str, ...], docs: str) -> None:
    text = "\n".join((*comments, "$item"))
    (item,) = sexpr.read(Source("t.witx", text)).items
    assert parser.docs_of(item.comments) == docs


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("(typenam $a u8)", "1:2 unknown declaration `typenam`"),
        ("(@wit const $a $b 1)", "1:2 unknown declaration `@wit`"),
        ("(@witx cons $a $b 1)", "1:8 unknown declaration `@witx cons`"),
        ("typename", "1:1 expected a declaration in parentheses, found `typename`"),
        ("()", "1:1 expected a declaration, found `()`"),
        ("(typename a u8)", "1:11 expected the type's name, found `a`"),
        ("(typename $a)", "1:13 expected a type before this `)`"),
        ("(typename $a u8 u8)", "1:17 unexpected `u8`"),
        ("(typename $a u9)", "1:14 unknown type `u9`"),
        ("(typename $a (lst u8))", "1:15 unknown type `lst`"),
        ("(typename $a (@witx pointr u8))", "1:21 unknown type `@witx pointr`"),
        ("(typename $a (array u8))", "1:15 unknown type `array`"),
        ("(typename $a (struct))", "1:15 unknown type `struct`"),
        ("(typename $a (enum u8 $b))", "1:20 `(enum u8 …)` is of an older witx dialect"),
        ("(typename $a (flags u16 $b))", "1:21 `(flags u16 …)` is of an older witx dialect"),
        ("(typename $a (handle $r))", "1:14 `(handle …)` with a name is of a later dialect"),
        ("(typename $a (enum))", "1:14 expected an enum case, `$name`"),
        ("(typename $a (enum b))", "1:20 expected an enum case, `$name`, found `b`"),
        ("(typename $a (record))", "1:14 a record needs at least one field"),
        ("(typename $a (record (fild $b u8)))", "1:23 unknown record item `fild`"),
        ("(typename $a (variant (cas $b)))", "1:24 unknown variant item `cas`"),
        ("(typename $a (expected u8))", "1:26 expected `(error …)` before this `)`"),
        ("(typename $a (list (record (field $b u8))))", "1:20 an anonymous `record` is not allowed here"),
        ("(module $m (typename $a u8))", "1:13 `typename` inside a module"),
        ('(module $m (func (export "f")))', "1:13 unknown module item `func`"),
        ('(module $m (@interfac func (export "f")))', "1:13 unknown module item `@interfac`"),
        ('(module $m (@interface fnc (export "f")))', "1:24 unknown interface item `fnc`"),
        ('(module $m (@interface func "f"))', '1:29 expected `(export "name")`, found string `f`'),
        (
            '(module $m (@interface func (export "f") (parm $x u8)))',
            "1:43 unknown signature item `parm`",
        ),
        (
            '(module $m (@interface func (export "f") (@witx noretrn)))',
            "1:49 unknown annotation `@witx noretrn`",
        ),
        ('(module $m (import "memory" (table)))', "1:29 expected `(memory)`, found `(table …)`"),
        ("(use $a)", "1:6 expected a path in quotes, found `$a`"),
        ("(@witx const $a $b -1)", "1:20 expected the constant's value, an unsigned integer, found `-1`"),
    ],
)
def test_what_is_not_witx_is_refused_by_name(
    problems: Callable[[str], list[str]], text: str, problem: str
) -> None:
    assert problems(text) == [problem]


@pytest.mark.parametrize(
    ("text", "help_"),
    [
        ("(typenam $a u8)", "did you mean `typename`?"),
        ("(typename $a (array u8))", "the 0.9 spelling is `(list T)`"),
        ("(typename $a (enum u8 $b))", "the 0.9 spelling is `(enum (@witx tag u8) …)`"),
        ("(typename $a usize)", "it is written `(@witx usize)`"),
        ("(typename a u8)", "names start with `$`"),
        ("(typename $a (list (handle)))", "give it a name with `(typename $name (handle …))`"),
        ("(typename $a (option u8))", "`option` is of a later dialect"),
    ],
)
def test_a_refusal_says_what_to_write_instead(
    resolve: Callable[[str], model.Document], text: str, help_: str
) -> None:
    with pytest.raises(WitxError) as caught:
        resolve(text)
    assert help_ in str(caught.value).partition("\nhelp: ")[2]


def test_a_refused_item_costs_only_itself(problems: Callable[[str], list[str]]) -> None:
    assert problems("(typename $a u9)\n(typename $b (record (field $c u8) (field $d u7)))\n(nope)") == [
        "1:14 unknown type `u9`",
        "2:46 unknown type `u7`",
        "3:2 unknown declaration `nope`",
    ]
