"""Run commands in turns and keep what each took; knows nothing of what is measured.

A child's peak memory is never less than what the process that starts it has at that moment (Linux counts it
so), so a process that measures imports nothing large.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from threading import Timer
from time import perf_counter
from typing import TYPE_CHECKING, Final

from tests.conformance.build import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_DROPPED: Final = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "OPENVINO_LOG_LEVEL")
"""Of the environment: with the first, Python compiles all that was changed anew at each start."""

_TOLD: Final = 300
_PATIENCE: Final = 40.0
"""Seconds after which a command has no answer; at more it would take all the time there is to measure."""


class FailedError(Exception):
    """A command that did not do what it is measured for; the message is its last words."""


@dataclass(frozen=True, slots=True)
class Command:
    """Words to run, in the project's folder, with more in the environment."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, stderr: int) -> subprocess.Popen[bytes]:
        """Start it, with its stdout to be read."""
        kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        return subprocess.Popen(
            self.words,
            env={**kept, **self.environment},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )


@dataclass(frozen=True, slots=True)
class Done:
    """What a command wrote, the seconds it took, and the most bytes it had in memory."""

    stdout: str
    stderr: str
    seconds: float
    peak: int


@dataclass(frozen=True, slots=True)
class Series:
    """One thing measured of one contender, a sample for each turn; none where it could not be."""

    suite: str
    case: str
    metric: str
    contender: str
    samples: tuple[float, ...]


def run(command: Command, patience: float = _PATIENCE) -> Done:
    """Run a command to its end; FailedError with what it said when it fails, or is not done in `patience`."""
    with tempfile.TemporaryFile() as told:
        begin = perf_counter()
        process = command.start(told.fileno())
        assert process.stdout is not None
        end = Timer(patience, os.kill, (process.pid, signal.SIGKILL))
        end.start()
        with process.stdout:
            stdout = process.stdout.read().decode(errors="replace")
        end.cancel()
        end.join()  # before the process is waited for: from then on its number may be another's
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        stderr = told.read().decode(errors="replace")
    if seconds > patience:
        raise FailedError(f"no answer in {patience:g} s")
    if process.returncode:
        raise FailedError(f"exit code {process.returncode}: {stderr.strip()[-_TOLD:]}")
    return Done(stdout, stderr, seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def in_turns(
    suite: str,
    case: str,
    contenders: Mapping[str, Callable[[], Mapping[str, float]]],
    turns: int,
    *,
    warm_up: bool,
) -> Iterator[Series]:
    """Yield what each contender gives, all of them once in each turn, each turn begun by another.

    With `warm_up` there is a turn before that does not count: it fills caches. One that fails is left out
    from then on, and stderr says so.
    """
    names = list(contenders)
    found: dict[str, list[Mapping[str, float]]] = {name: [] for name in names}
    failed: set[str] = set()
    for turn in range(-warm_up, turns):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            if name in failed:
                continue
            say(f"{suite}: {case}: {f'turn {turn + 1} of {turns}' if turn >= 0 else 'warm-up'}: {name}")
            try:
                sample = contenders[name]()
            except FailedError as error:
                say(f"{suite}: {case}: left out: {name}: {error}")
                failed.add(name)
                continue
            if turn >= 0:
                found[name].append(sample)
    for name in names:
        samples = [] if name in failed else found[name]
        for metric in samples[0] if samples else ("failed",):
            yield Series(suite, case, metric, name, tuple(sample[metric] for sample in samples))


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)
