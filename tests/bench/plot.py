"""Draw what was measured as an SVG, with matplotlib; the same data gives the same bytes."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.bench.bulk import MAP, PHOTO
from tests.bench.contenders import APP, BARE, OURS, OURS_ALL, WASMTIME
from tests.bench.report import spread

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from tests.bench.report import Report

_COLOURS: Final = {
    OURS: "#1b6ca8", OURS_ALL: "#7fb2d6", WASMTIME: "#8a5fb0", BARE: "#777777",
    MAP: "#d9772b", PHOTO: "#efbb8f", APP: "#777777",
}  # fmt: skip
_METRICS: Final = {
    "calls": "round",
    "start": "seconds",
    "bulk": "rate",
    "graphs": "seconds",
    "guests": "rate",
}
_GB: Final = 1e3
"""Bytes in a microsecond that make a gigabyte a second."""


def save(found: Report, path: Path) -> None:
    """Draw all of it into a file."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "performance", "font.size": 8}):
        figure = Figure(figsize=(10, 9), layout="constrained")
        axes = figure.subplots(3, 2)
        _bars(axes[0, 0], found, "calls", (OURS, OURS_ALL, WASMTIME, BARE), WASMTIME)
        axes[0, 0].set_title("an inference of a guest, time, Wasmtime = 1")
        _bars(axes[0, 1], found, "start", (OURS, WASMTIME, BARE), None)
        axes[0, 1].set_title("from the command to its answer, seconds")
        _bars(axes[1, 0], found, "bulk", (MAP, PHOTO, APP), APP)
        axes[1, 0].set_title("bulk, records a second, benchmark_app = 1")
        _bandwidth(axes[1, 1], found)
        _lines(axes[2, 0], found, "graphs", (OURS, WASMTIME))
        axes[2, 0].set_title("start-up by named models, seconds")
        _lines(axes[2, 1], found, "guests", (OURS, MAP, WASMTIME))
        axes[2, 1].set_title("guests at once, inferences a second of all")
        axes[2, 1].set_xscale("log", base=2)
        axes[2, 1].set_ylim(bottom=0)
        figure.savefig(path, metadata={"Date": None})
    text = path.read_text(encoding="utf-8")
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


def _bars(axes: Axes, found: Report, suite: str, names: tuple[str, ...], base: str | None) -> None:
    """Draw a group of bars for each case; with a base as ratios to it, else with the quartiles."""
    cases, width, metric = found.cases(suite), 0.8 / len(names), _METRICS[suite]
    for index, name in enumerate(names):
        at, heights, low, high = [], [], [], []
        for place, case in enumerate(cases):
            samples = found.samples(suite, case, metric, name)
            ratio = found.ratio(suite, case, metric, name, base) if base else None
            if not samples or (base and ratio is None):
                continue
            height = median(samples) if ratio is None else ratio
            quartiles = spread(samples) if ratio is None else (height, height)
            at.append(place + (index - (len(names) - 1) / 2) * width)
            heights.append(height)
            low.append(height - quartiles[0])
            high.append(quartiles[1] - height)
        axes.bar(at, heights, width, label=name, color=_COLOURS[name])
        if base is None:
            axes.errorbar(at, heights, yerr=(low, high), fmt="none", ecolor="#333333", capsize=2)
    axes.set_xticks(range(len(cases)), [case.replace(", ", "\n") for case in cases])
    if base:
        axes.axhline(1, color="#333333", linewidth=0.6)
    axes.set_ylim(top=1.25 * axes.get_ylim()[1])  # room for the legend
    axes.legend(frameon=False, ncols=len(names), loc="upper center")


def _lines(axes: Axes, found: Report, suite: str, names: tuple[str, ...]) -> None:
    """Draw a line for each contender over the cases, which are numbers, with the quartiles."""
    metric = _METRICS[suite]
    for name in names:
        known = [case for case in found.cases(suite) if found.samples(suite, case, metric, name)]
        samples = [found.samples(suite, case, metric, name) for case in known]
        middles = [median(each) for each in samples]
        numbers = [int(case) for case in known]
        axes.plot(numbers, middles, marker="o", markersize=3, label=name, color=_COLOURS[name])
        low, high = zip(*map(spread, samples), strict=True) if samples else ((), ())
        axes.fill_between(numbers, low, high, color=_COLOURS[name], alpha=0.2, linewidth=0)
    axes.set_xscale("log")
    axes.legend(frameon=False)


def _bandwidth(axes: Axes, found: Report) -> None:
    suite, metric = "input size", "set_input"
    for name in (OURS, WASMTIME, BARE):
        known = [case for case in found.cases(suite) if found.samples(suite, case, metric, name)]
        sizes = [int(case) for case in known]
        rates = [
            size / median(found.samples(suite, case, metric, name)) / _GB
            for size, case in zip(sizes, known, strict=True)
        ]
        label = "memcpy" if name == BARE else name
        axes.plot(sizes, rates, marker="o", markersize=3, label=label, color=_COLOURS[name])
    axes.set_xscale("log", base=2)
    axes.set_title("set_input, GB/s, by bytes of input")
    axes.legend(frameon=False)
