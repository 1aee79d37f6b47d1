"""Provide `build/stb/stb/stb_image.h`, the image decoder the C examples include.

It does not compile it, and installs nothing: the header is copied out of its package.
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

from guest.c.toolchain import debian, sdk  # noqa: E402 - needs the path set above
from guest.c.toolchain.sdk import Unusable, say  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "stb_image.h"
INSTALLED = Path("/usr/include/stb")
PACKAGE = "libstb-dev"


def provide(build: Path, environ: Mapping[str, str], installed: Path = INSTALLED) -> Path:
    """Return an include folder that holds `stb/stb_image.h`, making it if need be.

    Raises:
        Unusable: `$STB_INCLUDE_DIR` has no such header, or there is no package to take it from.
    """
    final = build / "stb"
    named = environ.get("STB_INCLUDE_DIR")
    if named:
        return _copy(_folder_of(Path(named)), final)
    if (final / "stb" / HEADER).exists():
        return final
    if (installed / HEADER).exists():
        return _copy(installed, final)
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".stb.", dir=build) as name:
        folder = Path(name)
        try:
            debian.update_if_unknown(PACKAGE)
            debian.unpack([PACKAGE], folder / "root")
        except Unusable as error:
            raise Unusable(
                f"no stb/{HEADER}: could not take it from Debian's {PACKAGE}: {error}\n"
                f"Install {PACKAGE}, or set STB_INCLUDE_DIR to a folder that holds stb/{HEADER}."
            ) from error
        return _copy(folder / "root" / "usr" / "include" / "stb", final)


def main(
    environ: Mapping[str, str] = os.environ, build: Path = ROOT / "build", installed: Path = INSTALLED
) -> int:
    """Provide the header; return the exit code."""
    try:
        folder = provide(build, environ, installed)
    except Unusable as error:
        say(f"error: {error}")
        return 1
    say(f"    image decoder: {folder / 'stb' / HEADER}")
    return 0


def _folder_of(named: Path) -> Path:
    for folder in (named / "stb", named):
        if (folder / HEADER).exists():
            return folder
    raise Unusable(f"STB_INCLUDE_DIR is {named}, which has neither stb/{HEADER} nor {HEADER}")


def _copy(source: Path, final: Path) -> Path:
    """Copy only the stb folder: the one around it would bring the host's own libc headers."""
    with sdk.making(final) as made:
        (made / "stb").mkdir()
        for header in source.glob("*.h"):
            shutil.copy(header, made / "stb")
    return final


if __name__ == "__main__":
    sys.exit(main())
