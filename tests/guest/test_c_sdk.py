"""What the calls of wasi_nn.h promise: natively on a host that misbehaves, in wasm on two real ones."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from host import abi
from tests.guest.claims import HERE, NATIVE, SANITIZE, verdict
from tests.guest.conftest import ROOT
from tests.guest.test_imports import imported

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Compiler, Runtime

CLAIMS = HERE / "c_calls.c"


def test_the_claims_hold_natively_under_sanitizers(sanitizing: Compiler, tmp_path: Path) -> None:
    done = sanitizing.run(CLAIMS, "-std=c99", *NATIVE, *SANITIZE, "-o", str(tmp_path / "calls"), "-lm")
    assert done.returncode == 0, done.stderr
    ran = subprocess.run([tmp_path / "calls"], capture_output=True, text=True, check=False)
    verdict(ran.stdout, CLAIMS, more=6 * 4 - 4)  # a macro of four claims, for six types
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("dialect", ["c11", "c17", "c2x"])
def test_the_claims_compile_in_later_c_for_wasm32(wasi_sdk: Compiler, dialect: str) -> None:
    """The body of every function, not only what declares it."""
    done = wasi_sdk.run(HERE / "c_guest.c", f"-std={dialect}", "-Wconversion", "-fsyntax-only")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_guest_runs_on_hosts_that_tell_sizes_and_on_others(
    wasi_sdk: Compiler, runtime: Runtime, double: Path, tmp_path: Path
) -> None:
    guest = wasi_sdk.build(HERE / "c_guest.c", tmp_path / "guest.wasm", "-std=c99")
    done = runtime.run(guest, folders={double: "/model"}, graph=double)
    assert (done.returncode, done.stderr) == (0, "")
    announced = {"host": 20000, "wasmtime": 0}[runtime.name]
    assert done.stdout.splitlines() == [
        f"{how}: 20000 bytes, the last 9998; announced: {announced}" for how in ("name", "files")
    ]


def test_an_error_is_told_with_its_hint(
    wasi_sdk: Compiler, host: Runtime, double: Path, tmp_path: Path
) -> None:
    guest = wasi_sdk.build(HERE / "c_guest.c", tmp_path / "guest.wasm", "-std=c99")
    done = host.run(guest, folders={double: "/model"})
    assert done.returncode == 1
    want = (
        "no graph is registered under this name; register the model with the host under exactly this name (8)"
    )
    assert want in done.stderr


@pytest.mark.parametrize("optimise", ["-O0", "-O2"])
def test_the_extensions_are_imported_only_by_a_guest_that_calls_them(
    wasi_sdk: Compiler, optimise: str, tmp_path: Path
) -> None:
    source = tmp_path / "guest.c"
    calls = {"wasi_nn_compute(0)": "compute", "wasi_nn_unload(0)": "unload"}
    for call, name in calls.items():
        source.write_text(f"#include <wasi_nn_extensions.h>\nint main(void) {{ return {call}; }}\n")
        guest = wasi_sdk.build(source, tmp_path / "guest.wasm", optimise)
        assert set(imported(guest, "wasi_ephemeral_nn")) == {name}


def test_an_error_has_the_texts_that_the_rust_crate_has() -> None:
    header = (ROOT / "guest/c/include/wasi_nn.h").read_text(encoding="utf-8")
    crate = (ROOT / "guest/rust/src/error.rs").read_text(encoding="utf-8")
    for function in ("wasi_nn_strerror", "wasi_nn_error_hint"):
        (body,) = re.findall(
            rf"{function}\(wasi_nn_errno_t error\) {{\n(.*?)^}}", header, re.DOTALL | re.MULTILINE
        )
        texts = re.findall(r'return "(.+)";', body)
        assert len(texts) >= len(abi.NnErrno)
        assert [text for text in texts if f'"{text}"' not in crate] == ["success"] * (
            function[-5:] == "error"
        )
