"""What `-msimd128` gains in each function of wasi_nn_image.h and wasi_nn_math.h, in wasm under Wasmtime.

`python -m tests.bench.simd [--turns N] [--json]`; pictures are 640 x 480 and 224 x 224 RGB, scores 1000. Run
by `make bench`, never in CI: a time is a fact about a machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wasmtime import Engine, Func, Linker, Module, Store, WasiConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).resolve().parents[2]
_GUEST: Final = Path(__file__).with_name("simd.c")
_BUILDS: Final[Mapping[str, tuple[str, ...]]] = {"scalar": (), "simd128": ("-msimd128",)}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=9, help="turns of each build; the fastest counts (9)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.turns)
    if options.json:
        sys.stdout.write(json.dumps({"microseconds": found}, indent=2) + "\n")
        return 0
    sys.stdout.write(f"{'microseconds of a call':<28}{'scalar':>10}{'simd128':>10}{'gain':>8}\n")
    for name, scalar in found["scalar"].items():
        simd = found["simd128"][name]
        sys.stdout.write(f"{name:<28}{scalar:10.1f}{simd:10.1f}{scalar / simd:7.1f}x\n")
    return 0


def measure(folder: Path, turns: int) -> Mapping[str, Mapping[str, float]]:
    """Return, by build and function, the microseconds of the fastest call."""
    engine = Engine()
    modules = {build: Module.from_file(engine, str(_compiled(folder, build))) for build in _BUILDS}
    found: dict[str, dict[str, float]] = {build: {} for build in _BUILDS}
    for _ in range(turns):
        for build, module in modules.items():
            for name, microseconds in _run(module, engine, folder / "stdout").items():
                found[build][name] = min(microseconds, found[build].get(name, microseconds))
    return found


def _compiled(folder: Path, build: str) -> Path:
    clang = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build" / "wasi-sdk") / "bin" / "clang"
    guest = folder / f"{build}.wasm"
    include = f"-I{ROOT}/guest/c/include"
    subprocess.run([clang, "-O2", *_BUILDS[build], include, _GUEST, "-o", guest], check=True)
    return guest


def _run(module: Module, engine: Engine, stdout: Path) -> dict[str, float]:
    wasi = WasiConfig()
    wasi.stdout_file = str(stdout)
    wasi.inherit_stderr()
    linker, store = Linker(engine), Store(engine)
    linker.define_wasi()
    store.set_wasi(wasi)
    start = linker.instantiate(store, module).exports(store)["_start"]
    assert isinstance(start, Func)
    start(store)
    del store, start, wasi  # closes the file
    rows = (line.split("\t") for line in stdout.read_text(encoding="utf-8").splitlines())
    return {name: int(nanoseconds) / 1000 for name, nanoseconds in rows}


if __name__ == "__main__":
    sys.exit(main())
