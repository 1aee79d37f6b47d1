"""`host map --in --out` when workers, the driver or shards die: every row has its answer, exactly once."""

from __future__ import annotations

import signal
import struct
from typing import TYPE_CHECKING

import pytest

from tests.host import batches
from tests.host.batches import answered, shards
from tests.host.reactors import ECHO, reactor, when
from tests.host.shard_runs import fails, host_map
from tests.host.wasi import SPIN, wait

if TYPE_CHECKING:
    from pathlib import Path

pa = batches.package("pyarrow")
pq = batches.package("pyarrow.parquet")


def test_ten_thousand_rows_are_exact_though_workers_are_killed(slow: Path, tmp_path: Path) -> None:
    words = (slow, "--in", batches.ten_thousand(tmp_path / "in"), "--out", tmp_path / "out", "--column", "x")
    with batches.start_map(*words, "--workers", "2") as run:
        for count in (1, 5):
            batches.until(lambda count=count: len(shards(tmp_path / "out")) >= count)  # type: ignore[misc]
            batches.kill(list(batches.workers(run.pid))[:1])
        _, stderr = run.communicate(timeout=60)
    assert (run.returncode, b"Traceback" in stderr) == (0, False), stderr
    assert batches.is_exact(tmp_path / "out")


def test_same_command_goes_on_after_the_driver_is_killed(slow: Path, tmp_path: Path) -> None:
    """Shards that were finished stay as they are; the workers end with the driver."""
    out = tmp_path / "out"
    words = (slow, "--in", batches.ten_thousand(tmp_path / "in"), "--out", out, "--column", "x")
    with batches.start_map(*words) as run:
        batches.until(lambda: len(shards(out)) >= 3)
        workers = batches.workers(run.pid)
        run.kill()
        _, stderr = run.communicate()
    assert stderr == b""
    batches.until(lambda: not batches.alive(workers), 10)
    kept = {name: (out / name).stat().st_mtime_ns for name in shards(out)}
    assert 3 <= len(kept) < batches.FILES
    (out / ".0.parquet.0.tmp").write_bytes(b"torn")  # as one that was being written
    assert host_map(*words).returncode == 0
    assert batches.is_exact(out)
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept


def test_shard_that_kills_its_process_costs_itself_only(tmp_path: Path) -> None:
    """OpenVINO reads where a row tells it to, and dies of it, each time; all other shards are exact."""
    folder = tmp_path / "in"
    folder.mkdir()
    each = batches.ROWS // batches.FILES
    for at in range(batches.FILES):
        rows = [batches.index(row % 4) for row in range(at, at + each)]
        if at == 1:
            rows[-1] = batches.index(batches.DEADLY)
        pq.write_table(pa.table({"x": rows}), folder / f"{at}.parquet")
    words = (batches.rows_guest(tmp_path), "--in", folder, "--out", tmp_path / "out", "--rows-per-call", "99",
             "--graph", f"net={batches.model(tmp_path, batches.wild())}", "--env", "ROW_TYPE=i64",
             "--workers", "2", "--retries", "1")  # fmt: skip
    fails(host_map(*words), 3, "shard `1.parquet`: the process that answered it died, 2 times", "1 of 10")
    for at in range(batches.FILES):
        if at != 1:
            found = pq.read_table(tmp_path / "out" / f"{at}.parquet")["output"].to_pylist()
            assert found == [struct.pack("<f", 1 + row % 4) for row in range(at, at + each)]
    assert len(shards(tmp_path / "out")) == batches.FILES - 1


@pytest.mark.parametrize("hangs", [SPIN, wait(60)], ids=["spin", "sleep"])
def test_ten_thousand_rows_are_exact_but_for_one_that_hangs(hangs: str, tmp_path: Path) -> None:
    source, out = batches.ten_thousand(tmp_path / "in"), tmp_path / "out"
    rows = pq.read_table(source / "3.parquet").to_pylist()
    rows[500]["x"] = b"!"
    pq.write_table(pa.Table.from_pylist(rows), source / "3.parquet")
    (tmp_path / "guest.wasm").write_bytes(reactor(when("!", f"{hangs} (i32.const 0)", ECHO)))
    words = (tmp_path / "guest.wasm", "--in", source, "--out", out, "--column", "x", "--workers", "2")
    fails(host_map(*words, "--record-timeout", "0.3"), 3, "1 of 10000 records")
    found = {row["id"]: (row["output"], row["error"]) for row in answered(out)}
    output, error = found.pop(3500)
    assert output is None
    assert "0.3 s" in error
    assert found == {number: (b"row %d" % number, None) for number in range(batches.ROWS) if number != 3500}


def test_interrupt_leaves_whole_shards_and_no_process(slow: Path, tmp_path: Path) -> None:
    words = (slow, "--in", batches.ten_thousand(tmp_path / "in"), "--out", tmp_path / "out", "--column", "x")
    with batches.start_map(*words) as run:
        batches.until(lambda: shards(tmp_path / "out"))
        workers = batches.workers(run.pid)
        run.send_signal(signal.SIGINT)
        _, stderr = run.communicate(timeout=30)
    assert run.returncode == 130
    assert b"the same command goes on" in stderr
    batches.until(lambda: not batches.alive(workers), 10)
    assert all(len(pq.read_table(tmp_path / "out" / name)) == 1000 for name in shards(tmp_path / "out"))


@pytest.mark.parametrize("is_interrupted", [False, True], ids=["done", "interrupted"])
def test_run_leaves_no_temporary_files(slow: Path, tmp_path: Path, *, is_interrupted: bool) -> None:
    temporary, out = tmp_path / "tmp", tmp_path / "out"
    temporary.mkdir()
    words = (slow, "--in", batches.ten_thousand(tmp_path / "in"), "--out", out, "--column", "x")
    with batches.start_map(*words, TMPDIR=str(temporary)) as run:
        batches.until(lambda: shards(out))
        assert list(temporary.iterdir()), "it has some meanwhile"
        if is_interrupted:
            run.send_signal(signal.SIGINT)
        _, stderr = run.communicate(timeout=60)
    assert run.returncode == (130 if is_interrupted else 0), stderr
    assert not list(temporary.iterdir())
