"""Build the conformance guests: C with the wasi-sdk's clang, WAT with wasmtime's assembler; runs none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from wasmtime import wat2wasm

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).resolve().parent
OUT = ROOT / "build/conformance"
GROUPS = ("calls", "errors", "extensions")
"""What must work everywhere; one guest per way to fail; functions that are not of the interface."""

GRAPHS = "graphs"
"""The folder of the models that guests load by name: each a folder that has the graph's name."""

_INCLUDE = ROOT / "guest/c/include"
_FLAGS = ("-std=c99", "-O1", "-s", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
_CLAIM = re.compile(r"(?:/\*|;;) (.*?)(?: \*/)?\n")


class BuildError(Exception):
    """A guest that does not build; the message is the compiler's."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One guest: its source, and the first line of it, which says what a host must do."""

    source: Path
    claim: str

    @property
    def name(self) -> str:
        """Group and name, such as `errors/data_length`."""
        return f"{self.source.parent.name}/{self.source.stem}"

    @property
    def is_silent(self) -> bool:
        """Whether its exit code is all it says: it has no memory to print from."""
        return self.source.suffix == ".wat"

    def wasm(self, out: Path) -> Path:
        """Return where `build` puts it."""
        return out / f"{self.name}.wasm"


def guests() -> tuple[Guest, ...]:
    """Return all guests, by group and name."""
    sources = (source for group in GROUPS for source in sorted((SOURCES / group).iterdir()))
    return tuple(Guest(source, _claim(source)) for source in sources if source.suffix in {".c", ".wat"})


def build(out: Path) -> None:
    """Build what is not up to date into `out`, with the models beside; BuildError on the first that fails."""
    for group in GROUPS:
        (out / group).mkdir(parents=True, exist_ok=True)
    shutil.copytree(SOURCES / GRAPHS, out / GRAPHS, dirs_exist_ok=True)
    shared = (Path(__file__), *SOURCES.glob("*.h"), *_INCLUDE.glob("*.h"))
    newest = max(path.stat().st_mtime for path in shared)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda guest: _build(guest, guest.wasm(out), newest), guests()))


def compiler() -> Path:
    """Return where the clang for wasm32 is to be."""
    return Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build/wasi-sdk") / "bin/clang"


def compile_c(source: Path, wasm: Path) -> None:
    """Compile one guest that uses `conformance.h`; BuildError, with what the compiler said, if it fails."""
    files = (f"-I{SOURCES}", f"-I{_INCLUDE}", "-o", str(wasm), str(source))
    command = [str(compiler()), *_FLAGS, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{source} does not compile:\n{done.stderr}")


def _claim(source: Path) -> str:
    found = _CLAIM.match(source.read_text(encoding="utf-8"))
    if found is None:
        raise BuildError(f"{source.name}: its first line is no comment that says what it claims")
    return found[1]


def _build(guest: Guest, wasm: Path, shared: float) -> None:
    newest = max(guest.source.stat().st_mtime, shared)
    if wasm.exists() and wasm.stat().st_mtime > newest:
        return
    unfinished = wasm.with_suffix(".tmp")
    if guest.is_silent:
        unfinished.write_bytes(bytes(wat2wasm(guest.source.read_text(encoding="utf-8"))))
    else:
        compile_c(guest.source, unfinished)
    unfinished.replace(wasm)
