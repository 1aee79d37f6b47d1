"""Run the conformance guests on this project's host, on Wasmtime and on any other runtime; print a matrix.

docs/conformance.md says how to use it on a runtime of your own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conformance import runtimes
from tests.conformance.build import OUT, BuildError, Guest, build, guests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.runtimes import Runtime, Verdict

Row = tuple[Guest, tuple["Verdict", ...]]


def main() -> int:
    """Return 0 when the first runtime passes all guests, 1 when not, 2 when nothing could be run."""
    options = _parser().parse_args()
    out: Path = options.build_only or OUT
    try:
        build(out)
        if options.build_only:
            return 0
        columns = _runtimes(options.runtime, out)
    except (BuildError, OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    rows = _run(columns, out)
    sys.stdout.write(_json(columns, rows) if options.json else _matrix(columns, rows))
    return int(any(verdicts[0].outcome != "pass" for _, verdicts in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--runtime", action="append", default=[], metavar="NAME=COMMAND",
        help="a runtime to test; {guest} in COMMAND is the guest, {graphs} the folder of named models; "
        "`host` and `wasmtime` need no command, and are what runs when this is left out",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print an array of verdicts for programs")
    parser.add_argument("--build-only", type=Path, metavar="OUT", help="build the guests into OUT, run none")
    return parser


def _runtimes(named: Sequence[str], out: Path) -> tuple[Runtime, ...]:
    """Return the runtimes asked for; ValueError when one cannot be had."""
    found = []
    for text in named or ("host", "wasmtime"):
        name, separator, command = text.partition("=")
        if separator:
            runtime: Runtime | None = runtimes.custom(name, command)
        elif name == "host":
            runtime = runtimes.host()
        elif name == "wasmtime":
            runtime = runtimes.wasmtime(out / "openvino")
        else:
            raise ValueError(f"`--runtime {text}` is not of the form NAME=COMMAND")
        if runtime is None:
            raise ValueError("no Wasmtime command and OpenVINO in this Python environment: run `make setup`")
        found.append(runtime)
    return tuple(found)


def _run(columns: Sequence[Runtime], out: Path) -> list[Row]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(
            pool.map(lambda guest: (guest, tuple(column.run(guest, out) for column in columns)), guests())
        )


def _matrix(columns: Sequence[Runtime], rows: Sequence[Row]) -> str:
    """Return a table of outcomes, and below it why those that are no pass are none."""
    width = max(len(guest.name) for guest, _ in rows)
    widths = [max(len(column.name), len("no answer")) for column in columns]
    lines = [_line("", width, [column.name for column in columns], widths)]
    lines += [_line(guest.name, width, [v.outcome for v in verdicts], widths) for guest, verdicts in rows]
    totals = [str(sum(v[number].outcome == "pass" for _, v in rows)) for number in range(len(columns))]
    lines.append(_line(f"passed, of {len(rows)}", width, totals, widths))
    for number, column in enumerate(columns):
        failed = [(guest, v[number]) for guest, v in rows if v[number].outcome != "pass"]
        if failed:
            lines += ["", f"{column.name}:"]
            lines += [f"  {guest.name}: {verdict.outcome}: {verdict.detail}" for guest, verdict in failed]
    return "\n".join((*lines, ""))


def _line(first: str, width: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        (first.ljust(width), *(cell.ljust(size) for cell, size in zip(cells, widths, strict=True)))
    ).rstrip()


def _json(columns: Sequence[Runtime], rows: Sequence[Row]) -> str:
    return (
        json.dumps(
            [
                {
                    "guest": guest.name,
                    "claim": guest.claim,
                    "runtime": column.name,
                    "outcome": verdict.outcome,
                    "detail": verdict.detail,
                }
                for guest, verdicts in rows
                for column, verdict in zip(columns, verdicts, strict=True)
            ],
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
