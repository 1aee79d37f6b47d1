"""`--stats` adds up what the calls of a run cost, exactly where it can and within a few percent elsewhere."""

from __future__ import annotations

import json
import math
import random
import stat
from typing import TYPE_CHECKING

import pytest

from host import abi, api, cli
from host.errors import Condition, NnError
from host.tracing.observe import Call
from host.tracing.stats import Collector
from tests.host import models, scripts

if TYPE_CHECKING:
    from pathlib import Path

    from host.tracing.stats import FunctionStats

COMPUTE = next(function for function in abi.FUNCTIONS if function.name == "compute")
HEAD = "function calls errors total ms mean us p50 us p99 us bytes in bytes out".split()


def _call(nanoseconds: int, error: NnError | None = None, sizes: tuple[int, int] = (0, 0)) -> Call:
    return Call(1, COMPUTE, (1,), None, None, 0, error, (), 0, nanoseconds, *sizes)


def _stats(*calls: Call) -> FunctionStats:
    collector = Collector()
    for call in calls:
        collector.add(call)
    (found,) = collector.stats(0).functions
    return found


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """Return the file of y = x + x for f32 [2]."""
    path = tmp_path / "net.xml"
    xml, weights = models.double([2])
    path.write_bytes(xml)
    path.with_suffix(".bin").write_bytes(weights)
    return path


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """Return a guest that infers once and then asks for an output that there is not."""
    path = tmp_path / "guest.wasm"
    path.write_bytes(scripts.command(*scripts.inference(1, 2, more=[("get_output", (2, 7, 0, 0, 64))])))
    return path


def test_counts_totals_and_bytes_are_exact() -> None:
    error = NnError(Condition.COMPUTE_FAILED, "")
    found = _stats(_call(1, error, (10, 0)), _call(10**9, None, (1, 7)), _call(3))
    assert (found.calls, found.errors, found.total_ns) == (3, 1, 10**9 + 4)
    assert (found.bytes_in, found.bytes_out, found.mean_ns) == (11, 7, round((10**9 + 4) / 3))


@pytest.mark.parametrize("spread", [0.0, 0.1, 1.0, 3.0])
@pytest.mark.parametrize("count", [1, 2, 99, 100, 101, 5000])
def test_percentiles_are_within_three_percent(spread: float, count: int) -> None:
    source = random.Random(count)  # noqa: S311 - not for secrets
    times = [round(source.lognormvariate(math.log(20_000), spread)) for _ in range(count)]
    found = _stats(*map(_call, times))
    for percent, value in ((50, found.p50_ns), (99, found.p99_ns)):
        exact = sorted(times)[math.ceil(count * percent / 100) - 1]
        assert value == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("time", [1, 1000, 123_456_789])
def test_a_time_that_all_calls_took_is_told_as_it_is(time: int) -> None:
    """Not as the middle of its class: no percentile is below the shortest or above the longest time."""
    found = _stats(*[_call(time)] * 5)
    assert (found.p50_ns, found.p99_ns) == (time, time)


def test_times_of_every_size_take_little_memory() -> None:
    """From nothing to an hour: what is kept does not grow with the number of calls."""
    collector = Collector()
    for exponent in range(1280):
        collector.add(_call(int(1.03**exponent) if exponent < 980 else 0))
    (so_far,) = collector._sums.values()  # noqa: SLF001 - what is bounded is inside
    assert len(so_far.classes) < 640


def test_no_calls_make_no_rows() -> None:
    assert Collector().stats(5).functions == ()


def test_a_run_counts_its_calls(net: Path, guest: Path) -> None:
    stats = api.run(guest, graphs={"net": net}, stats=True).stats
    assert stats is not None
    found = {each.function: each for each in stats.functions}
    assert list(found) == ["load_by_name", "init_execution_context", "set_input", "compute", "get_output"]
    assert (found["get_output"].calls, found["get_output"].errors) == (2, 1)
    assert (found["load_by_name"].bytes_in, found["set_input"].bytes_in) == (3, 8)
    assert found["get_output"].bytes_out == 8
    assert 0 < stats.calls_ns < stats.run_ns


def test_a_run_that_nobody_watches_is_not_measured(
    net: Path, guest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.tracing.observe.Recorder", None)  # calling it would fail
    result = api.run(guest, graphs={"net": net})
    assert (result.exit_code, result.stats, result.trace) == (0, None, None)


def test_the_table_is_on_stderr_at_the_end(net: Path, guest: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--stats", str(guest), "--graph", f"net={net}"]) == 0
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert all(line.startswith("stats: ") for line in lines)
    assert lines[0].split()[1:] == " ".join(HEAD).split()
    assert [line.split()[1:4] for line in lines[1:6]][-1] == ["get_output", "2", "1"]
    assert lines[6].startswith("stats: the run took ")


@pytest.mark.parametrize("end", ["unreachable", "(call $exit (i32.const 3))"])
def test_the_table_is_there_when_the_guest_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], end: str
) -> None:
    path = tmp_path / "guest.wat"
    path.write_text(f"""(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (import "{abi.MODULE}" "compute" (func $compute (param i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start") (drop (call $compute (i32.const 1))) {end}))""")
    assert cli.main(["run", str(path), "--stats"]) in {1, 3}
    assert "stats: compute " in capfd.readouterr().err


def test_a_file_has_the_same_as_json(net: Path, guest: Path, tmp_path: Path) -> None:
    path = tmp_path / "stats.json"
    assert cli.main(["run", f"--stats={path}", str(guest), "--graph", f"net={net}"]) == 0
    found = json.loads(path.read_text())
    assert [each["calls"] for each in found["functions"]] == [1, 1, 1, 1, 2]
    assert found["calls_ns"] == sum(each["total_ns"] for each in found["functions"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("option", ["--stats", "--trace"])
@pytest.mark.parametrize("where", ["taken", "no/such/folder", ""])
def test_a_file_that_cannot_be_made_is_told_before_the_guest_runs(
    guest: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], option: str, where: str
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("precious")
    path = tmp_path / where if where else ""
    assert cli.main(["run", str(guest), f"{option}={path}"]) == 2
    assert capfd.readouterr().err.startswith(f"error: `{option}={path}`: ")
    assert taken.read_text() == "precious"
