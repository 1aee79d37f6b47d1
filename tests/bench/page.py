"""Make the tables, the picture and the data of docs/performance.md from what was measured.

`python -m tests.bench.page FILE`: FILE is what `python -m tests.bench --json FILE` wrote. The
text around the tables is not touched.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.bench import report
from tests.bench.bulk import MAP
from tests.bench.contenders import (
    APP,
    BARE,
    BARE_F32,
    LIKES,
    LIKES_ALL,
    OURS,
    OURS_ALL,
    WASMTIME,
)
from tests.bench.report import shown, spread
from tests.conformance.build import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.bench.report import Report

PAGE: Final = ROOT / "docs" / "performance.md"
DATA: Final = PAGE.with_suffix(".json")
PICTURE: Final = PAGE.with_suffix(".svg")

_SECTION: Final = re.compile(r"(<!-- measured: ([a-z -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_METRICS: Final = ("threads", "set_input", "compute", "get_output")
_LARGE_INPUTS: Final = {"conv": "602 KB", "squeezenet": "618 KB"}
_LARGE: Final = 602_112
"""Bytes of an input from which the copy is what counts."""

_BANDWIDTH: Final = 0.7


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that one thing of `ours` should have to that of `base`, at most, or at least."""

    text: str
    limit: float
    suite: str
    case: str
    metric: str
    pairs: tuple[tuple[str, str], ...]
    """Ours and the base; where precision differs, both at OpenVINO's own first, and then ours in f32."""

    is_least: bool = False

    def ratios(self, found: Report) -> tuple[float | None, ...]:
        """Return the ratio of each pair; None where one was not measured."""
        return tuple(found.ratio(self.suite, self.case, self.metric, *pair) for pair in self.pairs)

    def is_reached(self, ratio: float) -> bool:
        """Return whether a ratio, as it is shown, is good enough."""
        return round(ratio, 2) >= self.limit if self.is_least else round(ratio, 2) <= self.limit


_AUTO: Final = ((LIKES, WASMTIME), (OURS, WASMTIME))
_SAME: Final = ((LIKES_ALL, WASMTIME), (OURS_ALL, WASMTIME))
_OPENVINO: Final = ((LIKES, BARE), (OURS, BARE_F32))


def goals(found: Report) -> tuple[Goal, ...]:
    """Return the goals; of copying one for each large input."""
    copies = [("calls", case, BARE_F32) for case in _LARGE_INPUTS]
    copies += [("input size", case, BARE) for case in found.cases("input size") if int(case) >= _LARGE]
    return (
        Goal("round trip, MLP, `--threads auto`", 1.0, "calls", "mlp", "round", _AUTO),
        Goal("round trip, MLP, Wasmtime's threads", 1.25, "calls", "mlp", "round", _SAME),
        Goal("round trip, conv, 602 KB in", 1.0, "calls", "conv", "round", _AUTO),
        Goal("the same beside OpenVINO alone", 1.15, "calls", "conv", "round", _OPENVINO),
        Goal("round trip, SqueezeNet", 1.0, "calls", "squeezenet", "round", _AUTO),
        Goal("the same beside OpenVINO alone", 1.02, "calls", "squeezenet", "round", _OPENVINO),
        *(
            Goal(
                f"bandwidth of `set_input` beside `memcpy`, {_bytes(suite, case)}",
                *(_BANDWIDTH, suite, case, "set_input", ((base, OURS),)),
                is_least=True,
            )
            for suite, case, base in copies
        ),
        Goal("command to answer, photo, warm caches", 1.0, "start", "photo, warm caches", "seconds", _AUTO),
        Goal("command to answer, photo, cold caches", 1.5, "start", "photo, cold caches", "seconds", _AUTO),
        Goal("peak memory, photo, warm caches", 1.3, "start", "photo, warm caches", "peak", _AUTO),
        Goal("peak memory, photo, cold caches", 1.3, "start", "photo, cold caches", "peak", _AUTO),
        Goal("`map` beside `benchmark_app`, SqueezeNet", 0.95, "bulk", "squeezenet", "rate",
             ((MAP, APP),), is_least=True),
    )  # fmt: skip


def page(text: str, found: Report) -> str:
    """Return the page with what was measured between its marks; KeyError when a mark names nothing."""
    made = sections(found)
    return _SECTION.sub(lambda match: f"{match[1]}{made[match[2]]}\n{match[3]}", text)


