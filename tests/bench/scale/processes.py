"""What a command costs together with all processes that it starts; from /proc, so on Linux only."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.conformance.build import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOOK: Final = 0.02
_LOOKS_A_MEMORY: Final = 25
_CLOCK: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the wall and of processors, and the bytes of memory there were at most."""

    wall: float
    processor: float
    memory: float


def cost(words: Sequence[str]) -> Cost:
    """Run a command and return what it and all below it took.

    What ends between two looks is missed by as much as that; memory is the most at one look, shared pages
    counted once (PSS).
    """
    begin = time.perf_counter()
    used: dict[int, float] = {}
    peak, looks = 0.0, 0
    with subprocess.Popen(words, cwd=ROOT, start_new_session=True) as process:
        while process.poll() is None:
            below = _below(process.pid)
            used.update(below)
            if looks % _LOOKS_A_MEMORY == 0:
                peak = max(peak, sum(map(memory, below)))
            looks += 1
            time.sleep(_LOOK)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {words}")
    return Cost(time.perf_counter() - begin, sum(used.values()), peak)


def _below(root: int) -> dict[int, float]:
    """Return the processes below `root` and itself, and the processor seconds of each."""
    stats: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stats[int(path.name)] = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
    found = {root} & stats.keys()
    while more := {pid for pid, stat in stats.items() if int(stat[1]) in found} - found:
        found |= more
    return {pid: (int(stats[pid][11]) + int(stats[pid][12])) / _CLOCK for pid in found}


def memory(pid: int) -> float:
    """Return the bytes that a process holds, those that it shares in part (PSS); 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
