"""The Rust that is on PATH, when it can already target wasm32-wasip1.

It adds nothing to that Rust: `rustup target add` changes what lies outside this repository, and is the
user's to run.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from guest.c.toolchain import sdk
from guest.c.toolchain.sdk import Unusable, run
from guest.rust.toolchain import bundle

_UNSAFE = set('"$`\\\n')


def make(toolchains: Path) -> Path:
    """Put scripts in front of the rustc and cargo on PATH below `toolchains`; return the made directory.

    Raises:
        Unusable: there are none, or they lack the target's standard library.
    """
    rustc, cargo = shutil.which("rustc"), shutil.which("cargo")
    if rustc is None or cargo is None:
        raise Unusable(f"this machine has no {'rustc' if rustc is None else 'cargo'} on PATH")
    libraries = run([rustc, "--print", "target-libdir", "--target", bundle.TARGET]).strip()
    if not any(Path(libraries).glob("libstd-*.rlib")):
        raise Unusable(f"{rustc} has no standard library for {bundle.TARGET}")
    sysroot = Path(run([rustc, "--print", "sysroot"]).strip())
    if sysroot.resolve().is_relative_to(toolchains.resolve()):
        raise Unusable(f"{rustc} is one that this setup made")
    # Not rustup's proxies, whose choice of compiler depends on the folder they are called in.
    tools = next((f for f in (sysroot / "bin", Path(rustc).parent) if _is_complete(f)), None)
    if tools is None:
        raise Unusable(f"{sysroot}/bin has not all of {', '.join(bundle.TOOLS)}")
    if _UNSAFE & set(str(tools)):
        raise Unusable(f"{tools} has a character in its name that a script cannot hold")
    final = toolchains / "rust-on-path"
    texts = bundle.scripts(str(tools))
    if not _holds(final, texts):
        with sdk.making(final) as made:
            bundle.write(made, texts, "PATH", tools=str(tools))
    return final


def _is_complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in bundle.TOOLS)


def _holds(final: Path, texts: dict[str, str]) -> bool:
    files = {name: final / "bin" / name for name in texts}
    return bundle.is_current(final) and all(
        file.is_file() and file.read_text(encoding="utf-8") == texts[name] for name, file in files.items()
    )
