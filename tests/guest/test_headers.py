"""The C headers compile alone in every dialect, and their asserts and attributes are alive."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.guest.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Compiler

HEADERS = (
    "wasi_ephemeral_nn.h",
    "wasi_nn.h",
    "wasi_nn_extensions.h",
    "wasi_nn_math.h",
    "wasi_nn_image.h",
    "wasi_nn_sha256.h",
    "wasi_nn_reactor.h",
)
DIALECTS = ("c99", "c11", "c17", "c2x", "c++17", "c++20")
RAW = ROOT / "guest/c/include/wasi_ephemeral_nn.h"


def source(folder: Path, text: str, dialect: str = "c11") -> Path:
    path = folder / ("test.cpp" if dialect.startswith("c++") else "test.c")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("header", HEADERS)
def test_a_header_compiles_alone_for_wasm32(
    wasi_sdk: Compiler, header: str, dialect: str, tmp_path: Path
) -> None:
    done = wasi_sdk.run(
        source(tmp_path, f"#include <{header}>\n", dialect), f"-std={dialect}", "-fsyntax-only"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("header", HEADERS)
def test_a_header_compiles_alone_natively(
    native: Compiler, header: str, dialect: str, tmp_path: Path
) -> None:
    text = f"#define WASI_NN_NATIVE\n#include <{header}>\n"
    done = native.run(source(tmp_path, text, dialect), f"-std={dialect}", "-fsyntax-only")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("dialect", ["c99", "c++17"])
def test_the_headers_may_be_included_twice_in_any_order(
    wasi_sdk: Compiler, dialect: str, tmp_path: Path
) -> None:
    text = "".join(f"#include <{header}>\n" for header in (*HEADERS, *reversed(HEADERS)))
    done = wasi_sdk.run(source(tmp_path, text, dialect), f"-std={dialect}", "-fsyntax-only")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sdk_headers_are_clean_under_stricter_warnings(wasi_sdk: Compiler, tmp_path: Path) -> None:
    """People compile with more than -Wextra; a header must not be what stops them."""
    flags = ("-std=c99", "-Wconversion", "-Wshadow", "-Wcast-align", "-Wundef", "-Wstrict-prototypes")
    done = wasi_sdk.run(source(tmp_path, "#include <wasi_nn_extensions.h>\n"), *flags, "-fsyntax-only")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"uint8_t (padding\d+)\[3\];", r"uint8_t \1[8];"),
        (r"typedef uint16_t wasi_nn_errno_t;", r"typedef uint32_t wasi_nn_errno_t;"),
        (r"sizeof\(wasi_nn_tensor_t\) == 20", r"sizeof(wasi_nn_tensor_t) == 24"),
        (r"offsetof\(wasi_nn_tensor_t, data\) == 12", r"offsetof(wasi_nn_tensor_t, data) == 8"),
    ],
)
def test_a_wrong_layout_does_not_compile(
    wasi_sdk: Compiler, pattern: str, replacement: str, tmp_path: Path
) -> None:
    wrong, count = re.subn(pattern, replacement, RAW.read_text(encoding="utf-8"))
    assert count == 1
    done = wasi_sdk.run(source(tmp_path, wrong), "-std=c99", "-fsyntax-only")
    assert done.returncode != 0
    assert "witx layout" in done.stderr


def test_an_error_that_is_dropped_does_not_compile(wasi_sdk: Compiler, tmp_path: Path) -> None:
    text = '#include <wasi_nn.h>\nvoid f(wasi_nn_graph_t *graph) { wasi_nn_load_named("a", graph); }\n'
    done = wasi_sdk.run(source(tmp_path, text), "-std=c11", "-fsyntax-only")
    assert done.returncode != 0
    assert "unused-result" in done.stderr


@pytest.mark.parametrize("dialect", ["c11", "c++17"])
def test_unused_parts_of_the_sdk_cost_nothing(wasi_sdk: Compiler, tmp_path: Path, dialect: str) -> None:
    """The headers include stdio; a guest that only calls compute links none of it, nor any of their own."""
    headers = (*HEADERS, *(("wasi_nn.hpp", "wasi_nn_extensions.hpp") if dialect == "c++17" else ()))
    found = set()
    for used in [("wasi_ephemeral_nn.h",), headers]:
        includes = "".join(f"#include <{header}>\n" for header in used)
        path = source(tmp_path, f"{includes}int main(void) {{ return wasi_nn_compute(0); }}\n", dialect)
        options = ("-fno-exceptions", "-fno-rtti") if dialect == "c++17" else ()
        found.add(wasi_sdk.build(path, tmp_path / "guest.wasm", "-s", *options).read_bytes())
    assert len(found) == 1
    assert len(found.pop()) < 2000
