"""The programs that are measured beside each other, and how each is told to do the same; runs none.

Ours is measured as it is by default, which is f32 on one thread or all, whichever it finds quicker, and as
Wasmtime cannot be told otherwise than to be: at OpenVINO's own precision, on all threads.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench import models
from tests.bench.measure import Command, FailedError, run, say
from tests.conformance import runtimes
from tests.conformance.build import ROOT, compiler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.models import Task
    from tests.conformance.runtimes import Runtime

PROCESSORS: Final = len(os.sched_getaffinity(0))

OURS: Final = "ours"
OURS_ALL: Final = "ours, all threads"
LIKES: Final = "ours, own precision"
LIKES_ALL: Final = "ours, own precision, all threads"
WASMTIME: Final = "wasmtime"
BARE: Final = "openvino"
BARE_F32: Final = "openvino, f32"
APP: Final = "benchmark_app"

VARIANTS: Final[Mapping[str, tuple[str, ...]]] = {
    OURS: (),
    OURS_ALL: (f"--threads={PROCESSORS}",),
    LIKES: ("--precision=auto",),
    LIKES_ALL: ("--precision=auto", f"--threads={PROCESSORS}"),
}
"""Options of ours for each way it is measured; whose `own precision` it is: OpenVINO's."""

_HERE: Final = Path(__file__).parent
_RATE: Final = re.compile(r"Throughput:\s*([\d.]+) FPS")
_FLAGS: Final = ("-O2", "-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True, slots=True)
class Kit:
    """What there is to measure with, below `folder`; None for what this machine lacks."""

    folder: Path
    runtime: Runtime | None
    bare: Path | None
    tasks: tuple[Task, ...]

    def guest(self, name: str) -> Path:
        """Return a compiled guest: `calls`, `window` or `reactor`."""
        return self.folder / f"{name}.wasm"

    def cache(self, name: str = "") -> Path:
        """Return a folder for what is kept between runs: that of this name, or one that is empty."""
        return self.folder / "caches" / name if name else Path(tempfile.mkdtemp(dir=self.folder / "caches"))

    def ours(self, cache: Path, options: tuple[str, ...], guest: Path, *words: str) -> Command:
        """Return the command that runs a guest here."""
        start = (sys.executable, "-m", "host", "run", *options)
        return Command((*start, str(guest), "--", *words), {"XDG_CACHE_HOME": str(cache)})

    def wasmtime(self, cache: Path, options: tuple[str, ...], guest: Path, *words: str) -> Command:
        """Return the command that runs a guest on Wasmtime; FailedError when there is none."""
        if self.runtime is None:
            raise FailedError("no Wasmtime: install the development tools")
        start = (*self.runtime.command[:2], "-S", "nn", *options)
        environment = {**self.runtime.environment, "XDG_CACHE_HOME": str(cache)}
        return Command((*start, str(guest), *words), environment)

    def named(self, contender: str, task: Task, guest: str, *words: str) -> Command:
        """Return the command that runs a guest of ours on a model by its name, from caches of their own."""
        wasm, more = self.guest(guest), (*words, *task.words())
        if contender == WASMTIME:
            return self.wasmtime(self.cache(WASMTIME), _nn_graphs(task.folder), wasm, *more)
        options = ("-v", f"--graph={task.name}={task.folder}", *VARIANTS[contender])
        return self.ours(self.cache(OURS), options, wasm, *more)

    def calls(self, contender: str, task: Task, rounds: int) -> Command:
        """Return the command that infers so often and prints what each call took."""
        if contender not in {BARE, BARE_F32}:
            return self.named(contender, task, "calls", str(rounds))
        if self.bare is None:
            raise FailedError("no C compiler for this machine: set CC")
        precision = "f32" if contender == BARE_F32 else "auto"
        return Command((str(self.bare), precision, str(rounds), *task.words(str(task.file))))

    def runs(self, *contenders: str) -> tuple[str, ...]:
        """Return those contenders that this machine has."""
        lacking = {WASMTIME: self.runtime is None, BARE: self.bare is None, BARE_F32: self.bare is None}
        return tuple(each for each in contenders if not lacking.get(each))


def benchmark_app(task: Task, hint: str, seconds: int) -> Mapping[str, float]:
    """Return the inferences a second that OpenVINO's own tool reaches in f32."""
    options = ("-d", "CPU", "-hint", hint, "-infer_precision", "f32", "-t", str(seconds))
    code = "from openvino.tools.benchmark.main import main; main()"
    told = run(Command((sys.executable, "-c", code, "-m", str(task.file), *options))).stdout
    rate = _RATE.search(told)
    if rate is None:
        raise FailedError("benchmark_app named no throughput")
    return {"rate": float(rate[1])}


def prepare(folder: Path, names: Sequence[str] | None = None) -> Kit:
    """Make the models and programs in `folder`, to measure on the models of these names, or on all.

    Raises:
        CalledProcessError: A program does not compile.
    """
    say("making models and programs")
    (folder / "caches").mkdir()
    for name in (OURS, WASMTIME):
        (folder / "caches" / name).mkdir()
    subprocess.run([sys.executable, "-m", "tests.bench.models", folder], check=True, cwd=ROOT)
    for name, more in (("calls", ()), ("window", ()), ("reactor", ("-mexec-model=reactor",))):
        words = (compiler(), *_FLAGS, *more, f"-I{ROOT}/guest/c/include", _HERE / f"{name}.c")
        subprocess.run([*words, "-o", folder / f"{name}.wasm"], check=True)
    found = [task for task in models.tasks(folder) if names is None or task.name in names]
    for task in [task for task in found if not task.file.exists()]:
        say(f"left out: `{task.name}` is not there: run `make model`")
        found.remove(task)
    runtime = runtimes.wasmtime(folder / "links")
    if runtime is None:
        say("left out: no Wasmtime: install the development tools")
    return Kit(folder, runtime, _bare(folder), tuple(found))


def photo_reactor(kit: Kit) -> Path:
    """Compile the photo example's reactor; CalledProcessError."""
    wasm = kit.guest("photo_reactor")
    words = (
        compiler(),
        "-O2",
        "-mexec-model=reactor",
        f"-I{ROOT}/guest/c/include",
        f"-isystem{ROOT}/build/stb",
    )
    subprocess.run([*words, ROOT / "examples/photo/photo_reactor.c", "-o", wasm], check=True)
    return wasm


def graphs(contender: str, folders: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the options for models of these folders' names."""
    if contender == WASMTIME:
        return _nn_graphs(*folders)
    return tuple(f"--graph={folder.name}={folder}" for folder in folders)


def _nn_graphs(*folders: Path) -> tuple[str, ...]:
    return tuple(word for folder in folders for word in ("-S", f"nn-graph=openvino::{folder}"))


def _bare(folder: Path) -> Path | None:
    """Compile the program that has OpenVINO only; None when there is nothing to compile it with."""
    compile_with = shutil.which(os.environ.get("CC", "cc"))
    spec = find_spec("openvino")
    package = Path(next(iter(spec.submodule_search_locations or ()))) if spec else Path()
    library = next((package / "libs").glob("libopenvino_c.so.*"), None)
    if compile_with is None or library is None:
        say("left out: bare OpenVINO: no C compiler for this machine")
        return None
    places = (f"-Wl,-rpath,{library.parent}", f"-Wl,-rpath-link,{library.parent}")
    words = (compile_with, *_FLAGS, f"-I{package}/include", _HERE / "bare.c", library, *places)
    subprocess.run([*words, "-o", folder / "bare"], check=True)
    return folder / "bare"