def sections(found: Report) -> Mapping[str, str]:
    """Return the tables, by the names that they have on the page."""
    grids = {
        "start": ("start", "seconds", WASMTIME),
        "start memory": ("start", "peak", WASMTIME),
        "memory": ("memory", "peak", WASMTIME),
        "bulk": ("bulk", "rate", APP),
        "input size": ("input size", "set_input", BARE),
        "graphs": ("graphs", "seconds", WASMTIME),
        "guests": ("guests", "rate", WASMTIME),
    }
    tables: dict[str, Iterable[str]] = {name: _grid(found, *each) for name, each in grids.items()}
    tables |= {"machine": _machine(found), "goals": _goals(found), "calls": _calls(found)}
    return {name: "\n".join(lines) for name, lines in tables.items()}


def main() -> int:
    """Write the page, the data and the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.page", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what `python -m tests.bench --json` wrote")
    try:
        found = report.loads(parser.parse_args().file.read_text(encoding="utf-8"))
    except (OSError, KeyError, TypeError, ValueError) as error:
        parser.error(f"this is no report: {error!r}")
    try:
        from tests.bench import plot  # noqa: PLC0415 - the page's text needs no picture, and no library for it
    except ImportError as error:
        parser.error(f"{error}: run `.venv/bin/python -m pip install -e '.[bench]'`")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    DATA.write_text(report.dumps(found), encoding="utf-8")
    plot.save(found, PICTURE)
    return 0


def _machine(found: Report) -> Iterator[str]:
    yield from ("| | |", "|---|---|")
    yield from (f"| {name} | {value} |" for name, value in found.machine.items())


def _goals(found: Report) -> Iterator[str]:
    yield "| path | goal | measured | ours in f32 | reached |"
    yield "|---|---|---|---|---|"
    for goal in goals(found):
        ratios = goal.ratios(found)
        judged = ratios[0]
        reached = "not measured" if judged is None else "yes" if goal.is_reached(judged) else "**no**"
        sign = "≥" if goal.is_least else "≤"
        shown_ratios = [*map(_ratio, ratios), ""][:2]
        yield f"| {goal.text} | {sign} {goal.limit:.2f} | {' | '.join(shown_ratios)} | {reached} |"


def _calls(found: Report) -> Iterator[str]:
    heads = ("model", "", "threads", *(f"`{call}`" for call in _METRICS[1:]), "all three")
    yield f"| {' | '.join((*heads, f'to {WASMTIME}', f'to {BARE}'))} |"
    yield "|---" * (len(heads) + 2) + "|"
    for case in found.cases("calls"):
        for name in found.contenders("calls", case):
            cells = [_middle(found.samples("calls", case, metric, name)) for metric in _METRICS]
            base = BARE if name in {LIKES, LIKES_ALL, WASMTIME, BARE} else BARE_F32
            ratios = [_ratio(found.ratio("calls", case, "round", name, each)) for each in (WASMTIME, base)]
            row = [case, name, *cells, _spread(found.samples("calls", case, "round", name)), *ratios]
            yield f"| {' | '.join(row)} |"


def _grid(found: Report, suite: str, metric: str, base: str) -> Iterator[str]:
    """Yield a table: a row for each case, a column for each contender, and its ratio to the base."""
    cases = found.cases(suite)
    names = tuple(dict.fromkeys(name for case in cases for name in found.contenders(suite, case)))
    compared = [name for name in names if name != base]
    yield f"| | {' | '.join((*names, *(f'{name} to {base}' for name in compared)))} |"
    yield "|---" * (1 + len(names) + len(compared)) + "|"
    for case in cases:
        cells = [_spread(found.samples(suite, case, metric, name)) for name in names]
        ratios = [_ratio(found.ratio(suite, case, metric, name, base)) for name in compared]
        label = f"{int(case):,}" if case.isdecimal() else case
        yield f"| {' | '.join((label, *cells, *ratios))} |"


def _spread(samples: tuple[float, ...]) -> str:
    return f"{_middle(samples)} ({' to '.join(map(shown, spread(samples)))})" if samples else "-"


def _middle(samples: tuple[float, ...]) -> str:
    return shown(median(samples)) if samples else "-"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _bytes(suite: str, case: str) -> str:
    return f"{int(case) >> 20} MiB" if suite == "input size" else _LARGE_INPUTS[case]


if __name__ == "__main__":
    sys.exit(main())
