"""Layout and lowering, against numbers worked out by hand from the C rule and the witx ABI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codegen import abi
from codegen.layout import Layouts

if TYPE_CHECKING:
    from collections.abc import Callable

    from codegen import model


@pytest.mark.parametrize(
    ("text", "size", "align", "offsets"),
    [
        ("u8", 1, 1, ()),
        ("s64", 8, 8, ()),
        ("char", 4, 4, ()),
        ("(@witx char8)", 1, 1, ()),
        ("(@witx usize)", 4, 4, ()),
        ("bool", 4, 4, ()),
        ("string", 8, 4, ()),
        ("(list u64)", 8, 4, ()),
        ("(handle)", 4, 4, ()),
        ("(@witx pointer u64)", 4, 4, ()),
        ("(enum (@witx tag u8) $x)", 1, 1, ()),
        ("(enum $x)", 4, 4, ()),
        ("(flags (@witx repr u64) $x)", 8, 8, ()),
        ("(record (field $x u8) (field $y u64) (field $z u16))", 24, 8, (0, 8, 16)),
        ("(record (field $x u8) (field $y bool))", 8, 4, (0, 4)),
        ("(tuple u16 u8 u32)", 8, 4, (0, 2, 4)),
        ("(variant (@witx tag u8) (case $x u64) (case $y $thirteen))", 24, 8, (8,)),
        ("(variant (@witx tag u8) (case $x u8) (case $y))", 2, 1, (1,)),
        ("(union (@witx tag u8) u8 u32)", 8, 4, (4,)),
        ("(expected u64 (error u8))", 16, 8, (8,)),
        ("(expected (error))", 4, 4, (4,)),
    ],
)
def test_a_type_is_laid_out_as_clang_would(
    resolve: Callable[[str], model.Document], text: str, size: int, align: int, offsets: tuple[int, ...]
) -> None:
    bytes_ = " ".join(f"(field $b{i} u8)" for i in range(13))
    document = resolve(f"(typename $thirteen (record {bytes_}))(typename $t {text})")
    layout = Layouts(document).of(document.types[1].type)
    assert (layout.size, layout.align, layout.offsets) == (size, align, offsets)


DEFINITIONS = """
(typename $e (enum (@witx tag u16) $ok $bad))
(typename $big (enum (@witx tag u64) $ok $bad))
(typename $f64 (flags (@witx repr u64) $x))
(typename $f8 (flags (@witx repr u8) $x))
(typename $h (handle))
(typename $r (record (field $x u8)))
(typename $v (variant (case $x u8)))
(typename $n u32)
(typename $pair (tuple $n $h))
(typename $wide (variant (@witx tag $oe) (case $ok $n) (case $err $big)))
"""


@pytest.mark.parametrize(
    ("signature", "params", "result"),
    [
        ("", "", None),
        ("(param $x u8) (param $y s64) (param $z f32) (param $w f64)", "i32 i64 f32 f64", None),
        ("(param $x string) (param $y (list $r))", "i32 i32 i32 i32", None),
        ("(param $x $f64) (param $y $f8) (param $z $big) (param $w bool)", "i64 i32 i32 i32", None),
        ("(param $x $r) (param $y $v) (param $z $h)", "i32 i32 i32", None),
        ("(result $x u64)", "", "i64"),
        ("(result $x $f64)", "", "i64"),
        ("(result $x (@witx pointer u8))", "", "i32"),
        ("(result $x (expected (error $e)))", "", "i32"),
        ("(param $p u8) (result $x (expected $n (error $e)))", "i32 i32", "i32"),
        ("(result $x (expected (tuple $n $h $e) (error $e)))", "i32 i32 i32", "i32"),
        ("(result $x (expected $pair (error $e)))", "i32 i32", "i32"),
        ("(result $x (expected (error)))", "", "i32"),
        ("(param $x u8) (@witx noreturn)", "i32", None),
    ],
)
def test_a_function_is_lowered_as_the_witx_abi_says(
    resolve: Callable[[str], model.Document], signature: str, params: str, result: str | None
) -> None:
    definitions = DEFINITIONS.replace("(typename $wide", ";;")
    document = resolve(f'{definitions}(module $m (@interface func (export "f") {signature}))')
    lowered = abi.lower(document.modules[0].functions[0])
    assert (" ".join(lowered.valtypes), lowered.result) == (params, result)


def test_an_expected_with_a_64_bit_tag_returns_64_bits(resolve: Callable[[str], model.Document]) -> None:
    document = resolve(
        "(typename $n u32)(typename $oe (enum (@witx tag u64) $ok $err))"
        "(typename $wide (variant (@witx tag $oe) (case $ok $n) (case $err $oe)))"
        '(module $m (@interface func (export "f") (result $x $wide)))'
    )
    assert abi.lower(document.modules[0].functions[0]).result == "i64"
