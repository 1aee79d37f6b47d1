"""Measure the host beside Wasmtime, bare OpenVINO and benchmark_app, in turns, in one run; print a table.

`python -m tests.bench.page FILE.json` makes docs/performance.md of what `--json FILE.json` keeps.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench import bulk, calls, contenders, report, start
from tests.bench.effort import FULL, QUICK
from tests.bench.measure import say
from tests.bench.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.bench.contenders import Kit
    from tests.bench.effort import Effort
    from tests.bench.measure import Series

SUITES: Final[Mapping[str, Callable[[Kit, Effort], Iterator[Series]]]] = {
    "calls": calls.calls,
    "start": start.start,
    "memory": start.memory,
    "bulk": bulk.bulk,
    "input-size": calls.input_size,
    "graphs": start.graphs,
    "guests": bulk.guests,
}


def main() -> int:
    """Measure; print a table, and keep all of it as JSON where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="little of each, to see that it can be measured")
    parser.add_argument("--only", action="append", choices=SUITES, help="one suite; may be given again")
    parser.add_argument("--model", action="append", help="one model; may be given again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured, with each sample")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kit = contenders.prepare(Path(folder), options.model)
        facts = {
            **report.machine(kit.runtime.command[0] if kit.runtime else None),
            "load before": report.load(),
        }
        if options.quick:
            facts["effort"] = "quick: a short turn of each, which says little about speed"
        effort = QUICK if options.quick else FULL
        found = tuple(
            each for name in SUITES if name in (options.only or SUITES) for each in SUITES[name](kit, effort)
        )
    done = Report({**facts, "load after": report.load()}, found)
    if options.json:
        options.json.write_text(report.dumps(done), encoding="utf-8")
        say(f"wrote {options.json}")
    print("\n".join(f"{name}: {value}" for name, value in done.machine.items()), end="\n\n")
    print("\n".join(report.table(done)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
