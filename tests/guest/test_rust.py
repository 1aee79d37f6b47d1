"""The Rust module compiles wherever there is a standard library for it, without a warning."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CRATE = ROOT / "guest/rust"


def tool(name: str, path: Path | None = None) -> str:
    """Return a program's path; without it the test is skipped, and fails where CI is set."""
    found = shutil.which(name) if path is None else shutil.which(path)
    if found is None:
        missing = f"{path or name} is not there: run `make rust`" if path else f"{name} is not installed"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.mark.parametrize("features", [[], ["--cfg", 'feature="extensions"']], ids=["default", "extensions"])
@pytest.mark.parametrize("target", ["host", "wasm32-wasip1"])
def test_the_crate_compiles_without_a_warning(target: str, features: list[str], tmp_path: Path) -> None:
    """For wasm32 this checks every layout assert by rustc's own layout."""
    is_host = target == "host"
    command = [tool("rustc") if is_host else tool("rustc", ROOT / "build/rust/bin/rustc")]
    command += ["--edition=2021", "--crate-type=lib", "--emit=metadata", "-Dwarnings"]
    command += [] if is_host else [f"--target={target}"]
    done = subprocess.run(
        [*command, *features, "-o", str(tmp_path / "wasinn.rmeta"), str(CRATE / "src/lib.rs")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_wrong_size_does_not_compile(tmp_path: Path) -> None:
    """The asserts are alive: with the guard on wasm32 taken away, pointers of 8 bytes break them."""
    rustc = tool("rustc")
    raw = (CRATE / "src/raw.rs").read_text(encoding="utf-8")
    guard = '#[cfg(target_arch = "wasm32")]\nconst _'
    assert guard in raw
    (tmp_path / "raw.rs").write_text(raw.replace(guard, "const _"), encoding="utf-8")
    shutil.copy(CRATE / "src/lib.rs", tmp_path)
    done = subprocess.run(
        [rustc, "--edition=2021", "--crate-type=lib", "--emit=metadata", "lib.rs"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode != 0
    assert "assertion failed" in done.stderr


def test_the_crate_is_clean_under_clippy_pedantic_and_rustfmt(tmp_path: Path) -> None:
    env = {**os.environ, "CARGO_TARGET_DIR": str(tmp_path)}
    clippy = ["clippy", "--offline", "--quiet", "--all-features", "--", "-Dwarnings"]
    for arguments in (clippy, ["fmt", "--check"]):
        done = subprocess.run(
            [tool("cargo"), *arguments], capture_output=True, text=True, check=False, cwd=CRATE, env=env
        )
        assert done.returncode == 0, done.stderr + done.stdout
