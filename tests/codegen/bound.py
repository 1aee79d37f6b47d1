"""Models with ports of any name to bind, and the commands that build and run guests with their bindings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
from openvino import opset13 as ops

from codegen.cli import main
from tests.codegen import corpus
from tests.host import models

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "guest/c/include"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")

HOSTILE = (
    "x", "X", "x!", "x_1", "x_size", "size", "int", "while", "context", "data", "error", "load", "sha256",
    "*/ int oops; /*", "new\nline", '"quote\\', "??/", "\u00fcml\u00e4ut", "\u202e", "\x7f", "1st", "`tick",
    "tail\\", "{{ view }}", "a" * 300, "b" * 48 + "c", "b" * 48 + "d",
)  # fmt: skip
"""Names that break what takes them as they are."""


def named(names: tuple[str, ...], shape: tuple[int, ...] | None = (2,), dtype: str = "float32") -> models.IR:
    """Return the IR of a model that doubles each of its inputs; the outputs have the names of the inputs.

    Without a `shape` the inputs have any; -1 in it is a dimension of any length.
    """
    partial = openvino.PartialShape.dynamic() if shape is None else openvino.PartialShape(list(shape))
    inputs, outputs = [], []
    for name in names:
        x = ops.parameter(partial, np.dtype(dtype))
        y = ops.add(x, x)
        x.output(0).set_names({name})
        # One name is given but once, so an output's has a blank more.
        y.output(0).set_names({f"{name} "})
        inputs.append(x)
        outputs.append(y)
    return models.ir(openvino.Model(outputs, inputs, "doubles"))


def plus(value: float) -> models.IR:
    """Return the IR of x = x + value for x of shape [2]; the constant is in the weights."""
    x = ops.parameter([2], np.float32)
    y = ops.add(x, ops.constant(np.array([value, value], np.float32)))
    x.output(0).set_names({"x"})
    y.output(0).set_names({"y"})
    return models.ir(openvino.Model([y], [x], "plus"))


def save(folder: Path, ir: models.IR, stem: str) -> Path:
    """Write an IR; return its XML."""
    path = folder / f"{stem}.xml"
    path.write_bytes(ir[0])
    path.with_suffix(".bin").write_bytes(ir[1])
    return path


def bind(model: Path, out: Path, *options: str) -> None:
    """Write the bindings to a model."""
    assert main(["model", str(model), "-o", str(out), *options]) == 0


def c_guest(folder: Path, text: str, *flags: str) -> Path:
    """Compile a guest in C, or with `-std=c++17` in C++, that includes bindings of the same folder."""
    is_cpp = any("c++" in flag for flag in flags)
    source = folder / ("guest.cpp" if is_cpp else "guest.c")
    source.write_text(text, encoding="utf-8")
    guest = folder / "guest.wasm"
    clang = corpus.wasi_clang("clang++" if is_cpp else "clang")
    corpus.run(clang, *WARNINGS, "-O1", *flags, f"-I{INCLUDE}", f"-I{folder}", "-s", "-o", guest, source)
    return guest


def run(guest: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a guest on the project's host, with `folder` open to it."""
    command = [sys.executable, "-m", "host", "run", "--dir", f"{folder}::models", *options, str(guest)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
