"""`host map --in` on each engine beside a loop written by hand, all with two processes."""

from __future__ import annotations

import statistics
import sys
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

from tests.bench.measure import say
from tests.bench.scale import inputs
from tests.bench.scale.found import Found, Goal, Table
from tests.bench.scale.processes import Cost, cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PROCESSES: Final = 2
TOGETHER: Final = 256
"""Rows of a call, where that is not one."""
MORE: Final = 5
"""How many times the rows there are for what a row costs when all is started."""

HAND: Final = """
import os, sys

class NoPandas:  # which pyarrow would load where it is installed
    def find_spec(name, *_):
        if name == "pandas":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoPandas)
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

_RAY_ALONE: Final = """
import sys
from host.batch import on_ray
ray = on_ray.started(int(sys.argv[1]), None)
task = ray.remote(num_cpus=1)(lambda: None)
ray.get([task.remote() for _ in range(int(sys.argv[1]))])
ray.shutdown()
"""
"""What Ray costs that has nothing to do."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Who answers, how many rows in a call, and how many in all."""

    engine: str
    per_call: int
    rows: int

    def __str__(self) -> str:
        return f"{self.engine}, {self.rows} rows, {self.per_call} a call" if self.rows else self.engine


def shards(folder: Path, rows: int, turns: int) -> Found:
    """Measure each way in turns."""
    ways = [_Way(engine, each, rows) for each in (1, TOGETHER) for engine in ("by hand", "local", "ray")]
    ways += [_Way(engine, TOGETHER, MORE * rows) for engine in ("by hand", "local", "ray")]
    ways += [_Way(engine, 1, MORE * rows) for engine in ("by hand", "ray")]
    ways.append(_Way("ray with nothing to do", 0, 0))
    guest, model = str(inputs.guest(folder)), str(inputs.model(folder))
    sources = {count: str(inputs.rows(folder, count)) for count in (rows, MORE * rows)}
    samples: dict[_Way, list[Cost]] = {way: [] for way in ways}
    for turn in range(turns):
        for way in ways:
            say(f"turn {turn + 1}: {way}")
            out = str(folder / f"{turn} {way}")
            samples[way].append(cost(_words(way, guest, model, sources.get(way.rows, ""), out)))
    return _found(samples, rows)


def _words(way: _Way, guest: str, model: str, source: str, out: str) -> Sequence[str]:
    if not way.rows:
        return sys.executable, "-c", _RAY_ALONE, str(PROCESSES)
    if way.engine == "by hand":
        words = (HAND, guest, model, source, out, str(way.per_call), str(PROCESSES))
        return sys.executable, "-c", *words
    return (
        sys.executable, "-m", "host", "map", guest, "--graph", f"net={model}", "--in", source, "--out", out,
        "--column", "x", "--engine", way.engine, "--workers", str(PROCESSES),
        "--rows-per-call", str(way.per_call), *(("--env", "ALONE=1") if way.per_call == 1 else ()),
    )  # fmt: skip


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*map(statistics.median, zip(*map(astuple, costs), strict=True)))


def _found(samples: Mapping[_Way, Sequence[Cost]], rows: int) -> Found:
    medians = {way: _median(costs) for way, costs in samples.items()}

    def ratio(engine: str, less: float = 0.0, count: int = rows) -> float:
        turns = zip(samples[_Way(engine, 1, count)], samples[_Way("by hand", 1, count)], strict=True)
        return statistics.median((ours.processor - less) / hand.processor for ours, hand in turns)

    def steady(engine: str) -> tuple[float, ...]:
        few, many = (medians[_Way(engine, TOGETHER, count)] for count in (rows, MORE * rows))
        more = (MORE - 1) * rows
        return 1e6 * (many.wall - few.wall) / more, 1e6 * (many.processor - few.processor) / more

    alone = medians[_Way("ray with nothing to do", 0, 0)].processor
    whole = Table(
        ("wall s", "processor s", "processor µs a row", "memory MB"),
        tuple(
            (
                str(way),
                (each.wall, each.processor, 1e6 * each.processor / max(way.rows, 1), each.memory / 1e6),
            )
            for way, each in medians.items()
        ),
    )
    started = Table(
        (f"wall µs a row, {TOGETHER} a call", f"processor µs a row, {TOGETHER} a call"),
        tuple((f"{engine}, once started", steady(engine)) for engine in ("by hand", "local", "ray")),
    )
    goals = (
        Goal("`local` beside by hand, 1 row a call, processor time", ratio("local"), 1.1, "times"),
        Goal("`ray` beside by hand, 1 row a call, processor time", ratio("ray"), 1.25, "times"),
        Goal(
            f"`local`, {TOGETHER} rows a call, once started, processor time",
            steady("local")[1],
            5,
            "µs a row",
        ),
    )
    beside = Table(
        ("processor time, times by hand",),
        (
            (f"ray, {rows} rows, 1 a call, less ray with nothing to do", (ratio("ray", alone),)),
            (f"ray, {MORE * rows} rows, 1 a call", (ratio("ray", count=MORE * rows),)),
        ),
    )
    return Found((whole, started, beside), goals)
