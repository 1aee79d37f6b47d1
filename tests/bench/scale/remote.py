"""A guest on a model of a real Triton, and on the same in a file: what a record takes."""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING, Final

import host
from host.batch.framing import pack
from host.serving.installation import UnusableTritonError
from tests.bench.measure import say
from tests.bench.scale import inputs
from tests.bench.scale.found import Found, Goal, Table
from tests.servers import triton
from tests.servers.triton_models import MODELS

if TYPE_CHECKING:
    from pathlib import Path

RECORDS: Final = (1, 100)
"""How many of them go to a compute."""
CALLS: Final = 200
_MOST: Final = 50.0


def remote(folder: Path, _rows: int, turns: int) -> Found:
    """Measure CALLS calls of the guest at a time, by each way in turns; all that is in a call counts."""
    try:
        installed = triton.find()
    except UnusableTritonError as error:
        return Found(left_out=f"{error} (`make triton` provides it)")
    guest, model = inputs.guest(folder), inputs.model(folder)
    repository = triton.repository(folder / "models", {"mlp": MODELS["mlp"]})
    samples: dict[tuple[str, int], list[float]] = {}
    with triton.running(installed, repository, folder / "log") as server:
        graphs = {
            "gRPC": f"v2+grpc://127.0.0.1:{server.grpc}/mlp",
            "HTTP, bytes": f"v2+http://127.0.0.1:{server.http}/mlp",
            "a file": str(model),
        }
        for turn in range(turns):
            for way, graph in graphs.items():
                say(f"turn {turn + 1}: {way}")
                with host.Host({"net": graph}).worker(guest) as worker:
                    for count in RECORDS:
                        samples.setdefault((way, count), []).append(_seconds(worker, count) / count)
    medians = {way: 1e6 * statistics.median(each) for way, each in samples.items()}
    table = Table(
        tuple(f"µs a record, {count} a compute" for count in RECORDS),
        tuple((way, tuple(medians[way, count] for count in RECORDS)) for way in graphs),
    )
    many = RECORDS[-1]
    goals = tuple(
        Goal(f"remote graph by {way}, {many} rows a compute", medians[way, many], _MOST, "µs a record")
        for way in graphs
        if way != "a file"
    )
    return Found((table,), goals)


def _seconds(worker: host.Worker, count: int) -> float:
    """Return the median of a call's time, after some that are not counted."""
    record = pack([os.urandom(4 * inputs.WIDTH)] * count)
    taken = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        worker.call(record)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken[CALLS // 10 :])
