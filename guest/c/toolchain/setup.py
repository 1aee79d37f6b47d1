"""Make `build/wasi-sdk` lead to a working wasi-sdk: found on this machine, downloaded, or made from packages.

It does not compile the project's guests, and writes only below `build/` (apt aside).
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

from guest.c.toolchain import debian, release, sdk, zig  # noqa: E402 - needs the path set above
from guest.c.toolchain.sdk import Unusable, say  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OPT = Path("/opt/wasi-sdk")
KINDS = ("env", "opt", "release", "debian", "debian-unpacked", "zig")
HELP_LINES = """\
What to do: unpack a wasi-sdk (https://github.com/WebAssembly/wasi-sdk/releases) anywhere and set
WASI_SDK_PATH to it, or unpack it as /opt/wasi-sdk; on Debian, run this as root, or run `apt-get update`
as root and this again as any user; elsewhere, give Python its pip and the network once."""


class BadPathError(Exception):
    """The user named a wasi-sdk that is not one."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to come by a wasi-sdk: what to call it and how to get its folder."""

    kind: str
    title: str
    make: Callable[[], Path]


def ways(build: Path, environ: Mapping[str, str], *, base_url: str = release.BASE_URL) -> tuple[Way, ...]:
    """List the ways in the order they are tried."""
    toolchains = build / "toolchains"
    link = build / "wasi-sdk"
    return (
        Way("env", "$WASI_SDK_PATH", lambda: _named(environ, link)),
        Way("opt", str(OPT), lambda: OPT),
        Way("previous", f"what {link} led to", lambda: _previous(link)),
        Way(
            "release",
            f"wasi-sdk {release.VERSION} release",
            lambda: release.make(toolchains, base_url=base_url),
        ),
        Way("debian", "Debian packages, installed", lambda: debian.make_installed(toolchains)),
        Way("debian-unpacked", "Debian packages, unpacked", lambda: debian.make_unpacked(toolchains)),
        Way("zig", f"ziglang {zig.VERSION} package", lambda: zig.make(toolchains)),
    )


def find(candidates: tuple[Way, ...], using: str | None = None) -> tuple[Way, Path]:
    """Return the first way that gives a working wasi-sdk, and its folder.

    Raises:
        BadPathError: `$WASI_SDK_PATH` is set but not usable.
        Unusable: no way works; the message lists each with its reason.
    """
    failures: list[str] = []
    for way in candidates:
        if using not in {None, way.kind}:
            continue
        try:
            path = way.make()
            sdk.check(path)
        except Unusable as error:
            failures.append(f"  {way.title}: {error}")
            if way.kind not in {"env", "opt", "previous"} or using:
                say(f"    {way.title}: {str(error).splitlines()[0]}")
        else:
            return way, path
    raise Unusable("no usable wasi-sdk; tried:\n" + "\n".join(failures) + f"\n{HELP_LINES}")


def main(
    arguments: list[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    build: Path = ROOT / "build",
    base_url: str = release.BASE_URL,
) -> int:
    """Set the toolchain up; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--using", choices=KINDS, help="use only this source")
    parser.add_argument("--print", action="store_true", help="print the chosen folder on stdout")
    options = parser.parse_args(arguments)
    if options.using == "env" and not environ.get("WASI_SDK_PATH"):
        parser.error("--using env, but WASI_SDK_PATH is not set")
    link = build / "wasi-sdk"
    try:
        way, path = find(ways(build, environ, base_url=base_url), options.using)
        sdk.point(link, path)
    except (BadPathError, Unusable) as error:
        say(f"error: {error}")
        return 2 if isinstance(error, BadPathError) else 1
    say(f"    wasi-sdk: {link} -> {path.resolve()} ({way.title})")
    if options.print:
        sys.stdout.write(f"{path.resolve()}\n")
    return 0


def _named(environ: Mapping[str, str], link: Path) -> Path:
    """Return what the user chose; a choice that does not work is an error, never a silent fallback."""
    value = environ.get("WASI_SDK_PATH", "")
    if not value:
        raise Unusable("not set")
    path = Path(value)
    if path.name == link.name and path.parent.resolve() == link.parent.resolve():
        raise Unusable("names the folder this setup makes")  # the Makefile's default, not a choice
    try:
        sdk.check(path)
    except Unusable as error:
        raise BadPathError(f"WASI_SDK_PATH is set but not usable: {error}") from error
    return path


def _previous(link: Path) -> Path:
    if not link.exists():
        raise Unusable("nothing yet")
    if not sdk.is_current(link):
        raise Unusable("made by an older version of this setup")
    return link.resolve()


if __name__ == "__main__":
    sys.exit(main())
