"""Measure `host map --in` beside a loop written by hand: `python -m tests.bench.scale`; needs the extras.

Prints a table: wall and processor time of 100 000 rows in 50 files through an MLP, with two processes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.conformance.build import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROWS: Final = 100_000
FILES: Final = 50
WIDTH: Final = 64
PROCESSES: Final = 2
PER_CALL: Final = (1, 256)

_OUT: Final = "OUT"
"""In the words of a command, where the output goes."""
_LOOK: Final = 0.02
_CLOCK: Final = os.sysconf("SC_CLK_TCK")

HAND: Final = """
import os, sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
import host
from host.batch.framing import pack, unpack

guest, model, source, out, per_call, processes = *sys.argv[1:5], int(sys.argv[5]), int(sys.argv[6])

def begin():
    global worker
    worker = host.Host(host.Graphs().add("net", model, threads=1)).worker(
        guest, env={"ALONE": "1"} if per_call == 1 else {}
    )

def answer(name):
    table = pq.read_table(Path(source, name))
    rows = table["x"].to_pylist()
    outputs = []
    for at in range(0, len(rows), per_call):
        part = rows[at : at + per_call]
        outputs += unpack(worker.call(pack(part)), len(part)) if per_call > 1 else [worker.call(part[0])]
    new = Path(out, f".{name}")
    column = pa.array(outputs, pa.large_binary())
    pq.write_table(table.drop_columns(["x"]).append_column("output", column), new)
    new.replace(Path(out, name))

if __name__ == "__main__":
    Path(out).mkdir()
    with ProcessPoolExecutor(processes, initializer=begin) as pool:
        list(pool.map(answer, sorted(os.listdir(source))))
"""
"""A loop by hand: no check, no retry, no resume."""


def main() -> int:
    """Measure each way in turns; print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.scale", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make(folder, options.rows)
        found: dict[str, list[tuple[float, float, float]]] = {}
        for turn in range(options.turns):
            for way, words in _ways(folder).items():
                print(f"turn {turn + 1}: {way}", file=sys.stderr, flush=True)
                out = str(folder / f"{turn} {way}")
                found.setdefault(way, []).append(_measured([out if word is _OUT else word for word in words]))
    print("| way | wall s | processor s | µs a row | memory MB |", "|---|---|---|---|---|", sep="\n")
    for way, samples in found.items():
        wall, cpu, memory = (statistics.median(column) for column in zip(*samples, strict=True))
        print(f"| {way} | {wall:.1f} | {cpu:.1f} | {1e6 * cpu / options.rows:.1f} | {memory / 1e6:.0f} |")
    print(f"\nload: {os.getloadavg()[0]:.1f}")
    return 0


def _ways(folder: Path) -> Mapping[str, Sequence[str]]:
    guest, model, source = (str(folder / name) for name in ("rows.wasm", "net.xml", "in"))
    found: dict[str, Sequence[str]] = {}
    for per_call in PER_CALL:
        hand = (HAND, guest, model, source, _OUT, str(per_call), str(PROCESSES))
        found[f"by hand, {per_call} a call"] = (sys.executable, "-c", *hand)
        for engine in ("local", "ray"):
            found[f"{engine}, {per_call} a call"] = (
                sys.executable, "-m", "host", "map", guest, "--graph", f"net={model}", "--in", source,
                "--out", _OUT, "--column", "x", "--engine", engine, "--workers", str(PROCESSES),
                "--rows-per-call", str(per_call), *(("--env", "ALONE=1") if per_call == 1 else ()),
            )  # fmt: skip
    return found


def _measured(words: Sequence[str]) -> tuple[float, float, float]:
    """Return the wall seconds, processor seconds and bytes of memory of a command and all below it.

    What ends between two looks is missed by as much as that; memory is the most at one look, shared pages
    counted once (PSS).
    """
    begin = time.perf_counter()
    used: dict[int, float] = {}
    peak, looks = 0.0, 0
    with subprocess.Popen(words, cwd=ROOT, start_new_session=True) as process:
        while process.poll() is None:
            below = _below(process.pid)
            used.update(below)
            if looks % 25 == 0:
                peak = max(peak, sum(map(_memory, below)))
            looks += 1
            time.sleep(_LOOK)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {words}")
    return time.perf_counter() - begin, sum(used.values()), peak


def _below(root: int) -> dict[int, float]:
    """Return the processes below `root` and itself, and the processor seconds of each."""
    stats: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stats[int(path.name)] = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
    found = {root} & stats.keys()
    while more := {pid for pid, stat in stats.items() if int(stat[1]) in found} - found:
        found |= more
    return {pid: (int(stats[pid][11]) + int(stats[pid][12])) / _CLOCK for pid in found}


def _memory(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _make(folder: Path, rows: int) -> None:
    """Write the guest, the model and the rows into `folder`."""
    clang = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build/wasi-sdk", "bin/clang")
    flags = ("--target=wasm32-wasip1", "-mexec-model=reactor", "-O2", f"-I{ROOT / 'guest/c/include'}")
    subprocess.run([clang, *flags, ROOT / "tests/bench/rows.c", "-o", folder / "rows.wasm"], check=True)
    subprocess.run([sys.executable, "-c", _MODEL, folder, str(rows), str(FILES), str(WIDTH)], check=True)


_MODEL: Final = """
import sys
from pathlib import Path
import numpy as np, openvino, pyarrow as pa, pyarrow.parquet as pq
from openvino import opset13 as ops

folder, rows, files, width = Path(sys.argv[1]), *map(int, sys.argv[2:])
random = np.random.default_rng(0)
x = y = ops.parameter([-1, width], np.float32)
for at, size in enumerate((128, 128, 10)):
    weights = random.standard_normal((y.get_output_partial_shape(0)[1].get_length(), size)).astype(np.float32)
    y = ops.matmul(y, ops.constant(weights), False, False)
    y = ops.relu(y) if at < 2 else y
openvino.save_model(openvino.Model([y], [x]), folder / "net.xml", compress_to_fp16=False)
(folder / "in").mkdir()
for at in range(files):
    data = random.standard_normal((rows // files, width)).astype(np.float32)
    cells = pa.array([row.tobytes() for row in data], pa.binary(4 * width))
    table = pa.table({"id": range(at * len(data), (at + 1) * len(data)), "x": cells})
    pq.write_table(table, folder / "in" / f"{at:03}.parquet")
"""


if __name__ == "__main__":
    sys.exit(main())
