"""The targets on more than wasi-nn: escaping, collisions, and what a language cannot express."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codegen import generate, naming
from codegen.source import WitxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from codegen import model

RECORD_ERROR = """(typename $e (record (field $x u8)))
(module $m (@interface func (export "f") (result $r (expected (error $e)))))"""


@pytest.mark.parametrize(
    ("prefix", "name", "joined"),
    [
        ("wasi_nn_", "nn_errno", "wasi_nn_errno"),
        ("wasi_nn_", "tensor", "wasi_nn_tensor"),
        ("wasi_nn_", "nn", "wasi_nn_nn"),
        ("wasi_nn_", "wasi_nn_x", "wasi_nn_x"),
        ("p_", "a-b", "p_a_b"),
        ("p_", "$+", "p_x24_x2b"),
    ],
)
def test_a_prefix_is_joined_without_saying_a_word_twice(prefix: str, name: str, joined: str) -> None:
    assert naming.prefixed(prefix, name) == joined


@pytest.mark.parametrize(
    ("function", "name", "keywords", "identifier"),
    [
        (naming.snake, "class", naming.C_KEYWORDS, "class_"),
        (naming.snake, "errno", naming.C_KEYWORDS, "errno_"),
        (naming.snake, "type", naming.RUST_KEYWORDS, "type_"),
        (naming.snake, "a-b.c", frozenset(), "a_b_c"),
        (naming.snake, "2big", frozenset(), "_2big"),
        (naming.upper, "2big", frozenset(), "_2BIG"),
        (naming.pascal, "nn_errno", frozenset(), "NnErrno"),
        (naming.pascal, "self", naming.RUST_KEYWORDS, "Self_"),
    ],
)
def test_an_identifier_is_converted_then_escaped(
    function: Callable[[str, frozenset[str]], str], name: str, keywords: frozenset[str], identifier: str
) -> None:
    assert function(name, keywords) == identifier


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("(typename $a-b u8)(typename $a_b u8)", "c", "both become `t_a_b_t` in the C header"),
        ("(typename $a-b u8)(typename $a_b u8)", "rust", "both become `AB` in the Rust module"),
        (
            "(typename $a-b (enum $x))(typename $aB (enum $x))",
            "python",
            "both become `AB` in the Python module",
        ),
        ("(typename $a (enum $x-y $x_y))", "rust", "both become `X_Y`"),
        ("(typename $a (record (field $x-y u8) (field $x_y u8)))", "c", "both become `x_y` in struct"),
        (
            '(module $m (@interface func (export "f") (param $a-b u8) (param $a_b u8)))',
            "c",
            "both become `a_b` in the parameters of",
        ),
        (
            '(module $m (@interface func (export "a-b")) (@interface func (export "a_b")))',
            "rust",
            "both become",
        ),
        ('(module $m (@interface func (export "a\\00b")))', "c", "cannot express a NUL"),
        (
            RECORD_ERROR,
            "c",
            "the C target cannot express the error of `f`: it is not an integer",
        ),
    ],
)
def test_a_collision_or_the_inexpressible_is_a_diagnostic(
    resolve: Callable[[str], model.Document], text: str, target: str, message: str
) -> None:
    document = resolve(text)
    with pytest.raises(WitxError) as caught:
        _render(document, target)
    assert message in str(caught.value)


@pytest.mark.parametrize("target", ["c", "rust", "python"])
def test_docs_cannot_break_out_of_their_comment(
    resolve: Callable[[str], model.Document], target: str
) -> None:
    document = resolve(';;; ends */ and /* and """ and \\\n(typename $a (enum $x))')
    text = _render(document, target)
    assert "ends" in text
    assert text.count("*/") == text.count("/*")
    if target == "python":
        compile(text, "abi.py", "exec")


@pytest.mark.parametrize("target", ["c", "rust"])
def test_an_import_name_is_written_verbatim_and_escaped(
    resolve: Callable[[str], model.Document], target: str
) -> None:
    document = resolve('(module $m.x (@interface func (export "a\\"b é"))) ')
    wanted = {"c": '"a\\"b \\u00e9"', "rust": '"a\\u{22}b é"'}[target]
    assert wanted in _render(document, target)


def test_generated_parameters_step_aside_for_the_specs_own(resolve: Callable[[str], model.Document]) -> None:
    document = resolve('(module $m (@interface func (export "f") (param $b string) (param $b_len u8)))')
    assert "size_t b_len_," in _render(document, "c")


def _render(document: model.Document, target: str) -> str:
    return generate.text(document, target, generate.Options(prefix="t"))


@pytest.mark.parametrize("lang", sorted(generate.TARGETS))
def test_deep_and_wide_records_are_no_trouble(resolve: Callable[[str], model.Document], lang: str) -> None:
    """Each record holds the last one twice: flattened, the fortieth would have a million million fields."""
    lines = ["(typename $t0 u8)"]
    lines += [f"(typename $t{i} (record (field $a $t{i - 1}) (field $b $t{i - 1})))" for i in range(1, 30)]
    lines += [f"(typename $t{i} (record (field $a $t{i - 1})))" for i in range(30, 1500)]
    assert _render(resolve("\n".join(lines)), lang)
