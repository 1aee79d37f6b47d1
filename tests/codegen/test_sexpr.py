"""The lexical grammar: what is read, and what is refused where."""

from __future__ import annotations

import pytest

from codegen import sexpr
from codegen.sexpr import Atom, Group
from codegen.source import Source, WitxError


def read(text: str) -> tuple[sexpr.SExpr, ...]:
    return sexpr.read(Source("t.witx", text)).items


def refused(text: str) -> list[str]:
    with pytest.raises(WitxError) as caught:
        read(text)
    found = []
    for diagnostic in caught.value.diagnostics:
        line, column = diagnostic.span.source.position(diagnostic.span.start)
        found.append(f"{line}:{column} {diagnostic.message}")
    return found


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("$a", "id", "a"),
        ("$a-b", "id", "a-b"),
        ("$0", "id", "0"),
        ("$!#$%&'*+-./:<=>?@^_`|~\\", "id", "!#$%&'*+-./:<=>?@^_`|~\\"),
        ("record", "word", "record"),
        ('"a\\"b\\\\\\t\\41\\u{1F600}"', "string", 'a"b\\\tA\U0001f600'),
    ],
)
def test_an_atom_is_read_as_its_kind_and_text(text: str, kind: str, value: str) -> None:
    (atom,) = read(text)
    assert isinstance(atom, Atom)
    assert (atom.kind, atom.text) == (kind, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("+7", 7), ("1_000", 1000), ("0xff_ff", 65535), ("0xFFFFFFFFFFFFFFFF", 2**64 - 1)],
)
def test_an_integer_is_decimal_or_hex_with_separators(text: str, value: int) -> None:
    (atom,) = read(text)
    assert isinstance(atom, Atom)
    assert (atom.kind, atom.value) == ("integer", value)


def test_an_annotation_is_only_read_directly_behind_its_parenthesis() -> None:
    (close, apart) = read("(@witx) ( @witx)")
    assert isinstance(close, Group)
    assert isinstance(apart, Group)
    assert [a.kind for a in (*close.items, *apart.items) if isinstance(a, Atom)] == ["annotation", "word"]


def test_comments_belong_to_the_item_behind_them_and_to_no_other() -> None:
    (group,) = read(";; one\n(; two (; nested ;) ;) (a ;; three\n $b ;; lost\n)")
    assert isinstance(group, Group)
    assert [c.text for c in group.comments] == [";; one", "(; two (; nested ;) ;)"]
    assert [c.text for c in group.trailing] == [";; lost"]
    assert [c.text for c in group.items[1].comments] == [";; three"]


def test_a_span_covers_the_group_from_parenthesis_to_parenthesis() -> None:
    (group,) = read("  (a (b))  ")
    assert (group.span.start, group.span.end) == (2, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a", "1:1 this `(` is never closed"),
        (")", "1:1 this `)` closes nothing"),
        ('"abc', "1:1 this string is never closed"),
        ("(; a", "1:1 this block comment is never closed"),
        ('"\\q"', "1:2 unknown escape `\\q`"),
        ('"\\ff"', "1:1 this string's bytes are not UTF-8"),
        ('"\\u{d800}"', "1:2 `\\u{d800}` is not a Unicode scalar value"),
        ('"\\u{110000}"', "1:2 `\\u{110000}` is not a Unicode scalar value"),
        ("0x1_0000_0000_0000_0000", "1:1 integer `0x1_0000_0000_0000_0000` does not fit u64"),
        ("9" * 5000, f"1:1 integer `{'9' * 80}…` does not fit u64"),
        ("$", "1:1 `$` without a name"),
        ("a é b", "1:3 unexpected character `é`"),
        ("\ufeff(a)", "1:1 character U+FEFF is not allowed in witx"),
        (";; \u202e\n", "1:4 character U+202E is not allowed in witx"),
        ("a\x07", "1:2 character U+0007 is not allowed in witx"),
    ],
)
def test_what_is_not_lexically_witx_is_refused_where_it_stands(text: str, message: str) -> None:
    assert refused(text) == [message]


def test_all_problems_are_reported_in_source_order() -> None:
    found = refused('(a "\\q" é\n(b')
    assert found == [
        "1:1 this `(` is never closed",
        "1:5 unknown escape `\\q`",
        "1:9 unexpected character `é`",
        "2:1 this `(` is never closed",
    ]


def test_nesting_has_a_limit_instead_of_a_stack_overflow() -> None:
    assert (
        refused("(" * 100_000)[-1]
        == f"1:{sexpr.MAX_DEPTH + 1} nested more than {sexpr.MAX_DEPTH} levels deep"
    )
