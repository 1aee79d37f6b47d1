"""What wasi_nn.h promises holds in a wasm guest, and natively under sanitizers."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.guest.claims import SANITIZE
from tests.guest.stand_in import StandIn

if TYPE_CHECKING:
    from tests.guest.conftest import Compiler

HERE = Path(__file__).parent
CLAIMS = HERE / "sdk_test.c"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with files of five and six bytes and an empty one."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "five").write_bytes(b"12345")
    (folder / "six").write_bytes(b"123456")
    (folder / "empty").touch()
    return folder


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


def test_the_claims_hold_natively_under_sanitizers(sanitizing: Compiler, files: Path, tmp_path: Path) -> None:
    flags = ("-std=c99", "-DWASI_NN_NATIVE", *SANITIZE)
    done = sanitizing.run(CLAIMS, *flags, "-o", str(tmp_path / "sdk"), "-lm")
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
