"""What was measured, as JSON and as tables: medians, quartiles and ratios; measures nothing.

A ratio is the median of those of the turns: two contenders of one turn ran within seconds, and so suffered
alike from what else the machine did.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from tests.bench.contenders import APP, PROCESSORS, WASMTIME
from tests.bench.measure import Series

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

UNITS: Final[Mapping[str, str]] = {"seconds": "s", "peak": "MB", "rate": "/s", "threads": ""}
"""Of the metrics that are no call; those are in microseconds."""

CLOCK: Final = "clock"
"""The metric of what reading the clock takes, which is in each call."""

BASES: Final[Mapping[str, str]] = {"bulk": APP}
"""What the ratios of a suite are to; Wasmtime in all others."""

_PRECISIONS: Final = ("avx512_bf16", "amx_bf16", "bf16")


@dataclass(frozen=True, slots=True)
class Report:
    """Facts of the machine and the programs, by what they are called; and all that was measured."""

    machine: Mapping[str, str]
    series: tuple[Series, ...]

    def samples(self, suite: str, case: str, metric: str, contender: str) -> tuple[float, ...]:
        """Return the samples of one thing; none when it was not measured."""
        wanted = (suite, case, metric, contender)
        for each in self.series:
            if (each.suite, each.case, each.metric, each.contender) == wanted:
                return each.samples
        return ()

    def cases(self, suite: str) -> tuple[str, ...]:
        """Return the cases of a suite in the order they were measured."""
        return tuple(dict.fromkeys(each.case for each in self.series if each.suite == suite))

    def contenders(self, suite: str, case: str) -> tuple[str, ...]:
        """Return who was measured."""
        found = (each for each in self.series if (each.suite, each.case) == (suite, case))
        return tuple(dict.fromkeys(each.contender for each in found))

    def ratio(self, suite: str, case: str, metric: str, contender: str, base: str) -> float | None:
        """Return the median over the turns of a contender's ratio to the base; None without both."""
        ours = self.samples(suite, case, metric, contender)
        theirs = self.samples(suite, case, metric, base)
        ratios = [a / b for a, b in zip(ours, theirs, strict=False) if b]
        return median(ratios) if ratios else None


def spread(samples: Sequence[float]) -> tuple[float, float]:
    """Return the quartiles, between which half of the samples are."""
    if len(samples) == 1:
        return samples[0], samples[0]
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return low, high


def shown(value: float) -> str:
    """Return a number with three digits that count, or all before the point."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    digits = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def dumps(report: Report) -> str:
    """Return the report as JSON, a series on each line."""
    series = ",\n".join(f"  {json.dumps(_rounded(each))}" for each in report.series)
    return f'{{"machine": {json.dumps(report.machine, indent=1)},\n "series": [\n{series}\n]}}\n'


def loads(text: str) -> Report:
    """Return the report that `dumps` wrote; KeyError or ValueError when it is none."""
    found = json.loads(text)
    series = tuple(
        Series(**{**each, "samples": tuple(map(float, each["samples"]))}) for each in found["series"]
    )
    return Report(found["machine"], series)


def table(report: Report) -> Iterator[str]:
    """Yield the lines of a table of everything, for a terminal."""
    layout = "{:<11} {:<19} {:<32} {:<11} {:>12} {:>23} {:>6} {:>7}"
    yield layout.format("suite", "case", "contender", "metric", "median", "quartiles", "turns", "ratio")
    for each in report.series:
        if each.metric == CLOCK:
            continue
        if not each.samples:
            yield layout.format(each.suite, each.case, each.contender, each.metric, *["-"] * 4)
            continue
        base = BASES.get(each.suite, WASMTIME)
        ratio = report.ratio(each.suite, each.case, each.metric, each.contender, base)
        yield layout.format(
            *(each.suite, each.case, each.contender, each.metric),
            f"{shown(median(each.samples))} {UNITS.get(each.metric, 'us')}",
            " to ".join(map(shown, spread(each.samples))),
            len(each.samples),
            "-" if ratio is None else f"{ratio:.2f}",
        )


def machine(runtime: str | None) -> dict[str, str]:
    """Return what this is measured on, and with what; `runtime` is Wasmtime's command."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    has_bf16 = any(flag in facts.get("flags", "").split() for flag in _PRECISIONS)
    theirs = (
        subprocess.run([runtime, "--version"], capture_output=True, text=True, check=True)
        if runtime
        else None
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": facts.get("model name", platform.machine()),
        "processors": str(PROCESSORS),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "OpenVINO's own precision": "bf16" if has_bf16 else "f32",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "OpenVINO": version("openvino"),
        "Wasmtime here": version("wasmtime"),
        "Wasmtime beside": theirs.stdout.split("(")[0].removeprefix("wasmtime ").strip()
        if theirs
        else "none",
    }


def load() -> str:
    """Return how busy the machine is: the load of the last minute."""
    return f"{os.getloadavg()[0]:.2f}"


def _rounded(series: Series) -> dict[str, object]:
    return {**asdict(series), "samples": [float(f"{sample:.5g}") for sample in series.samples]}
