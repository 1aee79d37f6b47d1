"""Rust's standard library for wasm32-wasip1, built from a compiler's own source and put beside that compiler.

It downloads nothing: the source and all it depends on come with the compiler, and libc with the wasi-sdk.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from guest.c.toolchain.sdk import Unusable, run
from guest.rust.toolchain import bundle

OBJECTS = ("crt1-command.o", "crt1-reactor.o", "libc.a")
CRATES = ("std", "panic_abort", "proc_macro", "test")
"""The crates asked for; they bring `core`, `alloc` and the rest."""

_ABSENT = Path(__file__).with_name("absent.c")
_NAME = "only_to_build_std"
_MANIFEST = f"""\
[package]
name = "{_NAME}"
edition = "2021"

[lib]
path = "lib.rs"

[profile.release]
panic = "abort"

[workspace]
"""


def libc_files(wasi_sdk: Path) -> tuple[Path, ...]:
    """Return the files of `wasi_sdk` that every Rust program for WASI links.

    Raises:
        Unusable: it has none: there is no wasi-sdk there, or one that builds its libc itself.
    """
    if not (wasi_sdk / "bin" / "wasm-ld").exists():
        raise Unusable(f"no linker {wasi_sdk}/bin/wasm-ld: run `make toolchain` first")
    for name in (bundle.TARGET, "wasm32-wasi"):
        files = tuple(wasi_sdk / "share/wasi-sysroot/lib" / name / file for file in OBJECTS)
        if all(file.exists() for file in files):
            return files
    raise Unusable(f"{wasi_sdk}/share/wasi-sysroot/lib has no {', no '.join(OBJECTS)}")


def facts(made: Path) -> dict[str, str]:
    """Return what the compiler in `made` says of itself, such as `host`, `release` and `commit-hash`."""
    return dict(re.findall(r"^([\w-]+): (.+)$", run([made / "bin/rustc", "-vV"]), flags=re.MULTILINE))


def build(made: Path, usr: Path, about: dict[str, str], wasi_sdk: Path) -> None:
    """Build the library with the compiler in `made`, whose root is `usr`, and put it where that looks for it.

    `about` is what `facts` returned.

    Raises:
        Unusable: it does not build, with cargo's own words.
    """
    source = usr / "lib" / "rustlib" / "src" / "rust" / "library"
    work = made / "std"
    work.mkdir()
    (work / "Cargo.toml").write_text(_MANIFEST, encoding="utf-8")
    (work / "lib.rs").write_text("#![no_std]\n", encoding="utf-8")
    # Paths of this machine do not belong in the panic messages of every guest.
    public = f"/rustc/{about.get('commit-hash', about['release'])}/library"
    flags = [
        "-Cembed-bitcode=yes",
        *(f"--remap-path-prefix={p}={public}" for p in (source, source.resolve())),
    ]
    # A clean environment, a CARGO_HOME and a working folder of its own: no setting of the user's reaches this
    # build, and its source replacement reaches no other.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "CARGO_HOME": work / "home",
        "CARGO_TARGET_DIR": work / "target",
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "RUSTC_BOOTSTRAP": "1",  # what lets a release compiler take the `-Z` below
        "LC_ALL": "C",
    }
    run(
        [
            *("env", "-i", *(f"{name}={value}" for name, value in environment.items())),
            *(made / "bin/cargo", "build", "--release", "--offline", "--manifest-path", work / "Cargo.toml"),
            *("--target", bundle.TARGET, "-Z", f"build-std={','.join(CRATES)}"),
            *("--config", 'source.crates-io.replace-with="vendored"'),
            *("--config", f"source.vendored.directory='{source / 'vendor'}'"),
        ],
        cwd=Path(made.absolute().anchor),
    )
    libraries = usr / "lib" / "rustlib" / bundle.TARGET / "lib"
    libraries.mkdir(parents=True)
    for file in (work / "target" / bundle.TARGET / "release" / "deps").glob("*.rlib"):
        if not file.name.startswith(f"lib{_NAME}-"):
            shutil.copy(file, libraries)
    _add_libc(libraries / "self-contained", wasi_sdk, work)
    shutil.rmtree(work)


def _add_libc(folder: Path, wasi_sdk: Path, work: Path) -> None:
    """Copy libc into `folder`, completed by what the library needs and an older one lacks."""
    folder.mkdir()
    for file in libc_files(wasi_sdk):
        shutil.copy(file, folder)
    tools = wasi_sdk.absolute() / "bin"
    run([tools / "clang", f"--target={bundle.TARGET}", "-O2", "-c", _ABSENT, "-o", work / "rust_absent.o"])
    run([tools / "llvm-ar", "qs", folder / "libc.a", work / "rust_absent.o"])
