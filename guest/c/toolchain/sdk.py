"""A directory in wasi-sdk's shape: its parts, the check that it works, and putting one in place.

It does not know where such a directory comes from: see `release`, `debian` and `zig`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOOLS = ("clang", "clang++", "wasm-ld", "llvm-ar", "llvm-ranlib", "llvm-nm", "llvm-objcopy", "llvm-strip")
REQUIRED = ("bin/clang", "bin/clang++", "bin/wasm-ld", "bin/llvm-ar", "share/wasi-sysroot")
RECORD = "share/wasi-sdk.json"
LAYOUT = 1
"""Counts the shapes of made directories, so that one made by older code is not taken for a current one."""

_C_PROGRAM = '#include <stdio.h>\nint main(void) { return printf("%s\\n", "ok") != 3; }\n'
_CXX_PROGRAM = """#include <string>
#include <vector>
int main() {
  std::vector<std::string> words;
  words.push_back("ok");
  return static_cast<int>(words.back().size()) - 2;
}
"""


class Unusable(Exception):  # noqa: N818 - it names what the directory or the way to one is, as the reader meets it
    """One way to a wasi-sdk did not work, and why."""


def say(text: str) -> None:
    """Write one line of progress to stderr; stdout is for data."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def run(command: Sequence[str | Path], *, cwd: Path | None = None, timeout: float = 1800) -> str:
    """Run a program and return its stdout.

    Raises:
        Unusable: it is not there, fails, or takes longer than `timeout` seconds.
    """
    name = Path(command[0]).name
    env = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False
        )
    except OSError as error:
        raise Unusable(f"cannot run `{name}`: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Unusable(f"`{name}` took longer than {timeout:.0f} s") from error
    if done.returncode != 0:
        raise Unusable(
            f"`{name}` failed with exit code {done.returncode}:\n{_tail(done.stderr or done.stdout)}"
        )
    return done.stdout


def missing(sdk: Path) -> tuple[str, ...]:
    """Name the parts of a wasi-sdk that `sdk` lacks."""
    return tuple(part for part in REQUIRED if not (sdk / part).exists())


def check(sdk: Path) -> None:
    """Compile and link a C and a C++ program with `sdk`: that they build is what "usable" means.

    Raises:
        Unusable: a part is missing, or a program does not build (with the compiler's own words).
    """
    if not sdk.is_dir():
        raise Unusable(f"{sdk} is not a directory")
    if parts := missing(sdk):
        raise Unusable(f"{sdk} is not a wasi-sdk: it has no {', no '.join(parts)}")
    with tempfile.TemporaryDirectory(prefix="wasi-sdk-check-") as name:
        folder = Path(name)
        (folder / "c.c").write_text(_C_PROGRAM, encoding="utf-8")
        (folder / "cxx.cpp").write_text(_CXX_PROGRAM, encoding="utf-8")
        for command in (
            ("clang", "--target=wasm32-wasip1", "-O2", "c.c"),
            ("clang++", "-O2", "-fno-exceptions", "cxx.cpp"),
        ):
            run([(sdk / "bin" / command[0]).absolute(), *command[1:], "-o", "a.wasm"], cwd=folder)
            if not (folder / "a.wasm").read_bytes().startswith(b"\0asm"):
                raise Unusable(f"{sdk}/bin/{command[0]} does not make WebAssembly")


def works(sdk: Path) -> bool:
    """Tell whether `sdk` is there, has the shape this code makes, and compiles."""
    try:
        check(sdk)
    except Unusable:
        return False
    return is_current(sdk)


def is_current(sdk: Path) -> bool:
    """Tell whether `sdk` was not made by an older layout of this code."""
    record = sdk / RECORD
    try:
        return not record.exists() or json.loads(record.read_text(encoding="utf-8"))["layout"] == LAYOUT
    except (ValueError, KeyError, TypeError):
        return False


def write_record(sdk: Path, source: str, **facts: object) -> None:
    """Note in `sdk` how it was made."""
    text = json.dumps({"layout": LAYOUT, "source": source, **facts}, indent=2)
    (sdk / RECORD).write_text(text + "\n", encoding="utf-8")


def write_script(path: Path, text: str) -> None:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@contextmanager
def making(final: Path) -> Iterator[Path]:
    """Give a new folder beside `final` that becomes `final` if the block succeeds and vanishes if not."""
    final.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        folder.chmod(0o755)
        yield folder
        if final.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{final.name}.old.", dir=final.parent))
            final.rename(old / final.name)
            folder.rename(final)
            shutil.rmtree(old)
        else:
            folder.rename(final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def point(link: Path, sdk: Path) -> None:
    """Make the symlink `link` lead to `sdk`, in one step so that no reader finds it missing.

    It leads to the folder itself: of the links on the way to it one may be `link`, which would be a loop.

    Raises:
        Unusable: `link` is a real file or folder, which is not ours to remove.
    """
    if link.exists() and not link.is_symlink():
        raise Unusable(f"{link} is not a link made by this setup: move it away")
    link.parent.mkdir(parents=True, exist_ok=True)
    target, beside = sdk.resolve(), link.parent.resolve()
    if target.is_relative_to(beside):  # relative, so that the checkout can be moved as a whole
        target = target.relative_to(beside)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def _tail(text: str, lines: int = 12) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-lines:])
