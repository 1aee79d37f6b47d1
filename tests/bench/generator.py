"""Time `wasinn-gen headers`: on WASI-NN with all its dialects, and on an interface of 250 functions.

Run by `make bench`, never in CI: a time is a fact about a machine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS = 9
FUNCTIONS, RECORDS = 250, 60


def interface() -> str:
    """Return witx text of an interface as large as the largest in use."""
    lines = ["(typename $errno (enum (@witx tag u16) $ok $bad))"]
    for i in range(RECORDS):
        fields = "(field $a u8) (field $b u64) (field $c f32) (field $d u16)"
        lines += [f";;; Record {i}.", f"(typename $record{i} (record {fields}))"]
        lines += [f"(typename $kind{i} (enum (@witx tag u8) $a $b $c $d $e))"]
    lines.append("(module $big")
    for i in range(FUNCTIONS):
        params = f"(param $record $record{i % RECORDS}) (param $kind $kind{i % RECORDS}) (param $name string)"
        result = f"(result $error (expected $record{(i + 1) % RECORDS} (error $errno)))"
        lines += [f";;; Function {i}.", f'(@interface func (export "function{i}") {params} {result})']
    return "\n".join((*lines, ")"))


def seconds(arguments: list[str]) -> list[float]:
    """Return the wall time of each run of a command, start-up included; the first warms caches up."""
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "codegen.cli", *arguments], check=True, cwd=ROOT)
        times.append(time.perf_counter() - start)
    return times[1:]


def main() -> int:
    """Print median and spread of each case, in seconds, as a table; as JSON with `--json`."""
    with tempfile.TemporaryDirectory() as folder:
        big = Path(folder) / "big.witx"
        big.write_text(interface(), encoding="utf-8")
        subprocess.run(
            [sys.executable, "-m", "codegen.cli", "headers", big, "--out", folder],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        cases = {
            "headers --check, WASI-NN (4 languages, 9 dialects, 4 extensions)": ["headers", "--check"],
            f"headers --check, {FUNCTIONS} functions (4 languages)": [
                *("headers", str(big), "--out", folder, "--check"),
            ],
        }
        results = {name: seconds(arguments) for name, arguments in cases.items()}
    if "--json" in sys.argv[1:]:
        sys.stdout.write(json.dumps(results) + "\n")
        return 0
    for name, times in results.items():
        spread = f"{min(times):.3f} to {max(times):.3f}"
        sys.stdout.write(f"{statistics.median(times):.3f} s  ({spread})  {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
