"""A guest served by a real Triton: requests a second, what one takes, and what a death costs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from threading import Thread
from typing import TYPE_CHECKING, Final

from host.serving.installation import UnusableTritonError
from tests.bench.measure import say
from tests.bench.scale import inputs
from tests.bench.scale.found import Found, Goal, Table
from tests.bench.scale.processes import memory
from tests.conformance.build import ROOT
from tests.host.batches import kill
from tests.host.served import serving
from tests.servers import triton

if TYPE_CHECKING:
    from pathlib import Path

    from tests.host.served import Service

SECONDS: Final = 4.0
EFFORT: Final = 100_000
CLIENTS: Final = 4
INSTANCES: Final = 2
ROWS: Final = 100
_LEAST: Final = 2000.0
_KILL_SECONDS: Final = 12.0


def served(folder: Path, rows: int, turns: int) -> Found:
    """Measure some seconds of requests at a time, each way in turns, by clients in a process of their own.

    SECONDS for EFFORT rows and more, for fewer less.
    """
    seconds = max(0.5, SECONDS * min(1.0, rows / EFFORT))
    try:
        triton.find()
    except UnusableTritonError as error:
        return Found(left_out=f"{error} (`make triton` provides it)")
    guest, model = inputs.guest(folder), inputs.model(folder)
    guest.with_suffix(".toml").write_text(_DESCRIPTION)
    one = folder / "one.xml"
    words = [sys.executable, "-m", "host", "convert", model, "-o", one, "--shape", f"1,{inputs.WIDTH}"]
    subprocess.run(list(map(str, words)), check=True, cwd=ROOT, capture_output=True)
    common = ("--instances", str(INSTANCES))
    alone = (*common, "--env", "ALONE=1", "--graph", f"net={one}")
    many = (*common, "--rows-per-call", str(ROWS), "--graph", f"net={model}")
    with (
        serving(str(triton.BUILD), guest, *alone) as single,
        serving(str(triton.BUILD), guest, *many) as batched,
    ):
        ways = {
            "gRPC, 1 client": (single, "grpc", 1, 0),
            f"gRPC, {CLIENTS} clients": (single, "grpc", CLIENTS, 0),
            "HTTP, 1 client": (single, "http", 1, 0),
            f"gRPC, 1 client, {ROWS} rows a request": (batched, "grpc", 1, ROWS),
            f"gRPC, {CLIENTS} clients, {ROWS} rows a request": (batched, "grpc", CLIENTS, ROWS),
        }
        samples: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for turn in range(turns):
            for way, (service, protocol, clients, together) in ways.items():
                say(f"turn {turn + 1}: {way}")
                rate, latency, _ = _asked(service, protocol, clients, together, seconds)
                samples[way].append((rate, latency))
        held = [memory(pid) / 1e6 for pid in single.instances()]
        failed, whole = _killed(single)
    lines = []
    for way, (*_, together) in ways.items():
        rate, latency = (statistics.median(column) for column in zip(*samples[way], strict=True))
        lines.append((way, (rate, latency, 1e6 / rate / max(1, together))))
    table = Table(("requests/s", "ms a request", "µs a row"), tuple(lines))
    deaths = Table(
        ("failed requests", "seconds until all are there", "MB an instance"),
        ((f"one of {INSTANCES} killed, {CLIENTS} clients", (failed, whole, statistics.median(held))),),
    )
    rate = table.rows[1][1][0]
    goal = Goal(f"Triton and a guest, {CLIENTS} gRPC clients", rate, _LEAST, "requests/s", is_least=True)
    return Found((table, deaths), (goal,))


def _killed(service: Service) -> tuple[int, float]:
    """Kill an instance under load; return how many requests failed, and when all were loaded anew."""
    failed: list[int] = []
    load = Thread(target=lambda: failed.append(_asked(service, "grpc", CLIENTS, 0, _KILL_SECONDS)[2]))
    load.start()
    time.sleep(SECONDS / 2)  # the clients have begun
    said = service.process.stderr
    assert said is not None
    begin = time.monotonic()
    kill([min(service.instances())])
    while "is whole again" not in (line := said.readline()):
        assert line, "the service ended"
    seconds = time.monotonic() - begin
    load.join()
    return failed[0], seconds


def _asked(
    service: Service, protocol: str, clients: int, rows: int, seconds: float
) -> tuple[float, float, int]:
    """Return requests a second, the median milliseconds of one, and how many failed."""
    address = service.grpc if protocol == "grpc" else service.http
    words = (protocol, address, service.name, str(clients), str(rows), str(inputs.WIDTH), str(seconds))
    done = subprocess.run([sys.executable, "-c", _CLIENT, *words], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    return told["rate"], told["ms"], told["failed"]


_DESCRIPTION: Final = f"""
inputs = [{{ name = "x", datatype = "FP32", shape = [{inputs.WIDTH}] }}]
outputs = [{{ name = "y", datatype = "FP32", shape = [10] }}]
"""

_CLIENT: Final = """
import json, statistics, sys, time
from importlib import import_module
from threading import Thread
import numpy as np
from tritonclient.utils import InferenceServerException

protocol, address, name = sys.argv[1:4]
clients, rows, width, seconds = int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6]), float(sys.argv[7])
v2 = import_module(f"tritonclient.{protocol}")
taken, failed = [], []
x = np.random.default_rng(0).standard_normal((rows, width) if rows else width).astype(np.float32)
end = time.perf_counter() + seconds

def ask():
    client = v2.InferenceServerClient(address)
    given = v2.InferInput("x", x.shape, "FP32")
    given.set_data_from_numpy(x)
    while (begin := time.perf_counter()) < end:
        try:
            answer = client.infer(name, [given]).as_numpy("y")
            assert answer.shape == ((rows, 10) if rows else (10,)), answer.shape
            taken.append(time.perf_counter() - begin)
        except InferenceServerException as error:
            failed.append(error)

threads = [Thread(target=ask) for _ in range(clients)]
for each in threads:
    each.start()
for each in threads:
    each.join()
ms = 1e3 * statistics.median(taken)
print(json.dumps({"rate": len(taken) / seconds, "ms": ms, "failed": len(failed)}))
"""
