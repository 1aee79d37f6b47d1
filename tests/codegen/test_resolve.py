"""Names, ranges and legality: what the language forbids is refused where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codegen import generate, model
from codegen.source import WitxError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENUM = "(typename $e (enum $x $y))\n"


def func(body: str, before: str = "") -> str:
    return f'{before}(module $m (@interface func (export "f") {body}))'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("(typename $a $b)", "1:14 unknown type `$b`"),
        ("(typename $a (list $a))", "1:20 type `$a` contains itself"),
        ("(typename $a u8)\n(typename $a u8)", "2:11 name `$a` is defined twice"),
        ("(typename $a u8)\n(module $a)", "2:9 name `$a` is defined twice"),
        ("(module $m)\n(typename $a $m)", "2:14 `$m` is a module, not a type"),
        ("(typename $a (enum $x $x))", "1:23 case `$x` is defined twice"),
        ("(typename $a (flags $x $x))", "1:24 flag `$x` is defined twice"),
        ("(typename $a (record (field $x u8) (field $x u8)))", "1:43 field `$x` is defined twice"),
        ("(typename $a (variant (case $x u8) (case $x u8)))", "1:42 case `$x` is defined twice"),
        ("(typename $a (enum (@witx tag s8) $x))", "1:31 the tag must be u8, u16, u32 or u64"),
        ("(typename $a (flags (@witx repr f32) $x))", "1:33 the repr must be u8, u16, u32 or u64"),
        (
            f"(typename $a (flags (@witx repr u8) {' '.join(f'$f{i}' for i in range(9))}))",
            "1:14 9 flags do not fit u8",
        ),
        (
            f"(typename $a (enum (@witx tag u8) {' '.join(f'$c{i}' for i in range(257))}))",
            "1:14 257 cases do not fit a u8 tag",
        ),
        ("(typename $a (variant))", "1:14 a variant needs at least one case"),
        ("(typename $a (union))", "1:14 a union needs at least one member"),
        ("(typename $a (tuple))", "1:14 a tuple needs at least one member"),
        (
            "(typename $a u8)\n(typename $b (variant (@witx tag $a) (case $x)))",
            "2:34 tag `$a` is not an enum",
        ),
        (
            ENUM + "(typename $b (variant (@witx tag $e) (case $z) (case $x u8)))",
            "2:44 case `$z` is not in the tag `$e`",
        ),
        (
            ENUM + "(typename $b (variant (@witx tag $e) (case $x u8)))",
            "2:14 1 cases, but the tag `$e` has 2",
        ),
        (ENUM + "(typename $b (union (@witx tag $e) u8))", "2:14 1 members, but the tag has 2 cases"),
        ("(typename $a u8)\n(@witx const $a $b 256)", "2:20 256 does not fit u8 (largest: 255)"),
        ("(typename $a f32)\n(@witx const $a $b 1)", "2:14 type `$a` holds no integer"),
        ("(@witx const $a $b 1)", "1:14 unknown type `$a`"),
        (func("(param $x u8) (param $x u8)"), "1:63 parameter `$x` is defined twice"),
        (func("(param $x u8) (result $x u8)"), "1:64 result `$x` is defined twice"),
        (func("(result $x u8) (result $y u8)"), "1:65 a function has at most one result"),
        (func("(result $x (list u8))"), "1:53 this type cannot be a result"),
        (func("(result $x $e)", ENUM), "2:53 this type cannot be a result"),
        (
            func("(result $x (expected u8 (error $e)))", ENUM),
            "2:63 the values of an expected result must be named types",
        ),
        (func("(result $x u8) (@witx noreturn)"), "1:57 a `noreturn` function has no result"),
        (
            '(module $m (import "f" (memory)) (@interface func (export "f")))',
            "1:59 function `f` is defined twice",
        ),
    ],
)
def test_what_the_language_forbids_is_refused(
    problems: Callable[[str], list[str]], text: str, problem: str
) -> None:
    assert problems(text) == [problem]


def test_a_duplicate_points_at_the_first_definition(resolve: Callable[[str], model.Document]) -> None:
    with pytest.raises(WitxError, match=r"spec\.witx:1:11: note: first defined here"):
        resolve("(typename $a u8)\n(typename $a u8)")


def test_a_broken_type_is_reported_once_not_at_each_use(problems: Callable[[str], list[str]]) -> None:
    assert problems("(typename $a $nope)\n(typename $b (list $a))\n(typename $c $a)") == [
        "1:14 unknown type `$nope`"
    ]


def test_an_unknown_name_offers_the_nearest(resolve: Callable[[str], model.Document]) -> None:
    with pytest.raises(WitxError, match=r"help: did you mean `\$graph`\?"):
        resolve("(typename $graph (handle))\n(typename $a $grph)")


def test_cases_are_reordered_to_the_tag(resolve: Callable[[str], model.Document]) -> None:
    document = resolve(ENUM + "(typename $v (variant (@witx tag $e) (case $y u8) (case $x u16)))")
    variant = document.types[1].type
    assert isinstance(variant, model.Variant)
    assert [case.name for case in variant.cases] == ["x", "y"]


def test_a_list_of_char_is_a_string(resolve: Callable[[str], model.Document]) -> None:
    assert resolve("(typename $a (list char))").types[0].type == model.String()


def test_use_loads_a_file_once_and_cycles_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "a.witx").write_text('(use "b.witx")\n(typename $a $b)')
    (tmp_path / "b.witx").write_text('(use "a.witx")\n(typename $b u8)')
    document = generate.document((tmp_path / "a.witx", tmp_path / "b.witx"))
    assert [definition.name for definition in document.types] == ["b", "a"]


@pytest.mark.parametrize("path", ["missing.witx", ".", "a\\00b"])
def test_a_use_that_cannot_be_read_is_refused_where_it_stands(
    problems: Callable[[str], list[str]], path: str
) -> None:
    (problem,) = problems(f'(use "{path}")')
    assert problem.startswith("1:6 cannot read ")


def test_a_use_chain_has_a_limit_instead_of_a_stack_overflow(tmp_path: Path) -> None:
    for i in range(300):
        (tmp_path / f"{i}.witx").write_text(f'(use "{i + 1}.witx")')
    with pytest.raises(WitxError, match="files deep"):
        generate.document((tmp_path / "0.witx",))


def test_a_file_that_is_not_utf8_is_refused_where_the_byte_stands(tmp_path: Path) -> None:
    (tmp_path / "a.witx").write_bytes(b"(typename\n \xff)")
    with pytest.raises(WitxError, match=r"a\.witx:2:2: error: this file is not UTF-8"):
        generate.document((tmp_path / "a.witx",))


def test_ten_thousand_chained_types_need_no_deep_recursion(resolve: Callable[[str], model.Document]) -> None:
    lines = ["(typename $t0 u8)"]
    lines += [f"(typename $t{i} (record (field $f $t{i - 1})))" for i in range(1, 10_000)]
    assert len(resolve("\n".join(lines)).types) == 10_000
