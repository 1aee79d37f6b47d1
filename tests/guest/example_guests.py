"""What the tests of the examples share: the compiled guests, their models, and what a refusal looks like.

It knows no example's answers.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tests.guest import rust_tools
from tests.guest.conftest import ROOT
from tests.guest.stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Compiler, Need, Runtime

Done = subprocess.CompletedProcess[str]
UNSAFE = (
    "\x01\x07\x1b\x7f\x80\x9b\x9f\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e"
    "\u2066\u2067\u2068\u2069"
)
"""What drives a terminal, or turns the direction of writing."""
LEFT_ALONE = "a~\u00a0\u00e9\u061b\u061d\u200d\u2010\u2027\u202f\u2065\u206a\u20ac\u4f60\U0001f600"
"""Their neighbours and others."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A compiled example, with the folders that it sees as /model and /files; a run may replace them."""

    wasm: Path
    model: Path
    files: Path

    def run(
        self, runtime: Runtime, *words: str, model: Path | None = None, files: Path | None = None
    ) -> Done:
        """Run it for real, its model registered by its folder's name."""
        folders = {model or self.model: "/model", files or self.files: "/files"}
        return runtime.run(self.wasm, *words, folders=folders, graph=self.model)

    def run_alone(
        self,
        *words: str,
        model: Path | None = None,
        files: Path | None = None,
        host: StandIn | None = None,
    ) -> Done:
        """Run it on a stand-in for a host: quick, for what the guest finds out without a model."""
        folders = {model or self.model: "/model", files or self.files: "/files"}
        ran = (host or StandIn()).run(self.wasm, *words, folders=folders)
        return Done(words, ran.code, ran.stdout.decode(), ran.stderr)


@cache
def rust_guest(name: str) -> Path:
    """Return an example in Rust, compiled as `make guests` does."""
    cargo = rust_tools.tool("cargo", rust_tools.FOR_WASM / "cargo")
    target_dir = rust_tools.TARGET_DIR / "examples"
    command = (cargo, "build", "--quiet", "--release", "--locked", "--target=wasm32-wasip1")
    rust_tools.run(*command, cwd=ROOT / "examples" / name, target_dir=target_dir)
    return target_dir / "wasm32-wasip1/release" / f"{name}.wasm"


def c_guest(compiler: Compiler, name: str, out: Path, *flags: str) -> Path:
    """Compile an example in C."""
    stb = ROOT / "build/stb"
    return compiler.build(
        ROOT / f"examples/{name}/{name}.c", out, "-std=c11", "-s", "-isystem", str(stb), *flags
    )


def cpp_guest(compiler: Compiler, name: str, out: Path) -> Path:
    """Compile an example in C++, as `make guests` does."""
    flags = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-s")
    return compiler.build(ROOT / f"examples/{name}/{name}.cpp", out, *flags)


def model(need: Need, name: str, *files: str) -> Path:
    """Return the folder with a model, as `make model` leaves it."""
    folder = ROOT / "build/models" / name
    for file in ("model.xml", "model.bin", *files):
        need(folder / file, "run `make model`")
    return folder


def assert_refused(done: Done, guest: str, *words: str, code: int = 1) -> None:
    """Check for an exit code and one line of the guest's on stderr (the host may add notes of its own)."""
    lines = [line for line in done.stderr.splitlines() if line.startswith(f"{guest}: ")]
    assert (done.returncode, done.stdout, len(lines)) == (code, "", 1), done.stderr
    assert "Traceback" not in done.stderr
    assert "wasm trap" not in done.stderr
    for word in words:
        assert word in lines[0]
