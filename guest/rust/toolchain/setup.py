"""Make `build/rust` lead to a rustc and a cargo for wasm32-wasip1: found on PATH, or made from packages.

It does not compile the project's guests, changes no Rust that is installed, and writes only below `build/`.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[3]
if __package__ in {None, ""}:  # run as a script, before anything is installed
    sys.path.insert(0, str(ROOT))

from guest.c.toolchain import sdk  # noqa: E402 - needs the path set above
from guest.c.toolchain.sdk import Unusable, say  # noqa: E402 - as above
from guest.rust.toolchain import bundle, debian, path  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KINDS = ("path", "debian")
WHAT_TO_DO = f"""\
What to do: with rustup, run `rustup target add {bundle.TARGET}` (this setup does not: it would change
your rustup, outside this repository), then this again; on Debian, run `make toolchain` and, as root,
`apt-get update` and `apt-get install gcc`, then this again as any user."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to come by a Rust for WebAssembly: what to call it and how to get its folder."""

    kind: str
    title: str
    make: Callable[[], Path]


def ways(build: Path, environ: Mapping[str, str]) -> tuple[Way, ...]:
    """List the ways in the order they are tried."""
    toolchains, link = build / "toolchains", build / "rust"
    wasi_sdk = Path(environ.get("WASI_SDK_PATH") or build / "wasi-sdk")
    return (
        Way("path", "rustc on PATH", lambda: path.make(toolchains)),
        Way("previous", f"what {link} led to", lambda: _previous(link)),
        Way("debian", "Debian packages, unpacked", lambda: debian.make(toolchains, wasi_sdk)),
    )


def find(candidates: tuple[Way, ...], using: str | None = None) -> tuple[Way, Path]:
    """Return the first way that gives a working Rust, and its folder.

    Raises:
        Unusable: no way works; the message lists each with its reason.
    """
    failures: list[str] = []
    for way in candidates:
        if using not in {None, way.kind}:
            continue
        try:
            folder = way.make()
            bundle.check(folder)
        except Unusable as error:
            failures.append(f"  {way.title}: {error}")
            if way.kind == "debian" or using:
                say(f"    {way.title}: {str(error).splitlines()[0]}")
        else:
            return way, folder
    raise Unusable(f"no usable Rust for {bundle.TARGET}; tried:\n" + "\n".join(failures) + f"\n{WHAT_TO_DO}")


def main(
    arguments: list[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    build: Path = ROOT / "build",
) -> int:
    """Set the toolchain up; return the exit code."""
    parser = argparse.ArgumentParser(
        description=str(__doc__).split("\n", maxsplit=1)[0],
        epilog=WHAT_TO_DO,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--using", choices=KINDS, help="use only this source")
    parser.add_argument("--print", action="store_true", help="print the chosen folder on stdout")
    options = parser.parse_args(arguments)
    link = build / "rust"
    try:
        way, folder = find(ways(build, environ), options.using)
        sdk.point(link, folder)
    except Unusable as error:
        say(f"error: {error}")
        return 1
    say(f"    rust: {link} -> {folder.resolve()} ({way.title})")
    if options.print:
        sys.stdout.write(f"{folder.resolve()}\n")
    return 0


def _previous(link: Path) -> Path:
    if not link.exists():
        raise Unusable("nothing yet")
    if not bundle.is_current(link):
        raise Unusable("made by an older version of this setup")
    return link.resolve()


if __name__ == "__main__":
    sys.exit(main())
