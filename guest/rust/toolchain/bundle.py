"""A directory with a rustc and a cargo that target wasm32-wasip1: its scripts and the check that it works.

It does not know where such a directory comes from: see `path` and `debian`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from guest.c.toolchain import sdk, wrapper
from guest.c.toolchain.sdk import Unusable, run

TARGET = "wasm32-wasip1"
TOOLS = ("rustc", "rustdoc", "cargo")
RECORD = "share/rust.json"
LAYOUT = 1
"""Counts the shapes of made directories, so that one made by older code is not taken for a current one."""

_PROGRAM = 'fn main() { println!("{:?}", std::env::args().collect::<Vec<_>>()); }\n'
# The two belong together, whatever else the environment or the PATH names.
_CARGO = 'export RUSTC="$sdk/bin/rustc" RUSTDOC="$sdk/bin/rustdoc"\n'


def script(command: str, *, setup: str = "") -> str:
    """Return a script that passes its arguments to `command` (shell text; `$sdk` is the made directory)."""
    return wrapper.tool(command, setup=setup).replace("guest/c/toolchain", "guest/rust/toolchain")


def scripts(folder: str, *, setup: str = "") -> dict[str, str]:
    """Return a script for each tool in `folder`, which is shell text to stand within double quotes."""
    return {
        name: script(f'"{folder}/{name}"', setup=setup + (_CARGO if name == "cargo" else ""))
        for name in TOOLS
    }


def check(folder: Path) -> None:
    """Compile and link a program with `folder`: that it builds is what "usable" means.

    Raises:
        Unusable: a part is missing, or the program does not build (with the compiler's own words).
    """
    absent = [name for name in TOOLS if not (folder / "bin" / name).exists()]
    if absent:
        raise Unusable(f"{folder} has no bin/{', no bin/'.join(absent)}")
    with tempfile.TemporaryDirectory(prefix="rust-check-") as name:
        work = Path(name)
        (work / "hello.rs").write_text(_PROGRAM, encoding="utf-8")
        tools = folder.absolute() / "bin"
        run([tools / "cargo", "--version"], cwd=work)
        run([tools / "rustc", "--target", TARGET, "-o", "hello.wasm", "hello.rs"], cwd=work)
        if not (work / "hello.wasm").read_bytes().startswith(b"\0asm"):
            raise Unusable(f"{folder}/bin/rustc does not make WebAssembly")


def works(folder: Path) -> bool:
    """Tell whether `folder` is there, has the shape this code makes, and compiles."""
    try:
        check(folder)
    except Unusable:
        return False
    return is_current(folder)


def is_current(folder: Path) -> bool:
    """Tell whether this layout of the code made `folder`."""
    try:
        return bool(json.loads((folder / RECORD).read_text(encoding="utf-8"))["layout"] == LAYOUT)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write(made: Path, texts: dict[str, str], source: str, **facts: object) -> None:
    """Write the scripts into `made`, and the record of how it was made."""
    for name, text in texts.items():
        sdk.write_script(made / "bin" / name, text)
    record = made / RECORD
    record.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"layout": LAYOUT, "source": source, **facts}, indent=2)
    record.write_text(text + "\n", encoding="utf-8")
