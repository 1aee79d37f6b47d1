"""What each wasi-nn call costs, and the three of an inference, in microseconds: on models, and by input size.

One guest runs everywhere; what has OpenVINO only has the same loop.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.bench import models
from tests.bench.contenders import (
    BARE,
    BARE_F32,
    LIKES,
    LIKES_ALL,
    OURS,
    OURS_ALL,
    PROCESSORS,
    VARIANTS,
    WASMTIME,
)
from tests.bench.measure import FailedError, in_turns, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.bench.contenders import Kit
    from tests.bench.effort import Effort
    from tests.bench.measure import Series
    from tests.bench.models import Task

_THREADS: Final = re.compile(r"for (one|all|\d+) threads?\b")
_ALL: Final = (OURS, OURS_ALL, LIKES, LIKES_ALL, WASMTIME, BARE, BARE_F32)


def calls(kit: Kit, effort: Effort) -> Iterator[Series]:
    """Measure on each model."""
    for task in kit.tasks:
        yield from in_turns(
            "calls", task.name, _samples(kit, effort, task, *_ALL), effort.turns, warm_up=effort.warm_up
        )


def input_size(kit: Kit, effort: Effort) -> Iterator[Series]:
    """Measure on models that differ in the size of their input alone, of which they read a little."""
    for task in models.slices(kit.folder):
        if task.input_bytes <= effort.largest:
            samples = _samples(kit, effort, task, OURS, WASMTIME, BARE)
            case = str(task.input_bytes)
            yield from in_turns("input size", case, samples, effort.few, warm_up=effort.warm_up)


def _samples(
    kit: Kit, effort: Effort, task: Task, *contenders: str
) -> Mapping[str, Callable[[], Mapping[str, float]]]:
    """Return, for each contender that is there, what measures it once."""

    def sample(contender: str) -> Mapping[str, float]:
        done = run(kit.calls(contender, task, effort.rounds(task)))
        found = {call: value / 1000 for call, value in json.loads(done.stdout).items()}
        return found | ({"threads": _threads(done.stderr)} if contender in VARIANTS else {})

    return {name: partial(sample, name) for name in kit.runs(*contenders)}


def _threads(told: str) -> int:
    """Return on how many threads the host said that the model is."""
    found = _THREADS.search(told)
    if found is None:
        raise FailedError("the host did not say on how many threads the model is")
    return {"one": 1, "all": PROCESSORS}.get(found[1]) or int(found[1])
