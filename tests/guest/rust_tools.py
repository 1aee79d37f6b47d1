"""Builds the crate and guests that use it, all in `build/guest/cargo`, for all tests to share."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CRATE = ROOT / "guest/rust"
GUESTS = Path(__file__).parent / "rust"
TARGET_DIR = ROOT / "build/guest/cargo"
FOR_WASM = ROOT / "build/rust/bin"
SIMD = "-Ctarget-feature=+simd128"


def tool(name: str, path: Path | None = None) -> str:
    """Return a program's path; without it the test is skipped, and fails where CI is set."""
    found = shutil.which(name) if path is None else shutil.which(path)
    if found is None:
        missing = f"{path or name} is not there: run `make rust`" if path else f"{name} is not installed"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def run(
    *command: str,
    rustflags: str = "",
    runner: str = "",
    cwd: Path = CRATE,
    target_dir: Path = TARGET_DIR,
    expected: str = "",
) -> str:
    """Run a cargo or rustc command offline, where nothing from outside steers it; return stdout.

    `runner` is what runs a wasm program, as words with spaces between. A warning fails like an error, but for
    one that is `expected` in these words.
    """
    unsteered = {name: value for name, value in os.environ.items() if not name.startswith(("CARGO_", "RUST"))}
    home = {name: os.environ[name] for name in ("CARGO_HOME", "RUSTUP_HOME") if name in os.environ}
    mine = {"CARGO_TARGET_DIR": str(target_dir), "CARGO_NET_OFFLINE": "true", "RUSTFLAGS": rustflags}
    mine["CARGO_PROFILE_DEV_DEBUG"] = "0"  # nobody debugs these: saves time and room
    if runner:
        mine["CARGO_TARGET_WASM32_WASIP1_RUNNER"] = runner
    done = subprocess.run(
        command, cwd=cwd, env=unsteered | home | mine, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert expected in done.stderr
    assert "warning" not in (done.stderr.replace(expected, "") if expected else done.stderr), done.stderr
    return done.stdout


@cache
def guest(name: str, flags: str = "") -> Path:
    """Return a guest of `tests/guest/rust`, compiled for wasm32 and optimised."""
    target_dir = TARGET_DIR / ("simd" if flags else "scalar")
    command = ("build", "--quiet", "--release", "--locked", "--target=wasm32-wasip1", f"--bin={name}")
    run(tool("cargo", FOR_WASM / "cargo"), *command, rustflags=flags, cwd=GUESTS, target_dir=target_dir)
    return target_dir / "wasm32-wasip1/release" / f"{name}.wasm"
