"""Keep this host busy for long and watch the memory of its process, which must stay flat: `make soak`.

A guest loads a model from its bytes, infers once and releases it, over and over; then infers over and over on
one. Both in `RUNS` runs of one `Host`, so that what a run leaves behind is seen too. Every answer is checked.
Linux only: nothing else tells the memory of a process as it is now.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from host import Host
from tests.conformance.build import OUT, compile_c

SOURCE = Path(__file__).with_suffix(".c")
RUNS = 20
WARM = RUNS // 10
"""After so many runs memory is as large as it gets: pools are filled, code is compiled."""

GROWTH = 16 << 20
"""How many bytes it may grow from then to the end: a leak of 2 KB a load would be more."""

_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Soak:
    """What one phase came to: resident bytes after each run, and seconds for all."""

    name: str
    count: int
    resident: tuple[int, ...]
    seconds: float

    @property
    def growth(self) -> int:
        """Bytes from the warm process to the largest that it became."""
        return max(self.resident[WARM - 1 :]) - self.resident[WARM - 1]

    def __str__(self) -> str:
        marks = {"10": WARM, "50": RUNS // 2, "100": RUNS}
        sizes = ", ".join(
            f"{self.resident[run - 1] / 1e6:.1f} MB at {percent} %" for percent, run in marks.items()
        )
        return f"{self.count} {self.name}: {self.count / self.seconds:.0f} a second; {sizes}"


def soak(host: Host, guest: Path, name: str, *, loads: int = 0, inferences: int = 0) -> Soak:
    """Run the guest `RUNS` times, each with its part of the work; RuntimeError when an answer is wrong."""
    resident, began = [], time.perf_counter()
    for _ in range(RUNS):
        done = host.run(guest, [str(loads // RUNS), str(inferences // RUNS)])
        if done.exit_code:
            raise RuntimeError(f"the guest failed: {done.stdout.decode()}{done.notes}")
        gc.collect()
        resident.append(int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    return Soak(name, loads + inferences, tuple(resident), time.perf_counter() - began)


def main() -> int:
    """Print what each phase came to; return 1 when memory grew in one."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--loads", type=int, default=10_000)
    parser.add_argument("--inferences", type=int, default=100_000)
    options = parser.parse_args()
    guest, host = OUT / "soak.wasm", Host()
    OUT.mkdir(parents=True, exist_ok=True)
    compile_c(SOURCE, guest)
    failed = False
    for phase in ({"loads": options.loads}, {"inferences": options.inferences}):
        (name,) = phase
        found = soak(host, guest, name, **phase)
        sys.stdout.write(f"{found}\n")
        if found.growth > GROWTH:
            failed = True
            sys.stdout.write(f"memory grew by {found.growth / 1e6:.1f} MB, and may by {GROWTH / 1e6:.1f}\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
