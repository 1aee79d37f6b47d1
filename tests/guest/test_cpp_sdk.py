"""What wasi_nn.hpp promises: natively under sanitizers, to the compiler, and in wasm on two real hosts."""

from __future__ import annotations

import re
import signal
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from host import abi
from tests.guest.claims import HERE, NATIVE, SANITIZE, verdict
from tests.guest.conftest import ROOT
from tests.guest.test_imports import imported

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Compiler, Runtime

CLAIMS: Final = HERE / "cpp_calls.cpp"
INCLUDE: Final = ROOT / "guest/c/include"
BARE: Final = ("-fno-exceptions", "-fno-rtti")
EXTENSIONS: Final = ("load_by_name_with_config", "unload", "finalize_execution_context")


@pytest.fixture(scope="module")
def claims(sanitizing: Compiler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program of claims, with sanitizers."""
    program = tmp_path_factory.mktemp("cpp") / "calls"
    done = sanitizing.run(CLAIMS, "-std=c++17", *BARE, *NATIVE, *SANITIZE, "-o", str(program), "-lm")
    assert done.returncode == 0, done.stderr
    return program


def test_the_claims_hold_natively_under_sanitizers(claims: Path) -> None:
    ran = subprocess.run([claims], capture_output=True, text=True, check=False)
    verdict(ran.stdout, CLAIMS, more=6 - 1)  # a template of one claim, for six types
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("misuse", ["value", "member", "success", "first", "released"])
def test_a_value_that_is_not_there_traps(claims: Path, misuse: str) -> None:
    ran = subprocess.run([claims, misuse], capture_output=True, text=True, check=False)
    assert ran.returncode in (-signal.SIGILL, -signal.SIGTRAP)


# As C++17 without exceptions they have been compiled to run.
@pytest.mark.parametrize(("dialect", "options"), [("c++17", ()), ("c++20", ()), ("c++2b", BARE)])
def test_the_claims_compile_in_every_dialect(
    native: Compiler, dialect: str, options: tuple[str, ...]
) -> None:
    done = native.run(CLAIMS, f"-std={dialect}", *options, *NATIVE, "-Wconversion", "-fsyntax-only")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("dialect", ["c++17", "c++20", "c++2b"])
def test_the_guest_compiles_for_wasm32_in_every_dialect(wasi_sdk: Compiler, dialect: str) -> None:
    flags = (*BARE, "-DEXTENSIONS", "-Wconversion", "-Wshadow", "-Wcast-align", "-Wundef")
    done = wasi_sdk.run(HERE / "cpp_guest.cpp", f"-std={dialect}", *flags, "-fsyntax-only")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_guest_runs_on_hosts_that_tell_sizes_and_on_others(
    wasi_sdk: Compiler, runtime: Runtime, double: Path, tmp_path: Path
) -> None:
    guest = wasi_sdk.build(HERE / "cpp_guest.cpp", tmp_path / "guest.wasm", "-std=c++17", *BARE)
    assert not set(imported(guest, "wasi_ephemeral_nn")) & set(EXTENSIONS)
    done = runtime.run(guest, graph=double)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "5000, the last 9998; 5000, the last 9998\n"


def test_extensions_release_what_they_own_on_a_host_that_has_them(
    wasi_sdk: Compiler, host: Runtime, double: Path, tmp_path: Path
) -> None:
    flags = ("-std=c++17", *BARE, "-DEXTENSIONS")
    guest = wasi_sdk.build(HERE / "cpp_guest.cpp", tmp_path / "guest.wasm", *flags)
    assert set(imported(guest, "wasi_ephemeral_nn")) >= set(EXTENSIONS)
    done = host.run(guest, graph=double)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"a context of what is gone: {abi.NnErrno.INVALID_ARGUMENT.value}\n")


def test_extensions_do_not_start_on_a_host_without_them(
    wasi_sdk: Compiler, wasmtime: Runtime, double: Path, tmp_path: Path
) -> None:
    flags = ("-std=c++17", *BARE, "-DEXTENSIONS")
    guest = wasi_sdk.build(HERE / "cpp_guest.cpp", tmp_path / "guest.wasm", *flags)
    done = wasmtime.run(guest, graph=double)
    assert done.returncode != 0
    assert "unknown import" in done.stderr


WRONG: Final = {
    "wasi_nn::execution_context(0).compute();": "nodiscard",
    "wasi_nn::graph::load_by_name(text);": "nodiscard",
    "(void)wasi_nn::tensor<float>::make(std::vector<uint32_t>{1}, floats);": "no viable conversion",
    "(void)wasi_nn::tensor<double>::make(shape, floats);": "no viable conversion",
    "(void)wasi_nn::tensor<short>::make(shape, {});": "the element types are",
    "(void)wasi_nn::execution_context(0).get_output_into(0, shape);": "the element types are",
    "(void)wasi_nn::execution_context(0).get_output_vector<char>(0);": "the element types are",
    "wasi_nn::graph one(0); wasi_nn::graph two(one); (void)two;": "deleted constructor",
    "int number = wasi_nn::nn_errno::busy; (void)number;": "cannot initialize",
}
RIGHT: Final = "(void)wasi_nn::tensor<float>::make(shape, floats); (void)text;"


@pytest.fixture(scope="module")
def complaints(wasi_sdk: Compiler, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what the compiler says of all the wrong uses, each in a line of its own, and of a right one."""
    source = tmp_path_factory.mktemp("wrong") / "wrong.cpp"
    bodies = [f"void f{number}() {{ {body} }}" for number, body in enumerate((*WRONG, RIGHT))]
    start = "#include <wasi_nn.hpp>", "float floats[1]; const uint32_t shape[1] = {1}; const char *text;"
    source.write_text("\n".join((*start, *bodies, "")))
    done = wasi_sdk.run(source, "-std=c++17", "-ferror-limit=0", "-fsyntax-only")
    assert f"wrong.cpp:{len(start) + len(bodies)}:" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("body", WRONG)
def test_what_would_go_wrong_does_not_compile(complaints: str, body: str) -> None:
    line = 3 + list(WRONG).index(body)
    # An error with its notes: an assertion fails in the header, and a note says which use of it.
    said = [
        text
        for text in re.split(r"^(?=\S+: error:)", complaints, flags=re.MULTILINE)
        if f"wrong.cpp:{line}:" in text
    ]
    assert any(WRONG[body] in text for text in said), complaints


@pytest.mark.parametrize("enum", ["nn_errno", "tensor_type", "graph_encoding", "execution_target"])
def test_an_enum_has_all_the_values_of_the_interface_and_no_others(enum: str) -> None:
    found = re.search(
        rf"enum class {enum} : \w+ {{(.*?)}};", (INCLUDE / "wasi_nn.hpp").read_text(), re.DOTALL
    )
    assert found
    entries = dict(re.findall(r"(\w+) = (\w+),", found[1]))
    raw = (INCLUDE / "wasi_ephemeral_nn.h").read_text()
    names = re.findall(rf"#define WASI_NN_{enum.removeprefix('nn_').upper()}_(\w+) ", raw)
    prefix = f"WASI_NN_{enum.removeprefix('nn_').upper()}_"
    assert entries == {name.lower(): prefix + name for name in names}


def test_the_usage_in_the_header_s_overview_compiles(wasi_sdk: Compiler, tmp_path: Path) -> None:
    overview = (INCLUDE / "wasi_nn.hpp").read_text().partition("*/")[0]
    usage = "\n".join(line[3:] for line in overview.splitlines() if line.startswith(" *     "))
    assert "load_by_name" in usage
    source = tmp_path / "usage.cpp"
    source.write_text(f"""#include <wasi_nn.hpp>
static int fail(wasi_nn::nn_errno) {{ return 1; }}
static void use(float) {{}}
int main() {{
{usage}
}}
""")
    wasi_sdk.build(source, tmp_path / "usage.wasm", "-std=c++17", *BARE)
