"""docs/scale.md is true: its commands and pipelines are run here, on a few rows."""

from __future__ import annotations

import os
import re
import shlex
import struct
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from typing import Final

import pytest

from tests.host import batches, models
from tests.host.wasi import ROOT

pa = batches.package("pyarrow")
pq = batches.package("pyarrow.parquet")

PAGE: Final = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS: Final = [
    line
    for language, text in BLOCKS
    if language == "sh"
    for line in text.replace("\\\n", " ").splitlines()
    if line.startswith("python -m host ")
]
ROWS: Final = 300


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a folder that has what the page speaks of: a guest, a model that doubles, rows of a number."""
    batches.model(tmp_path, models.double([-1, 1])).rename(tmp_path / "model.xml")
    (tmp_path / "net.bin").rename(tmp_path / "model.bin")
    batches.rows_guest(tmp_path)
    for name in ("data", "scored"):
        (tmp_path / name).mkdir()
    for at in range(2):
        ids = range(at * ROWS, (at + 1) * ROWS)
        rows = pa.array([struct.pack("<f", number) for number in ids], pa.binary())
        pq.write_table(pa.table({"id": ids, "x": rows}), tmp_path / "data" / f"{at}.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def run(*words: str) -> None:
    """Run Python with `words` in the folder; each row then has its answer."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr
    found = sorted(
        (row["id"], struct.unpack("<f", row["output"])[0], row["error"])
        for row in batches.answered(Path("scored"))
    )
    assert found == [(number, 2.0 * number, None) for number in range(2 * ROWS)]


@pytest.mark.ray
@pytest.mark.parametrize("command", COMMANDS)
def test_command_on_the_page(command: str) -> None:
    """Each is whole in itself."""
    run(*shlex.split(command, comments=True)[1:])


@pytest.mark.ray
@pytest.mark.parametrize("package", ["ray", "dask"])
def test_pipeline_on_the_page(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batches.package(package)
    monkeypatch.setenv("RAY_ADDRESS", "local")  # else it takes any Ray that runs here
    (code,) = (text for language, text in BLOCKS if language == "python" and f"{package}." in text)
    Path("pipeline.py").write_text(f"if __name__ == '__main__':\n{indent(code, '    ')}")
    run("pipeline.py")
