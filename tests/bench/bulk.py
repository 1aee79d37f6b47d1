"""How much gets done in bulk: `host map` beside OpenVINO's own tool, and guests beside each other.

What starting takes is not in it: counting begins when all are at work.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from array import array
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.bench import contenders
from tests.bench.contenders import APP, OURS, WASMTIME
from tests.bench.measure import Command, FailedError, in_turns
from tests.conformance.build import ROOT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.bench.contenders import Kit
    from tests.bench.effort import Effort
    from tests.bench.measure import Series
    from tests.bench.models import Task

MAP: Final = "ours, map"
PHOTO: Final = "ours, map, photos"
APP_LATENCY: Final = "benchmark_app, latency"

_FILES: Final = 8
_RECORDS: Final = 4000
_SETTLED: Final = 0.5
"""Seconds after the first answer until all workers are at work."""

_START: Final = 0.3
"""Seconds that each of many guests may take to be at work."""

_NOT_GIVEN: Final = -signal.SIGINT
_INTERRUPTED: Final = 130


def bulk(kit: Kit, effort: Effort) -> Iterator[Series]:
    """Measure records a second: pure inference on each model, and whole photos on SqueezeNet."""
    for task in kit.tasks:
        records = _records(kit, task)
        samples = {
            MAP: partial(_mapped, _map(kit, task, records), effort.seconds),
            APP: partial(contenders.benchmark_app, task, "throughput", effort.seconds),
            APP_LATENCY: partial(contenders.benchmark_app, task, "latency", effort.seconds),
        }
        photos = ROOT / "build" / "photos"
        if task.name == "squeezenet" and photos.exists():
            samples[PHOTO] = partial(_mapped, _map_photos(kit, task, photos), effort.seconds)
        yield from in_turns("bulk", task.name, samples, effort.few, warm_up=False)


def guests(kit: Kit, effort: Effort) -> Iterator[Series]:
    """Measure inferences a second of many guests at once: a process each, and all in one process of ours."""
    task = next((task for task in kit.tasks if task.name == "squeezenet"), kit.tasks[0])
    records = _records(kit, task)
    for count in effort.guests:
        samples = {
            name: partial(_together, kit, name, task, count, effort.seconds)
            for name in kit.runs(OURS, WASMTIME)
        }
        samples[MAP] = partial(_mapped, _map(kit, task, records, f"--jobs={count}"), effort.seconds)
        yield from in_turns("guests", str(count), samples, effort.few, warm_up=False)


def _records(kit: Kit, task: Task) -> str:
    """Return a pattern for files that are inputs of a model: a few real ones under many names."""
    folder = kit.folder / "records" / task.name
    if not folder.exists():
        folder.mkdir(parents=True)
        numbers = random.Random(0)  # noqa: S311 - data, no secret
        for index in range(_FILES):
            floats = (float(numbers.randrange(256)) for _ in range(task.input_bytes // 4))
            data = array("f", floats) if task.element == "f32" else array("i", map(int, floats))
            (folder / f"{index}.real").write_bytes(data.tobytes())
        for index in range(_RECORDS):
            (folder / f"{index:05}").symlink_to(f"{index % _FILES}.real")
    return f"{folder}/[0-9]*[0-9]"


def _map(kit: Kit, task: Task, records: str, *more: str) -> Command:
    inference = f"INFERENCE={' '.join(task.words())}"
    options = (f"--graph={task.name}={task.folder}", "--env", inference, *more)
    return _map_command(kit, kit.guest("reactor"), records, options)


def _map_photos(kit: Kit, task: Task, photos: Path) -> Command:
    folder = kit.folder / "records" / "photos"
    if not folder.exists():
        folder.mkdir(parents=True)
        found = sorted(photos.glob("*.png"))
        for index in range(_RECORDS):
            (folder / f"{index:05}.png").symlink_to(found[index % len(found)])
    options = (f"--graph={task.name}={task.folder}",)
    return _map_command(kit, contenders.photo_reactor(kit), f"{folder}/*.png", options)


def _map_command(kit: Kit, guest: Path, records: str, options: tuple[str, ...]) -> Command:
    words = (sys.executable, "-m", "host", "map", str(guest), "--inputs", records, *options)
    return Command(words, {"XDG_CACHE_HOME": str(kit.cache(OURS))})


def _mapped(command: Command, seconds: float) -> Mapping[str, float]:
    """Return the answers a second, of so many seconds or all records; FailedError when there are errors."""
    times = []
    with tempfile.TemporaryFile() as told:
        with command.start(told.fileno()) as process:
            assert process.stdout is not None
            for line in process.stdout:
                times.append(time.perf_counter())
                if b'"error"' in line:
                    process.send_signal(signal.SIGINT)
                    raise FailedError(line.decode(errors="replace").strip())
                if times[-1] - times[0] > seconds + _SETTLED:
                    process.send_signal(signal.SIGINT)
                    break
            process.stdout.read()
        told.seek(0)
        stderr = told.read().decode(errors="replace")
    if process.returncode not in {0, _NOT_GIVEN, _INTERRUPTED} or len(times) < _FILES:
        raise FailedError(f"exit code {process.returncode}: {stderr.strip()}")
    begin = min(times[0] + _SETTLED, times[len(times) // 2])
    counted = [each for each in times if each >= begin]
    return {"rate": (len(counted) - 1) / (counted[-1] - counted[0])}


def _together(kit: Kit, contender: str, task: Task, count: int, seconds: int) -> Mapping[str, float]:
    """Return the inferences a second of so many guests, a process each, while all of them are at work."""
    begin = int(1000 * (time.time() + 1 + _START * count))
    window = str(begin), str(begin + 1000 * seconds)
    command = kit.named(contender, task, "window", *window)
    with tempfile.TemporaryFile() as told:
        running = [command.start(told.fileno()) for _ in range(count)]
        done = sum(_counted(process) for process in running)
        told.seek(0)
        stderr = told.read().decode(errors="replace")
    if any(process.returncode for process in running):
        raise FailedError(stderr.strip())
    return {"rate": done / seconds}


def _counted(process: subprocess.Popen[bytes]) -> int:
    stdout, _ = process.communicate()
    return int(stdout or 0)
