"""Rust from Debian's packages, unpacked without root, and its standard library built for wasm32-wasip1.

It installs nothing, and leaves linking to the wasi-sdk: only that has a linker for WebAssembly and a libc.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from guest.c.toolchain import debian, sdk
from guest.c.toolchain.sdk import Unusable, run, say
from guest.rust.toolchain import bundle, library

if TYPE_CHECKING:
    from pathlib import Path

COMPILER = "rustc-web"
PACKAGES = (COMPILER, "cargo-web", "rust-web-src", "libstd-rust-web-dev")
"""Debian's newer Rust; what it calls plain `rustc` is years older."""

# rustc looks for its linker in its own folder, where Debian has none: put there, this one needs no flags.
_LINKER = """\
if [ "$1" = -flavor ]; then shift 2; fi
linker=${WASI_SDK_PATH:-$sdk/../../wasi-sdk}/bin/wasm-ld
if [ ! -x "$linker" ]; then
  echo "no linker at $linker: run 'make toolchain', or set WASI_SDK_PATH" >&2
  exit 1
fi
"""
_SPARE = ("usr/src", "usr/lib/rustlib/src", "usr/libexec", "usr/share")
"""What only the building of the library needed, or nothing here needs: more than half."""


def make(toolchains: Path, wasi_sdk: Path) -> Path:
    """Download and unpack the packages below `toolchains`, build the library; return the made directory.

    Raises:
        Unusable: this is no Debian, apt does not offer the packages, or there is no wasi-sdk or C compiler.
    """
    if absent := [name for name in ("apt-get", "apt-cache", "dpkg-deb", "cc") if not shutil.which(name)]:
        hint = " (Cargo needs a C compiler for this machine: install gcc)" if absent == ["cc"] else ""
        raise Unusable(f"this machine has no {', no '.join(absent)}{hint}")
    library.libc_files(wasi_sdk)  # before anything is downloaded
    version = _offered()
    final = toolchains / f"rust-{version}-debian"
    if bundle.works(final):
        return final
    names = _closure()
    say(f"    downloading {len(names)} Debian packages of Rust {version} (about 120 MB, half a minute)")
    with sdk.making(final) as made:
        debian.unpack(names, made / "root")
        usr = made / "root" / "usr"
        folders = ":".join(f"$sdk/root/usr/lib/{folder.name}" for folder in usr.glob("lib/*-linux-gnu*"))
        setup = f'export LD_LIBRARY_PATH="{folders}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"\n'
        texts = bundle.scripts("$sdk/root/usr/bin", setup=setup)
        texts["rust-lld"] = bundle.script('"$linker"', setup=_LINKER)
        bundle.write(made, texts, "debian, unpacked", rust=version, packages=names)
        facts = library.facts(made)
        linker = usr / "lib" / "rustlib" / facts["host"] / "bin" / "rust-lld"
        linker.parent.mkdir(exist_ok=True)
        linker.symlink_to(os.path.relpath(made / "bin" / "rust-lld", linker.parent))
        say(f"    building the standard library for {bundle.TARGET}, about 2 minutes")
        library.build(made, usr, facts, wasi_sdk)
        for name in _SPARE:
            _remove(made / "root" / name)
    return final


def _offered() -> str:
    """Return the version of Rust that apt offers."""
    debian.update_if_unknown(COMPILER)
    policy = run(["apt-cache", "policy", *PACKAGES])
    known = debian.parse_policy(policy)
    if absent := [name for name in PACKAGES if not known.get(name, (False, False))[1]]:
        hint = "" if os.geteuid() == 0 else "; its lists may be empty: run `apt-get update` as root"
        raise Unusable(f"apt offers no {', no '.join(absent)}{hint}")
    found = re.search(rf"^{COMPILER}:\n(?:  .*\n)*?  Candidate: (?:\d+:)?([\d.]+)", policy, re.MULTILINE)
    if found is None:
        raise Unusable(f"apt gives {COMPILER} no version")
    return found[1]


def _closure() -> tuple[str, ...]:
    """Name the packages to unpack: ours, and the libraries they need that are not installed here."""
    direct = _depends(*PACKAGES)
    own = {name for name in direct if name.startswith("libstd-rust")}
    libraries = _depends(*(name for name in direct | _depends(*own) if _is_library(name)), "--recurse")
    planned = run(["apt-get", "install", "--simulate", "--no-install-recommends", *PACKAGES])
    fresh = set(re.findall(r"^Inst (\S+)", planned, flags=re.MULTILINE))
    return tuple(sorted({*PACKAGES, *own, *(name for name in fresh & libraries if _is_library(name))}))


def _depends(*arguments: str) -> set[str]:
    """Name the packages given and those they depend on."""
    no = [
        f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    ]
    listing = run(["apt-cache", "depends", *no, *arguments])
    return set(re.findall(r"^(?:  Depends: )?(\w[^\s:]*)$", listing, flags=re.MULTILINE))


def _is_library(name: str) -> bool:
    # The C library itself is always the machine's own: two of them in one process do not work.
    return name.startswith("lib") and not name.endswith("-dev") and name != "libc6"


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)
