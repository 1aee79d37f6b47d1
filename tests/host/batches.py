"""Bulk work to test with: ten thousand rows, a guest that takes its time, processes to kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
import pytest
from openvino import opset13 as ops

from tests.host import models
from tests.host.reactors import COUNTED, ECHO, reactor, when
from tests.host.wasi import ROOT, clang

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROWS, FILES = 10_000, 10

_MS = 1_000_000
NAP = f"""
      (i32.store (i32.const 108) (i32.const 0))
      (i32.store (i32.const 200) (i32.const 0)) (i32.store (i32.const 204) (i32.const 0))
      (i32.store (i32.const 208) (i32.const 0)) (i32.store (i32.const 212) (i32.const 0))
      (i32.store (i32.const 216) (i32.const 1)) (i64.store (i32.const 224) (i64.const {_MS // 4}))
      (i64.store (i32.const 232) (i64.const 0)) (i64.store (i32.const 240) (i64.const 0))
      (drop (call $poll_oneoff (i32.const 200) (i32.const 304) (i32.const 1) (i32.const 108)))"""
"""A body that sleeps for a quarter of a millisecond, which takes one and more."""

SLOW = reactor(f"(if (i32.eqz (i32.and (global.get $n) (i32.const 3))) (then {NAP})) {ECHO}")
"""A guest that takes its time and answers with the record."""

TRAPS = reactor(when("!", "(unreachable)", ECHO))
"""A guest that traps at a record that begins with `!`, and otherwise answers with the record."""

COUNTS = reactor(COUNTED)

MAP = (sys.executable, "-m", "host", "map")


def package(name: str) -> Any:  # noqa: ANN401 - these have no types
    """Return a package of an extra; skips without it, fails when `CI` is set."""
    if os.environ.get("CI"):
        return __import__(name, fromlist=["_"])
    return pytest.importorskip(name)


def table(begin: int, rows: int) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return so many rows: `id`, counted from `begin`, and the record `x`."""
    numbers = range(begin, begin + rows)
    return package("pyarrow").table({"id": numbers, "x": [b"row %d" % number for number in numbers]})


def ten_thousand(folder: Path) -> Path:
    """Write ROWS rows into FILES files; return their folder."""
    folder.mkdir()
    each = ROWS // FILES
    for at in range(FILES):
        package("pyarrow.parquet").write_table(table(at * each, each), folder / f"{at}.parquet")
    return folder


def answered(out: Path) -> list[dict[str, Any]]:
    """Return all rows of the Parquet files in `out`, in the order of these."""
    read = package("pyarrow.parquet").read_table
    return [row for path in sorted(out.rglob("*.parquet")) for row in read(path).to_pylist()]


def is_exact(out: Path) -> bool:
    """Return whether each of the ten thousand has its own answer, in order, and nothing else is there."""
    found = [(row["id"], row["output"], row["error"]) for row in answered(out)]
    assert not list(out.rglob(".*"))
    return found == [(number, b"row %d" % number, None) for number in range(ROWS)]


def host_map(*words: str | Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command; no outcome of it may be a traceback."""
    done = subprocess.run([*MAP, *words], capture_output=True, check=False, timeout=170, cwd=ROOT,
                          env={**os.environ, **env})  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


@contextmanager
def start_map(*words: str | Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command; it does not outlive the block."""
    environment = {**os.environ, **env}
    with subprocess.Popen([*MAP, *words], stderr=subprocess.PIPE, cwd=ROOT, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of JSON lines."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def until(is_so: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that comes to be; fails when it does not."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)


def shards(out: Path) -> list[str]:
    """Return the names of the finished shards in `out`."""
    return sorted(path.name for path in out.glob("[!_.]*"))


def descendants(pid: int) -> dict[int, str]:
    """Return the processes below `pid`: number to command line."""
    found: dict[int, str] = {}
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text()
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        parents[int(path.name)] = int(stat.rpartition(")")[2].split()[1]), command
    below = {pid}
    while more := {each for each, (parent, _) in parents.items() if parent in below} - below:
        below |= more
    for each in below - {pid}:
        found[each] = parents[each][1]
    return found


def kill(pids: Iterable[int]) -> None:
    """Kill processes that the test started."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def rows_guest(folder: Path) -> Path:
    """Return the guest of tests/bench/rows.c, built; skips without a compiler."""
    path = folder / "rows.wasm"
    flags = ("--target=wasm32-wasip1", "-mexec-model=reactor", "-O2", f"-I{ROOT / 'guest/c/include'}")
    subprocess.run([clang(), *flags, ROOT / "tests/bench/rows.c", "-o", path], check=True)
    return path


def model(folder: Path, made: models.IR) -> Path:
    """Write a model."""
    path = folder / "net.xml"
    path.write_bytes(made[0])
    path.with_suffix(".bin").write_bytes(made[1])
    return path


def wild() -> models.IR:
    """Return the IR of y = [1, 2, 3, 4] at the indices x, [rows, 1]: a large one kills the process."""
    x = ops.parameter([-1, 1], np.int64)
    found = ops.gather_nd(ops.constant(np.array([1, 2, 3, 4], np.float32)), x)
    return models.ir(openvino.Model([found], [x], "wild"))


def index(number: int) -> bytes:
    """Return the row of an index for `wild`."""
    return np.int64(number).tobytes()


DEADLY = 1 << 30
"""An index that kills."""


def workers(driver: int) -> set[int]:
    """Return the processes of a driver that answer shards, with the local engine."""
    below = descendants(driver)
    return set().union(*(descendants(pid) for pid in below))


def alive(pids: Iterable[int]) -> set[int]:
    """Return those that run."""
    return {pid for pid in pids if _state(pid) not in {None, "Z"}}


def _state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None
