"""The measurements can be made, and the page says what they were; how long anything took is not looked at."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench import page, report
from tests.bench.measure import Command, FailedError, Series, in_turns, run
from tests.bench.page import Goal
from tests.bench.report import Report
from tests.conformance.build import ROOT, compiler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GOAL = Goal("copying", 0.7, "calls", "mlp", "round", (("openvino", "ours"),), is_least=True)


def series(contender: str, *samples: float) -> Series:
    """Return samples of one thing."""
    return Series("calls", "mlp", "round", contender, samples)


def test_a_tiny_model_is_measured_on_every_contender(
    tmp_path: Path,
) -> None:
    if not compiler().exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no compiler for wasm32: run `make toolchain`")
    file = tmp_path / "found.json"
    suites = ("--only=calls", "--only=start")
    words = (sys.executable, "-m", "tests.bench", "--quick", "--model=mlp", f"--json={file}", *suites)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = report.loads(file.read_text())
    assert {each.suite for each in found.series} == {"calls", "start"}
    failed = [each for each in found.series if not each.samples]
    assert not failed, done.stderr
    assert found.samples("calls", "mlp", "threads", "ours, all threads")
    assert "mlp" in done.stdout


def test_a_contender_that_fails_is_left_out_and_costs_no_other_its_samples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turns = iter(range(10))

    def fails_later() -> Mapping[str, float]:
        if next(turns) > 0:
            raise FailedError("it broke")
        return {"round": 1.0}

    contenders = {"broken": fails_later, "whole": lambda: {"round": 2.0}}
    found = tuple(in_turns("calls", "mlp", contenders, 3, warm_up=False))
    assert found == (Series("calls", "mlp", "failed", "broken", ()), series("whole", 2.0, 2.0, 2.0))
    assert "left out: broken: it broke" in capsys.readouterr().err


def test_the_turn_before_the_first_is_not_counted() -> None:
    counted = iter(range(10))
    found = in_turns("calls", "mlp", {"ours": lambda: {"round": float(next(counted))}}, 2, warm_up=True)
    assert tuple(found) == (series("ours", 1.0, 2.0),)


def test_each_turn_is_begun_by_another_contender() -> None:
    order: list[str] = []

    def told(name: str) -> Mapping[str, float]:
        order.append(name)
        return {"round": 0.0}

    list(in_turns("calls", "mlp", {"a": lambda: told("a"), "b": lambda: told("b")}, 2, warm_up=False))
    assert order == ["a", "b", "b", "a"]


def test_a_command_that_fails_tells_its_last_words() -> None:
    with pytest.raises(FailedError, match=r"exit code 3: last words"):
        run(Command((sys.executable, "-c", "import sys; print('last words', file=sys.stderr); sys.exit(3)")))


def test_a_command_that_does_not_end_is_ended() -> None:
    with pytest.raises(FailedError, match=r"no answer in 0\.2 s"):
        run(Command((sys.executable, "-c", "import time; time.sleep(30)")), patience=0.2)


def test_python_keeps_what_it_compiled_in_the_commands_that_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert (
        run(Command((sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"))).stdout == "False\n"
    )


def test_a_ratio_is_the_median_of_those_of_the_turns() -> None:
    found = Report({}, (series("ours", 1.0, 10.0, 4.0), series("wasmtime", 2.0, 2.0, 2.0)))
    assert found.ratio("calls", "mlp", "round", "ours", "wasmtime") == 2.0


def test_there_is_no_ratio_to_what_was_not_measured() -> None:
    found = Report({}, (series("ours", 1.0), Series("calls", "mlp", "failed", "wasmtime", ())))
    assert found.ratio("calls", "mlp", "round", "ours", "wasmtime") is None


def test_a_report_is_read_as_it_was_written() -> None:
    found = Report({"processor": 'a "fast" one'}, (series("ours", 1.25, 2.5), series("wasmtime")))
    assert report.loads(report.dumps(found)) == found


@pytest.mark.parametrize("ratio", [0.7, 0.8, 2.0])
def test_a_goal_of_at_least_is_reached_from_there_on(ratio: float) -> None:
    assert GOAL.is_reached(ratio)
    assert not GOAL.is_reached(0.69)


def test_what_was_not_measured_is_no_goal_reached() -> None:
    lines = page.sections(Report({}, ()))["goals"].splitlines()[2:]
    assert lines
    assert all(line.endswith("| not measured |") for line in lines)


def test_only_what_is_between_the_marks_is_rewritten() -> None:
    text = "before\n<!-- measured: machine -->\nold\n<!-- end -->\nafter\n"
    found = page.page(text, Report({"processor": "fast"}, ()))
    assert found.startswith("before\n<!-- measured: machine -->\n")
    assert found.endswith("| processor | fast |\n<!-- end -->\nafter\n")
    assert "old" not in found


def test_a_mark_that_names_nothing_is_an_error() -> None:
    with pytest.raises(KeyError, match="nothing"):
        page.page("<!-- measured: nothing -->\n<!-- end -->\n", Report({}, ()))


def test_the_page_shows_the_data_beside_it_and_all_of_it() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    found = report.loads(page.DATA.read_text(encoding="utf-8"))
    assert page.page(text, found) == text
    assert set(re.findall(r"<!-- measured: (.*) -->", text)) == set(page.sections(found))
    assert page.PICTURE.read_text(encoding="utf-8").endswith("</svg>\n")
