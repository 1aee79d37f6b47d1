"""What is measured of scale can be measured, and says which goals were reached; no speed is looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench.scale import found
from tests.bench.scale.found import Found, Goal, Table
from tests.bench.scale.processes import cost
from tests.conformance.build import ROOT, compiler

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.ray
@pytest.mark.triton
def test_all_suites_are_measured(tmp_path: Path) -> None:
    if not compiler().exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no compiler for wasm32: run `make toolchain`")
    file = tmp_path / "found.json"
    words = (sys.executable, "-m", "tests.bench.scale", "--turns=1", "--rows=500", f"--json={file}")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr
    suites = json.loads(file.read_text())["suites"]
    assert suites.keys() == {"shards", "remote", "served"}
    for suite, each in suites.items():
        if each["left_out"] is None or os.environ.get("CI"):
            assert each["goals"], (suite, each["left_out"])
            assert all(goal["what"] in done.stdout for goal in each["goals"])


@pytest.mark.parametrize(
    ("measured", "is_least", "is_reached"),
    [(1.0, False, True), (1.1, False, True), (1.11, False, False), (1.0, True, False), (1.1, True, True)],
)
def test_goal_is_reached_at_its_limit(measured: float, is_least: bool, is_reached: bool) -> None:  # noqa: FBT001 - as it is given
    goal = Goal("it", measured, 1.1, "times", is_least)
    told = [line for line in found.lines({"one": Found(goals=(goal,))}) if line.startswith("| it ")]
    assert goal.is_reached == is_reached
    assert told[0].endswith("| reached |" if is_reached else "| not reached |")


def test_suite_that_cannot_be_measured_is_told_with_the_reason() -> None:
    told = "\n".join(
        found.lines({"one": Found(left_out="no server"), "two": Found((Table(("s",), (("a", (1.5,)),)),))})
    )
    assert "one: left out: no server" in told
    assert "| two | s |\n|---|---|\n| a | 1.50 |" in told


def test_cost_is_that_of_all_processes_below() -> None:
    work = "import time\nwhile time.process_time() < 0.3: pass\n"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])\n{work}time.sleep(.1)"
    each = cost((sys.executable, "-c", code))
    assert each.processor >= 0.5
    assert each.wall >= 0.6
    assert each.memory > 1 << 20
