"""The guest, the model and the rows that the suites have: an MLP of 64 -> 128 -> 128 -> 10 in f32."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.conformance.build import ROOT

WIDTH: Final = 64
FILE_ROWS: Final = 2000


def guest(folder: Path) -> Path:
    """Compile tests/bench/rows.c."""
    clang = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build/wasi-sdk", "bin/clang")
    flags = ("--target=wasm32-wasip1", "-mexec-model=reactor", "-O2", f"-I{ROOT / 'guest/c/include'}")
    subprocess.run([clang, *flags, ROOT / "tests/bench/rows.c", "-o", folder / "rows.wasm"], check=True)
    return folder / "rows.wasm"


def model(folder: Path) -> Path:
    """Write the model; in a process of its own, as all here that is large."""
    subprocess.run([sys.executable, "-c", _MODEL, folder, str(WIDTH)], check=True)
    return folder / "net.xml"


def rows(folder: Path, count: int) -> Path:
    """Write so many rows into a new folder of Parquet files of FILE_ROWS, and return it."""
    path = folder / f"{count} rows"
    path.mkdir()
    words = (str(path), str(count), str(FILE_ROWS), str(WIDTH))
    subprocess.run([sys.executable, "-c", _ROWS, *words], check=True)
    return path


_MODEL: Final = """
import sys
from pathlib import Path
import numpy as np, openvino
from openvino import opset13 as ops

folder, width = Path(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(0)
x = y = ops.parameter([-1, width], np.float32)
for at, size in enumerate((128, 128, 10)):
    weights = random.standard_normal((y.get_output_partial_shape(0)[1].get_length(), size)).astype(np.float32)
    y = ops.matmul(y, ops.constant(weights), False, False)
    y = ops.relu(y) if at < 2 else y
openvino.save_model(openvino.Model([y], [x]), folder / "net.xml", compress_to_fp16=False)
"""

_ROWS: Final = """
import sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq

folder, rows, each, width = Path(sys.argv[1]), *map(int, sys.argv[2:])
random = np.random.default_rng(0)
for at, begin in enumerate(range(0, rows, each)):
    data = random.standard_normal((min(each, rows - begin), width)).astype(np.float32)
    cells = pa.array([row.tobytes() for row in data], pa.binary(4 * width))
    pq.write_table(pa.table({"id": range(begin, begin + len(data)), "x": cells}), folder / f"{at:04}.parquet")
"""
