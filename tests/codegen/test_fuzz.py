"""No input makes the generator fail in an unforeseen way: a document, or diagnostics, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from codegen import generate
from codegen.cli import main
from codegen.dump import dump
from codegen.formatter import format_source
from codegen.source import Source, WitxError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
SEED = (ROOT / generate.SPEC).read_bytes()
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
"""Examples per property; `FUZZ_EXAMPLES=20000` for a long run."""

fuzz = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def survive(folder: Path, data: bytes) -> None:
    """Take a text through every stage and target; each may refuse it with diagnostics and in no other way."""
    path = folder / "fuzz.witx"
    path.write_bytes(data)
    document = refusable(lambda: generate.document((path,)))
    if document is None:
        return
    before = dump(document)
    path.write_text(format_source(Source("fuzz.witx", data.decode())), encoding="utf-8")
    assert dump(generate.document((path,))) == before
    for lang in generate.TARGETS:
        text = refusable(lambda lang=lang: generate.text(document, lang))  # type: ignore[misc]  # mypy on defaults
        assert text is None or text.endswith("\n")


def refusable(step: Callable[[], T]) -> T | None:
    """Return what a step gives; None when it refuses with diagnostics that can be shown."""
    try:
        return step()
    except WitxError as error:
        shown = str(error)
        count = len(error.diagnostics)
    assert count
    assert "error: " in shown
    return None


mutations = st.lists(
    st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 30), st.binary(max_size=12)),
    min_size=1,
    max_size=4,
)


@fuzz
@given(mutations)
def test_a_mutated_spec_is_a_document_or_diagnostics(
    tmp_path: Path, changes: list[tuple[int, int, bytes]]
) -> None:
    data = SEED
    for start, length, replacement in changes:
        data = data[:start] + replacement + data[start + length :]
    survive(tmp_path, data)


@fuzz
@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"\x00")
@example(b"")
def test_any_bytes_are_a_document_or_diagnostics(tmp_path: Path, data: bytes) -> None:
    survive(tmp_path, data)


names = st.sampled_from(
    ["a", "b", "c", "class", "type", "self", "x-y", "x_y", "0", "len", "ok", "err", "$", "name"]
)
ids = names.map(lambda name: f"${name}")
scalars = st.sampled_from(["u8", "u16", "u32", "u64", "s8", "s64", "f32", "f64", "char", "bool", "string"])
tags = st.sampled_from(["", "(@witx tag u8) ", "(@witx tag u64) ", "(@witx tag $a) ", "(@witx repr u16) "])


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return compound types over `inner`, right and slightly wrong."""
    fields = st.lists(st.tuples(ids, inner).map(lambda f: f"(field {f[0]} {f[1]})"), max_size=4)
    cases = st.lists(st.tuples(ids, inner | st.just("")).map(lambda c: f"(case {c[0]} {c[1]})"), max_size=4)
    bare = st.lists(ids, max_size=4).map(" ".join)
    return st.one_of(
        inner.map(lambda t: f"(list {t})"),
        inner.map(lambda t: f"(@witx pointer {t})"),
        st.lists(inner, max_size=3).map(lambda ts: f"(tuple {' '.join(ts)})"),
        st.tuples(inner | st.just(""), inner | st.just("")).map(
            lambda t: f"(expected {t[0]} (error {t[1]}))"
        ),
        fields.map(lambda fs: f"(record {' '.join(fs)})"),
        st.tuples(tags, cases).map(lambda v: f"(variant {v[0]}{' '.join(v[1])})"),
        st.tuples(tags, st.lists(inner, max_size=3)).map(lambda v: f"(union {v[0]}{' '.join(v[1])})"),
        st.tuples(tags, bare).map(lambda v: f"(enum {v[0]}{v[1]})"),
        st.tuples(tags, bare).map(lambda v: f"(flags {v[0]}{v[1]})"),
    )


types = st.recursive(scalars | ids | st.just("(handle)"), compound, max_leaves=6)
typenames = st.tuples(ids, types).map(lambda t: f";;; doc */ [x]\n(typename {t[0]} {t[1]})")
params = st.tuples(st.sampled_from(["param", "result"]), ids, types).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
functions = st.tuples(names, st.lists(params, max_size=4)).map(
    lambda f: f'(@interface func (export "{f[0]}") {" ".join(f[1])})'
)
modules = st.tuples(ids, st.lists(functions, max_size=4)).map(lambda m: f"(module {m[0]} {' '.join(m[1])})")
constants = st.tuples(ids, ids, st.integers(0, 300)).map(lambda c: f"(@witx const {c[0]} {c[1]} {c[2]})")
texts = st.lists(typenames | modules | constants, max_size=8).map("\n".join)


@fuzz
@given(texts)
def test_a_text_from_the_grammar_is_a_document_or_diagnostics(tmp_path: Path, text: str) -> None:
    survive(tmp_path, text.encode())


HOSTILE = {
    "a name of 1 MB": b"(typename $" + b"a" * 1_000_000 + b" u8)",
    "an unknown name of 1 MB": b"(typename $a $" + b"b" * 1_000_000 + b")",
    "a string of 1 MB": b'(use "' + b"a" * 1_000_000 + b'")',
    "a million parentheses": b"(" * 1_000_000,
    "a million closing ones": b")" * 1_000_000,
    "a million stray characters": "é ".encode() * 500_000,
    "nested comments": b"(;" * 100_000,
    "a line of 1 MB with an error at its end": b";" * 0 + b" " * 1_000_000 + b"x",
    "invalid UTF-8 in a comment": b";; \xc3(\n",
    "only control characters": b"\x01\x02\x1b[31m",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_sizes_and_bytes_end_in_short_diagnostics(
    tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "hostile.witx"
    path.write_bytes(data)
    status = main(["check", str(path)])
    said = capsys.readouterr().err
    assert status == (0 if data.startswith(b"(typename $aaa") else 2)
    assert len(said) < 60_000
    assert "\x1b" not in said


@pytest.mark.parametrize("arguments", [["check", "."], ["dump", "missing.witx"], ["fmt", "/dev/null/x"]])
def test_what_is_no_file_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "error: cannot read" in capsys.readouterr().err
