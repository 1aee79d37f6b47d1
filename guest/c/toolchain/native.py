"""Provide `build/native`: a clang for this machine itself, whose sanitizers work, for tests of the SDK.

It compiles nothing for WebAssembly and installs nothing: what Debian's clang lacks is unpacked in `build/`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[3]
if __package__ in {None, ""}:  # run as a script, before anything is installed
    sys.path.insert(0, str(ROOT))

from guest.c.toolchain import debian, sdk, wrapper  # noqa: E402 - needs the path set above
from guest.c.toolchain.sdk import Unusable, run, say  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Mapping

TOOLS = ("clang", "clang++")
SANITIZE = "-fsanitize=address,undefined"
_PROGRAM = "int main(void) { return 0; }\n"


def check(folder: Path) -> None:
    """Compile, link and run a program with sanitizers, in both languages.

    Raises:
        Unusable: that does not work (with the compiler's own words).
    """
    with tempfile.TemporaryDirectory(prefix="native-check-") as name:
        for tool, source in zip(TOOLS, ("c.c", "cxx.cpp"), strict=True):
            program = Path(name, source).with_suffix("")
            Path(name, source).write_text(_PROGRAM, encoding="utf-8")
            run([folder / "bin" / tool, SANITIZE, Path(name, source), "-o", program])
            run([program])


def provide(build: Path, environ: Mapping[str, str], usr: Path = Path("/usr")) -> Path:
    """Return a folder with `bin/clang` and `bin/clang++` whose sanitizers work, making it if need be.

    Raises:
        Unusable: there is no clang, or nothing to take its sanitizers from.
    """
    final = build / "native"
    try:
        check(final)
    except Unusable:
        pass
    else:
        return final
    failures = []
    for way in (_from_path, _from_debian):
        try:
            with sdk.making(final) as made:
                way(made, build, environ, usr)
                check(made)
        except Unusable as error:
            failures.append(str(error))
        else:
            return final
    raise Unusable("; ".join(failures))


def _from_path(made: Path, _build: Path, environ: Mapping[str, str], _usr: Path) -> None:
    """Call the clang that the user would call."""
    for name in TOOLS:
        found = shutil.which(name, path=environ.get("PATH"))
        if found is None:
            raise Unusable(f"there is no {name} on PATH")
        sdk.write_script(made / "bin" / name, wrapper.tool(f'"{found}"'))


def _from_debian(made: Path, build: Path, _environ: Mapping[str, str], usr: Path) -> None:
    """Call the clang that compiles for WebAssembly, with the sanitizers that its own packages leave out."""
    roots = (usr, *sorted((build / "toolchains").glob("debian-*-unpacked/root/usr")))
    homes = ((root / "lib" / f"llvm-{version}", version) for root in roots for version in debian.VERSIONS)
    home, version = next(((home, v) for home, v in homes if (home / "bin" / "clang").exists()), (None, 0))
    if home is None:
        raise Unusable("Debian's clang is neither installed nor unpacked here")
    # An unpacked compiler finds its libraries only when told; an installed one does not mind.
    libraries = ":".join(str(path) for path in home.parent.glob("*-linux-gnu*"))
    setup = f'export LD_LIBRARY_PATH="{libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"\n'
    package = f"libclang-rt-{version}-dev"
    debian.update_if_unknown(package)
    debian.unpack([package], made / "root")
    (runtime,) = made.glob("root/usr/lib/llvm-*/lib/clang/*/lib/linux")
    sdk.write_script(made / "bin" / "clang", wrapper.tool(f'"{home}/bin/clang"', setup=setup))
    headers = Path(run([made / "bin" / "clang", "-print-resource-dir"]).strip()) / "include"
    (made / "resource" / "lib").mkdir(parents=True)
    (made / "resource" / "include").symlink_to(headers)
    (made / "resource" / "lib" / "linux").symlink_to(Path("../..") / runtime.relative_to(made))
    for name in TOOLS:
        command = f'"{home}/bin/{name}" -resource-dir "$sdk/resource"'
        sdk.write_script(made / "bin" / name, wrapper.tool(command, setup=setup))


def main(
    environ: Mapping[str, str] = os.environ, build: Path = ROOT / "build", usr: Path = Path("/usr")
) -> int:
    """Provide the compiler; return the exit code: only where `CI` is set must there be one."""
    try:
        folder = provide(build, environ, usr)
    except Unusable as error:
        say(f"    no clang with sanitizers, the tests use cc: {error}")
        say("    Install clang with its runtime; on Debian the packages are clang-N and libclang-rt-N-dev.")
        return 1 if environ.get("CI") else 0
    say(f"    clang with sanitizers: {folder / 'bin'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
