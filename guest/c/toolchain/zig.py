"""A directory in wasi-sdk's shape around the compiler of the `ziglang` Python package: the last resort.

It does not offer llvm-nm, llvm-objcopy and llvm-strip: the package has none.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from guest.c.toolchain import sdk, wrapper
from guest.c.toolchain.sdk import say

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "0.17.1"

# zig builds its libc on first use; without this the result would go to the home directory.
_CACHE = """\
export ZIG_GLOBAL_CACHE_DIR="${ZIG_GLOBAL_CACHE_DIR:-$sdk/cache}"
export ZIG_LOCAL_CACHE_DIR="${ZIG_LOCAL_CACHE_DIR:-$sdk/cache}"
"""
_ZIG = '"$sdk/python/ziglang/zig"'
# Without optimisation zig adds run-time checks that clang does not: guests must not differ by compiler.
_FLAGS = "--target=wasm32-wasi -fno-sanitize=undefined"
_ABSENT = "not part of the ziglang package; to strip a program link it with -s"


def make(toolchains: Path) -> Path:
    """Install the pinned package below `toolchains` and wrap it; return the made directory.

    Raises:
        Unusable: pip is missing, or cannot install the package.
    """
    final = toolchains / f"ziglang-{VERSION}"
    if sdk.works(final):
        return final
    say(f"    installing ziglang {VERSION} into {final} (about 410 MB; its first compilation takes a minute)")
    with sdk.making(final) as made:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
        sdk.run([*pip, "--only-binary", ":all:", "--target", made / "python", f"ziglang=={VERSION}"])
        _write_tools(made)
        sysroot = made / "share" / "wasi-sysroot" / "include"
        sysroot.mkdir(parents=True)
        for name in ("wasm32-wasi", "wasm32-wasip1"):
            (sysroot / name).symlink_to("../../../python/ziglang/lib/libc/include/wasm-wasi-musl")
        sdk.write_record(made, "ziglang", version=VERSION, sysroot="headers only: zig builds its libc itself")
    return final


def _write_tools(made: Path) -> None:
    scripts = {
        "clang": wrapper.compiler(
            f"{_ZIG} cc {_FLAGS}", target="wasm32-wasi", setup=_CACHE, drop_sysroot=True
        ),
        "clang++": wrapper.compiler(
            f"{_ZIG} c++ {_FLAGS}", target="wasm32-wasi", setup=_CACHE, drop_sysroot=True
        ),
        "wasm-ld": wrapper.tool(f"{_ZIG} wasm-ld", setup=_CACHE),
        "llvm-ar": wrapper.tool(f"{_ZIG} ar", setup=_CACHE),
        "llvm-ranlib": wrapper.tool(f"{_ZIG} ranlib", setup=_CACHE),
    }
    for name in sdk.TOOLS:
        sdk.write_script(made / "bin" / name, scripts.get(name) or wrapper.absent(name, _ABSENT))
