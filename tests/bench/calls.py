"""What a wasi-nn call costs a guest here and on `wasmtime run -S nn`: the same guest, in turns, in one run.

`python -m tests.bench.calls [--rounds N] [--turns N] [--json]`; SqueezeNet is measured when `make model` has
made it. Wasmtime cannot set precision or threads: `ours, as it likes` is at OpenVINO's defaults, as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
from openvino import opset13 as ops

from host.abi import TensorType
from tests.conformance.build import ROOT
from tests.conformance.runtimes import wasmtime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CALLS: Final = ("set_input", "compute", "get_output", "round")
_GUEST: Final = Path(__file__).with_name("calls.c")
_SQUEEZENET: Final = ROOT / "build" / "models" / "squeezenet"


@dataclass(frozen=True, slots=True)
class Task:
    """A model in a folder of its name, and an input for it."""

    folder: Path
    shape: tuple[int, ...]
    output_bytes: int
    rounds: int

    def words(self, rounds: int) -> list[str]:
        """Return the arguments of the guest."""
        element = (int(TensorType.F32), 4)
        return [self.folder.name, *map(str, (rounds, *element, self.output_bytes, *self.shape))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=float, default=1.0, help="scale the inferences of a turn (1)")
    parser.add_argument("--turns", type=int, default=5, help="turns of each contender (5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.rounds, options.turns)
    if options.json:
        print(json.dumps({"machine": machine(), "microseconds": found}, indent=2))
    else:
        print(f"median microseconds of a call, and of the three calls of an inference; {machine()}\n")
        print("\n".join(table(found)))


def measure(folder: Path, scale: float, turns: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return, by model, contender and call, the median over the turns of the guest's medians."""
    guest = folder / "calls.wasm"
    clang = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build" / "wasi-sdk") / "bin" / "clang"
    subprocess.run([clang, "-O2", f"-I{ROOT}/guest/c/include", _GUEST, "-o", guest], check=True)
    found = {}
    for task in tasks(folder):
        commands = contenders(task, folder)
        times: dict[str, dict[str, list[int]]] = {name: {call: [] for call in CALLS} for name in commands}
        for turn in range(turns):
            for name, (command, environment) in commands.items():
                print(f"{task.folder.name}: turn {turn + 1} of {turns}: {name}", file=sys.stderr, flush=True)
                words = [*command, str(guest), *task.words(max(1, int(task.rounds * scale)))]
                done = subprocess.run(
                    words, env={**os.environ, **environment}, cwd=ROOT, check=True, stdout=subprocess.PIPE
                )
                for call, values in times[name].items():
                    values.append(json.loads(done.stdout)[call])
        found[task.folder.name] = {
            name: {call: median(values) / 1000 for call, values in calls.items()}
            for name, calls in times.items()
        }
    return found


def contenders(task: Task, folder: Path) -> Mapping[str, tuple[Sequence[str], Mapping[str, str]]]:
    """Return the command of each contender, up to the guest, and its environment."""
    ours = [sys.executable, "-m", "host", "run"]
    graph = f"--graph={task.folder.name}={task.folder}"
    found: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
        "ours": ([*ours, graph], {}),
        "ours, one thread": ([*ours, f"{graph},threads=1"], {}),
        "ours, as it likes": ([*ours, f"{graph},precision=auto"], {}),
    }
    theirs = wasmtime(folder / "links")
    if theirs is None:
        print("no Wasmtime: install the development tools", file=sys.stderr)
        return found
    options = ("-C", "cache=n", "-S", "nn", "-S", f"nn-graph=openvino::{task.folder}")
    found["wasmtime"] = ([*theirs.command[:2], *options], theirs.environment)
    return found


def tasks(folder: Path) -> list[Task]:
    """Return the models, those without a file made into `folder`."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> object:
        return ops.constant(random.standard_normal(shape).astype(np.float32))

    x = ops.parameter([1, 64], np.float32)
    hidden = ops.relu(ops.matmul(x, weights(64, 32), False, False))  # noqa: FBT003 - positional only
    mlp = openvino.Model([ops.matmul(hidden, weights(32, 10), False, False)], [x], "mlp")  # noqa: FBT003 - see above
    x = ops.parameter([1, 3, 224, 224], np.float32)
    features = ops.relu(ops.convolution(x, weights(8, 3, 3, 3), [4, 4], [0, 0], [0, 0], [1, 1]))
    pooled = ops.reduce_mean(features, ops.constant(np.array([2, 3])), keep_dims=False)
    conv = openvino.Model([pooled], [x], "conv")
    for model in (mlp, conv):
        path = folder / model.friendly_name / "model.xml"
        path.parent.mkdir()
        openvino.save_model(model, path, compress_to_fp16=False)
    found = [
        Task(folder / "mlp", (1, 64), 40, 5000),
        Task(folder / "conv", (1, 3, 224, 224), 32, 500),
    ]
    if (_SQUEEZENET / "model.xml").exists():
        found.append(Task(_SQUEEZENET, (1, 3, 227, 227), 4000, 50))
    return found


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return the lines of a table with the ratio of each round to Wasmtime's."""
    lines = [f"{'model':<12}{'contender':<20}" + "".join(f"{call:>12}" for call in CALLS) + "    ratio"]
    for model, contenders_ in found.items():
        base = contenders_.get("wasmtime", {}).get("round")
        for name, calls in contenders_.items():
            ratio = f"{calls['round'] / base:9.2f}" if base else f"{'-':>9}"
            lines.append(f"{model:<12}{name:<20}" + "".join(f"{calls[call]:12.1f}" for call in CALLS) + ratio)
    return lines


def machine() -> str:
    """Return what this was measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")),
        platform.machine(),
    )  # fmt: skip
    return f"{model}, {os.cpu_count()} processors, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
