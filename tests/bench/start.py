"""From a command to its answer: seconds and the most memory, with nothing kept from before and with all.

Files that are read are in the machine's memory in either case; `cold` says that nothing is compiled yet.
"""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.bench import contenders
from tests.bench.contenders import BARE, LIKES, OURS, VARIANTS, WASMTIME
from tests.bench.measure import in_turns, run, say
from tests.bench.models import BUILT
from tests.conformance.build import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.bench.contenders import Kit
    from tests.bench.effort import Effort
    from tests.bench.measure import Command, Series
    from tests.bench.models import Task

_PHOTO: Final = ROOT / "build" / "guest" / "photo.wasm"
_PHOTOS: Final = ROOT / "build" / "photos"
_MODEL: Final = BUILT / "squeezenet"
_COLD: Final = {"cold caches": True, "warm caches": False}


def start(kit: Kit, effort: Effort) -> Iterator[Series]:
    """Measure the photo example, which brings its model, and one inference of a tiny model by its name."""
    for state, is_cold in _COLD.items():
        if _has_photo(kit):
            names = kit.runs(OURS, LIKES, WASMTIME)
            samples = {name: partial(_photo, kit, name, is_cold=is_cold) for name in names}
            yield from in_turns("start", f"photo, {state}", samples, effort.turns, warm_up=effort.warm_up)
        task, names = kit.tasks[0], kit.runs(OURS, WASMTIME, *(() if is_cold else (BARE,)))
        samples = {name: partial(_once, kit, name, task, is_cold=is_cold) for name in names}
        yield from in_turns("start", f"{task.name}, {state}", samples, effort.turns, warm_up=effort.warm_up)


def memory(kit: Kit, effort: Effort) -> Iterator[Series]:
    """Measure inferences on each model, with warm caches."""

    def sample(contender: str, task: Task) -> Mapping[str, float]:
        return {"peak": run(kit.calls(contender, task, 50)).peak / 1e6}

    for task in kit.tasks:
        names = kit.runs(OURS, WASMTIME, BARE)
        samples = {name: partial(sample, name, task) for name in names}
        yield from in_turns("memory", task.name, samples, effort.few, warm_up=effort.warm_up)


def graphs(kit: Kit, effort: Effort) -> Iterator[Series]:
    """Measure one inference beside ever more models that are registered and not asked for."""
    task = kit.tasks[0]
    folders = tuple(kit.folder / "graphs" / f"{number:04}" for number in range(max(effort.graphs)))
    for folder in folders:
        shutil.copytree(task.folder, folder)
    words = ("1", *task.words(folders[0].name))

    def sample(contender: str, named: tuple[Path, ...]) -> Mapping[str, float]:
        run_on = kit.wasmtime if contender == WASMTIME else kit.ours
        options = contenders.graphs(contender, named)
        return _taken(run_on(kit.cache(contender), options, kit.guest("calls"), *words))

    for count in effort.graphs:
        samples = {name: partial(sample, name, folders[:count]) for name in kit.runs(OURS, WASMTIME)}
        yield from in_turns("graphs", str(count), samples, effort.few, warm_up=effort.warm_up)


def _photo(kit: Kit, contender: str, *, is_cold: bool) -> Mapping[str, float]:
    words = ("/model", "/photos/coffee.png")
    folders = ("--dir", f"{_MODEL}::/model", "--dir", f"{_PHOTOS}::/photos")
    if contender == WASMTIME:
        command = kit.wasmtime(kit.cache("" if is_cold else WASMTIME), folders, _PHOTO, *words)
    else:
        options = (*folders, *VARIANTS[contender])
        command = kit.ours(kit.cache("" if is_cold else OURS), options, _PHOTO, *words)
    return _taken(command)


def _once(kit: Kit, contender: str, task: Task, *, is_cold: bool) -> Mapping[str, float]:
    command = kit.calls(contender, task, 1)
    if is_cold:
        empty = {**command.environment, "XDG_CACHE_HOME": str(kit.cache())}
        command = type(command)(command.words, empty)
    return _taken(command)


def _taken(command: Command) -> Mapping[str, float]:
    done = run(command)
    return {"seconds": done.seconds, "peak": done.peak / 1e6}


def _has_photo(kit: Kit) -> bool:
    if not any(task.folder == _MODEL for task in kit.tasks):
        return False
    found = all(path.exists() for path in (_PHOTO, _PHOTOS / "coffee.png"))
    if not found:
        say("left out: the photo example is not there: run `make guests model`")
    return found
