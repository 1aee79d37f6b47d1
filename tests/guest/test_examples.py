"""The examples' READMEs are true: commands print what is shown below them, guests are as small as listed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.guest import example_guests, rust_tools
from tests.guest.conftest import ROOT
from tests.guest.test_docs import blocks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Compiler, Need, Runtime

EXAMPLES = ("photo", "filetype", "language", "speech", "digits", "faces")
MODELS = ("squeezenet", "magika", "lande", "silero", "digits", "blazeface")
PAGE = ROOT / "docs/examples.md"
ROW = re.compile(r"^\| (?:\[[\w ]+\]\([^)]+\)|[\w ]+) \| .* \| ([\d,]+) \|$", re.MULTILINE)


def shown() -> list[tuple[str, str]]:
    """Return each command of each README, with the output printed below it."""
    found: list[tuple[str, str]] = []
    for example in EXAMPLES:
        parts = blocks(ROOT / "examples" / example / "README.md")
        assert [language for language, _ in parts] == ["sh", "text"] * (len(parts) // 2)
        texts = [text for _, text in parts]
        found += zip(texts[::2], texts[1::2], strict=True)
    return found


@pytest.fixture(scope="module")
def all_models(need: Need) -> None:
    """Require what `make model` and `make guests` make."""
    for folder in MODELS:
        example_guests.model(need, folder)
    for name in ("coffee.png", "chelsea.png", "coffee.ppm"):
        need(ROOT / "build/photos" / name, "run `make model`")
    need(ROOT / "build/guest/filetype.wasm", "run `make guests`")  # one of the files that are asked about


@pytest.fixture(scope="module")
def guests(wasi_sdk: Compiler, need: Need, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the examples' guests by the names `make guests` gives them, compiled as it does."""
    need(ROOT / "build/stb", "run `make toolchain`")
    folder = tmp_path_factory.mktemp("guests")
    in_c = {
        name: example_guests.c_guest(wasi_sdk, name, folder / f"{name}.wasm")
        for name in ("photo", "speech", "faces")
    }
    in_cpp = {"digits": example_guests.cpp_guest(wasi_sdk, "digits", folder / "digits.wasm")}
    in_rust = {"photo-rust": "photo", "filetype": "filetype", "language": "language"}
    return in_c | in_cpp | {name: example_guests.rust_guest(example) for name, example in in_rust.items()}


@pytest.mark.usefixtures("all_models")
@pytest.mark.parametrize("number", range(len(shown())))
def test_a_command_of_a_readme_prints_what_is_shown(
    guests: dict[str, Path], wasmtime: Runtime, tmp_path: Path, number: int
) -> None:
    command, expected = shown()[number]
    assert wasmtime.command  # it is there, or this test has been skipped
    for name, guest in guests.items():
        command = command.replace(f" build/guest/{name}.wasm ", f" {shlex.quote(str(guest))} ")
    command = command.replace("$PWD/build/openvino", str(tmp_path)).replace("build/openvino", str(tmp_path))
    done = subprocess.run(
        ["bash", "-c", f"set -e\n{command}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == expected


@pytest.mark.parametrize("example", ["filetype", "language", "photo"])
def test_an_example_in_rust_is_clean_under_clippy_and_rustfmt(example: str) -> None:
    folder = ROOT / "examples" / example
    assert rust_tools.tool("cargo-clippy")
    cargo = rust_tools.tool("cargo")
    rust_tools.run(cargo, "clippy", "--quiet", "--locked", "--", "-Dwarnings", cwd=folder)
    style = ("--edition=2021", "--config-path", str(rust_tools.CRATE))
    rust_tools.run(rust_tools.tool("rustfmt"), "--check", *style, "src/main.rs", cwd=folder)


@pytest.mark.parametrize("name", ["filetype", "language", "photo-rust"])
def test_an_answer_that_cannot_be_written_is_a_failure(
    guests: dict[str, Path], host: Runtime, name: str
) -> None:
    command = [*host.command, str(guests[name]), "--", "--help"]
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device, opened to be written to
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert f"{name.partition('-')[0]}: cannot write the answer: " in done.stderr


def test_every_example_has_a_row_in_the_table_with_about_its_size(guests: dict[str, Path]) -> None:
    """Another toolchain's code may be a few percent larger or smaller."""
    listed = [int(size.replace(",", "")) for size in ROW.findall(PAGE.read_text(encoding="utf-8"))]
    sizes = [guest.stat().st_size for guest in guests.values()]
    for size in sizes:
        assert any(0.9 < size / one < 1.1 for one in listed), (size, listed)


def test_the_sizes_are_printed_for_people_and_for_programs(wasi_sdk: Compiler) -> None:
    assert wasi_sdk.c.exists()
    command = [sys.executable, "-m", "tests.bench.sizes"]
    table, data = (
        subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for words in ((), ("--json",))
    )
    sizes = json.loads(data)
    assert sizes["photo without a decoder"] <= 40 * 1024
    assert table.splitlines()[2:] == [f"| {name} | {size:,} |" for name, size in sizes.items()]
