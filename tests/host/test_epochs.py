"""Guests in C, compiled with the header of each epoch, run under `--abi auto` and under their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codegen.cli import main as wasinn_gen
from host import abi
from host.abi import NnErrno
from host.cli import main
from host.dialects import AUTO, LEGACY
from tests.host import models
from tests.host.guests import f32

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).with_name("epoch_guest.c")
DTYPES = {"f16": "float16", "f32": "float32", "f64": "float64", "u8": "uint8", "i32": "int32", "i64": "int64"}
TODAY = abi.EPOCHS["current"].values


@pytest.fixture(scope="module")
def clang() -> Path:
    """Return the compiler for wasm32; without one, skip here and fail where `CI` is set."""
    path = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build/wasi-sdk", "bin/clang")
    if not path.exists():
        message = "no compiler for wasm32: run `make toolchain`"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="module")
def compiled(clang: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what compiles the guest of an epoch, once."""
    folder = tmp_path_factory.mktemp("guests")
    done: dict[str, Path] = {}

    def build(epoch: str) -> Path:
        if epoch not in done:
            done[epoch] = _build(clang, epoch, folder / epoch)
        return done[epoch]

    return build


def _build(clang: Path, epoch: str, folder: Path) -> Path:
    assert wasinn_gen(["headers", "--dialect", epoch, "--lang", "c", "--out", str(folder)]) == 0
    (header,) = folder.glob("*.h")
    wasm = folder / "guest.wasm"
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-include", str(header)]
    flags += ["-DLEGACY"] * (epoch == LEGACY)
    flags += ["-DHAS_LOAD_BY_NAME"] * ("load_by_name" in abi.EPOCHS[epoch].functions)
    command = [str(clang), *flags, str(SOURCE), "-o", str(wasm)]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr
    return wasm


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the models that the guests read."""
    folder = tmp_path_factory.mktemp("models")
    for name, dtype in DTYPES.items():
        xml, weights = models.double([2], dtype)
        (folder / f"{name}.xml").write_bytes(xml)
        (folder / f"{name}.bin").write_bytes(weights)
    (folder / "model.onnx").write_bytes(models.onnx(models.tensor("c", f32(1, 1))))
    return folder


def _options(folder: Path, choice: str) -> list[str]:
    return ["--dir", f"{folder}::m", "--graph", f"named={folder / 'f32.xml'}", "--abi", choice]


def _verdicts(epoch: str, errno: int) -> list[str]:
    """Return what a guest that is understood says."""
    values, functions = abi.EPOCHS[epoch].values, abi.EPOCHS[epoch].functions
    steps = [name for name in DTYPES if name in values["tensor_type"]]
    steps += ["onnx"] * ("onnx" in values["graph_encoding"]) + ["named"] * ("load_by_name" in functions)
    return [*(f"{step} ok" for step in steps), f"no such graph {errno}"]


@pytest.mark.parametrize("is_auto", [True, False])
@pytest.mark.parametrize("epoch", abi.EPOCHS)
def test_guest_of_each_epoch(
    compiled: Callable[[str], Path],
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    epoch: str,
    *,
    is_auto: bool,
) -> None:
    """All its types, IR and ONNX from bytes, a named model, its errno; under `auto` with what was found."""
    wasm = compiled(epoch)
    capfd.readouterr()  # what the generator said
    assert main(["run", str(wasm), *_options(folder, AUTO if is_auto else epoch)]) == 0
    stdout, stderr = capfd.readouterr()
    values = abi.EPOCHS[epoch].values
    assert stdout.splitlines() == _verdicts(epoch, values["nn_errno"]["invalid_argument"])
    notes = [line for line in stderr.splitlines() if "dialect" in line]
    if not is_auto:
        assert notes == []
    elif epoch == LEGACY:
        (note,) = notes
        assert abi.EPOCHS[LEGACY].module in note
    else:
        kinds = ("tensor_type", "graph_encoding")
        old = [
            name
            for kind in kinds
            for name, number in values[kind].items()
            if TODAY[kind].get(name) != number and f"{name} ok" in stdout.splitlines()
        ]
        assert len(notes) == len(old)
        assert all(any(f"`{name}`" in note for note in notes) for name in old)


def test_guest_held_to_the_wrong_epoch_gets_an_errno_and_a_hint(
    compiled: Callable[[str], Path], folder: Path
) -> None:
    """In a process of its own, as an operator sees it."""
    command = [sys.executable, "-m", "host", "run", str(compiled("2022-10")), *_options(folder, "current")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert lines[:2] == ["f16 ok", "f32 ok"]
    assert f"u8 set_input {NnErrno.INVALID_ARGUMENT:d}" in lines
    assert f"i32 set_input {NnErrno.INVALID_ARGUMENT:d}" in lines
    hints = [line for line in done.stderr.splitlines() if "hint" in line]
    assert len(hints) == 2
    assert all("try `--abi 2022`" in hint for hint in hints)
    assert "Traceback" not in done.stderr
