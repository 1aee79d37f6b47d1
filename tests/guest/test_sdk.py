"""What wasi_nn.h promises holds in a wasm guest, and natively under sanitizers; its sums agree with NumPy."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.guest.stand_in import StandIn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.guest.conftest import Compiler

HERE = Path(__file__).parent
CLAIMS = HERE / "sdk_test.c"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with a file of five bytes and an empty one."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "five").write_bytes(b"12345")
    (folder / "empty").touch()
    return folder


@pytest.fixture(scope="module")
def numbers(wasi_sdk: Compiler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the guest that computes softmax and top_k of its input."""
    out = tmp_path_factory.mktemp("numbers") / "numbers.wasm"
    return wasi_sdk.build(HERE / "sdk_numbers.c", out, "-std=c99")


def verdict(output: str) -> None:
    lines = output.splitlines()
    assert [line for line in lines if not line.startswith("ok: ")] == ["end"]
    # One definition of `check`, all else are its calls.
    assert len(lines) - 1 == CLAIMS.read_text(encoding="utf-8").count("check(") - 1


def test_the_claims_hold_in_wasm(wasi_sdk: Compiler, files: Path, tmp_path: Path) -> None:
    guest = wasi_sdk.build(CLAIMS, tmp_path / "sdk.wasm", "-std=c99", "-s")
    ran = StandIn().run(guest, "/files", folders={files: "/files"})
    verdict(ran.stdout.decode())
    assert (ran.code, ran.stderr) == (0, "")


def test_the_claims_hold_natively_under_sanitizers(native: Compiler, files: Path, tmp_path: Path) -> None:
    flags = ("-std=c99", "-DWASI_NN_NATIVE", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    done = native.run(CLAIMS, "-g", *flags, "-o", str(tmp_path / "sdk"), "-lm")
    assert done.returncode == 0, done.stderr
    ran = subprocess.run([tmp_path / "sdk", files], capture_output=True, text=True, check=False)
    verdict(ran.stdout)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_host_receives_what_the_guest_meant(wasi_sdk: Compiler, files: Path, tmp_path: Path) -> None:
    """Names without their NUL, files whole and in order, a tensor with zeros for padding."""
    guest = wasi_sdk.build(CLAIMS, tmp_path / "sdk.wasm", "-std=c99")
    seen = StandIn()
    seen.run(guest, "/files", folders={files: "/files"})
    assert seen.names == ["grün".encode()]
    assert seen.models == [(b"12345", b""), (b"12345",)]
    (tensor,) = seen.tensors
    assert tensor.dimensions == (2, 3)
    assert tensor.record[8:12] == b"\1\0\0\0"
    assert tensor.data == struct.pack("<6f", 1, 2, 3, 4, 5, 6)


def compute(guest: Path, logits: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], list[int]]:
    """Return softmax and the indices of top_k, as the guest computes them."""
    stdin = struct.pack("<II", logits.size, k) + logits.astype("<f4").tobytes()
    ran = StandIn().run(guest, stdin=stdin)
    assert (ran.code, ran.stderr) == (0, "")
    softmax = np.frombuffer(ran.stdout, "<f4", logits.size)
    best = np.frombuffer(ran.stdout[4 * logits.size :], np.dtype([("index", "<u4"), ("score", "<f4")]))
    indices = best["index"]
    np.testing.assert_array_equal(best["score"], logits[indices])
    return softmax, [int(index) for index in indices]


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 4096])
@pytest.mark.parametrize("scale", [0.01, 5.0, 1e4])
def test_softmax_agrees_with_numpy(numbers: Path, n: int, scale: float) -> None:
    logits = (np.random.default_rng(n).standard_normal(n) * scale).astype(np.float32)
    found, _ = compute(numbers, logits, 0)
    wide = np.exp(logits.astype(np.float64) - logits.max())
    np.testing.assert_allclose(found, wide / wide.sum(), rtol=1e-5, atol=1e-37)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 9), (1000, 5), (1000, 1000), (4096, 100)])
@pytest.mark.parametrize("seed", [0, 1])
def test_top_k_agrees_with_numpy(numbers: Path, n: int, k: int, seed: int) -> None:
    """Few distinct values make many ties; NumPy's stable sort also keeps their order and puts NaN last."""
    random = np.random.default_rng(seed)
    logits = random.integers(-9, 9, n).astype(np.float32)
    logits[random.random(n) < 0.1] = np.nan
    _, found = compute(numbers, logits, k)
    assert found == np.argsort(-logits, kind="stable")[:k].tolist()
