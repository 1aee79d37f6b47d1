"""How large the example guests are, as `make guests` leaves them: `python -m tests.bench.sizes [--json]`.

Of the photo guest in C there is a second one, without an image decoder, compiled here. It measures no speed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
GUESTS: Final = ROOT / "build" / "guest"
NAMES: Final = ("photo", "photo-rust", "filetype", "language", "speech", "digits", "faces")
BARE_PHOTO: Final = ("-O2", "-DNDEBUG", "-DPHOTO_PPM", "-s")
"""What the photo guest is compiled with to have no JPEG and no PNG decoder."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    found = sizes()
    print(json.dumps(found, indent=2) if options.json else "\n".join(table(found)))


def sizes() -> dict[str, int]:
    """Return the bytes of each guest that is there."""
    found = {name: GUESTS / f"{name}.wasm" for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        found["photo without a decoder"] = bare_photo(Path(folder))
        return {name: path.stat().st_size for name, path in sorted(found.items()) if path.exists()}


def table(found: dict[str, int]) -> list[str]:
    """Return the sizes as lines of Markdown."""
    return ["| guest | bytes |", "|---|---|", *(f"| {name} | {size:,} |" for name, size in found.items())]


def bare_photo(folder: Path) -> Path:
    """Compile the photo guest in C for PPM only, and return it."""
    clang = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build" / "wasi-sdk") / "bin" / "clang"
    out = folder / "photo-bare.wasm"
    headers = (f"-I{ROOT}/guest/c/include", f"-isystem{ROOT}/build/stb")
    subprocess.run([clang, *BARE_PHOTO, *headers, ROOT / "examples/photo/photo.c", "-o", out], check=True)
    return out


if __name__ == "__main__":
    main()
