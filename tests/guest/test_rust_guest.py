"""Guests on the safe Rust API do as they should on two real runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
import pytest

from tests.guest.rust_tools import FOR_WASM, TARGET_DIR, guest, run, tool
from tests.host import models

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Runtime


@pytest.fixture
def double(tmp_path: Path) -> Path:
    """Return the folder `double` with the IR of y = x + x for f32 [1, 2]."""
    folder = tmp_path / "double"
    folder.mkdir()
    save(models.double([1, 2]), folder / "model.xml")
    return folder


def save(model: models.IR, path: Path) -> None:
    path.write_bytes(model[0])
    path.with_suffix(".bin").write_bytes(model[1])


def test_the_calls_answer_the_same_on_both_runtimes(runtime: Runtime, double: Path) -> None:
    """By name, from files and from bytes; a vector grows where the host does not tell the size."""
    done = runtime.run(guest("calls"), folders={double: "/model"}, graph=double)
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    size = {"host": "Some(8)", "wasmtime": "None"}[runtime.name]
    assert said.pop("unknown") != "none"
    assert said.pop("garbage") != "none"
    assert said.pop("missing").startswith('cannot read "/model/none": ')
    assert said == {
        **dict.fromkeys(("name", "cache", "files", "bytes"), "[3.0, -4.0]"),
        "before": "true" if runtime.name == "host" else "false",
        "into": "2 [2.0, 4.0, 9.0]",
        "size": size,
        "small": "true",
        "index": "true",
        "type": "true",
    }


def test_an_error_says_what_to_try(host: Runtime, double: Path) -> None:
    done = host.run(guest("calls"), folders={double: "/model"}, graph=double)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said["unknown"] == (
        "no graph is registered under this name (wasi-nn error 8); "
        "register the model with the host under exactly this name"
    )
    assert said["garbage"].startswith("the host's backend failed (wasi-nn error 5); ")


# Small values: the backend computes f64 in f32 and i64 in i32.
TYPES = {
    "f16": ("float16", "[0.19995117, -7.0, 2.3841858e-7]"),
    "f32": ("float32", "[0.2, -7.0, 2e-30]"),
    "f64": ("float64", "[0.5, -7.0, 1.5]"),
    "u8": ("uint8", "[2, 200, 254]"),
    "i32": ("int32", "[-2, 2097152, 0]"),
    "i64": ("int64", "[-2, 1073741824, 0]"),
}


def test_every_element_type_goes_both_ways(host: Runtime, tmp_path: Path) -> None:
    for name, (dtype, _) in TYPES.items():
        save(models.double([3], dtype), tmp_path / f"{name}.xml")
    done = host.run(guest("types"), *TYPES, folders={tmp_path: "/models"})
    assert (done.returncode, done.stderr) == (0, "")
    assert dict(line.split(" ", 1) for line in done.stdout.splitlines()) == {
        name: shown for name, (_, shown) in TYPES.items()
    }


def test_graphs_and_contexts_are_released_where_the_host_can(host: Runtime, double: Path) -> None:
    done = host.run(guest("releases"), graph=double)
    assert (done.returncode, done.stdout) == (0, "released\n"), done.stderr


def test_only_a_guest_that_calls_an_extension_needs_it(wasmtime: Runtime, double: Path) -> None:
    """Both guests are compiled with the feature; the other one runs on this runtime above."""
    done = wasmtime.run(guest("releases"), graph=double)
    assert done.returncode != 0
    assert "unknown import" in done.stderr


def test_the_example_gives_the_model_s_own_answer(runtime: Runtime, model: Path, tmp_path: Path) -> None:
    build = ("build", "--quiet", "--release", "--target=wasm32-wasip1", "--example=classify")
    run(tool("cargo", FOR_WASM / "cargo"), *build, target_dir=TARGET_DIR / "scalar")
    classify = TARGET_DIR / "scalar/wasm32-wasip1/release/examples/classify.wasm"
    pixels = np.random.default_rng(0).integers(0, 256, (227, 227, 3), np.uint8)
    (tmp_path / "noise.rgb").write_bytes(pixels.tobytes())
    words = (model.name, "227", "227", "/photos/noise.rgb")
    done = runtime.run(classify, *words, folders={tmp_path: "/photos"}, graph=model)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    native = openvino.Core().compile_model(model / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    (scores,) = native(np.moveaxis(pixels / np.float32(255), 2, 0)[np.newaxis]).values()
    best = np.argsort(-scores.ravel(), kind="stable")[:5]
    assert int(rows[0][0]) == best[0]
    if runtime.name == "host":  # the other one computes in bf16 where it can
        assert [int(index) for index, _ in rows] == best.tolist()
        np.testing.assert_allclose([float(score) for _, score in rows], scores.ravel()[best], atol=6e-4)
