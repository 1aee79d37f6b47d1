"""Measure what docs/scale.md tells: `python -m tests.bench.scale`; needs the extras `batch` and `ray`.

Prints tables, and which goals were reached.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench import report
from tests.bench.measure import say
from tests.bench.scale import found
from tests.bench.scale.remote import remote
from tests.bench.scale.served import served
from tests.bench.scale.shards import shards

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.bench.scale.found import Found

SUITES: Final[Mapping[str, Callable[[Path, int, int], Found]]] = {
    "shards": shards,
    "remote": remote,
    "served": served,
}
"""Each is given a folder of its own, how many rows, and how many turns."""

ROWS: Final = 100_000


def main() -> int:
    """Measure; print the tables, and keep all of it as JSON where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.scale", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--only", action="append", choices=SUITES, help="one suite; may be given again")
    parser.add_argument(
        "--turns", type=int, default=3, help="how often each is measured (3): the median counts"
    )
    parser.add_argument("--rows", type=int, default=ROWS, help=f"how many there are ({ROWS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    options = parser.parse_args()
    machine = {**report.machine(None), "load before": report.load()}
    done = {}
    for name in options.only or SUITES:
        with tempfile.TemporaryDirectory() as folder:
            done[name] = SUITES[name](Path(folder), options.rows, options.turns)
    machine["load after"] = report.load()
    if options.json:
        options.json.write_text(found.dumps(machine, done), encoding="utf-8")
        say(f"wrote {options.json}")
    print("\n".join(f"{name}: {value}" for name, value in machine.items()), end="\n\n")
    print("\n".join(found.lines(done)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
