"""`host map --in --out`: every row has its answer, exactly once, whatever dies meanwhile."""

from __future__ import annotations

import base64
import contextlib
import errno
import io
import json
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import pytest

import host
from host.batch import framing
from host.batch import work as unit
from host.batch.columns import ColumnsError
from host.batch.parcel import packed
from host.batch.plan import Shard
from host.batch.work import Outcome, Work
from host.cli import main
from tests.host import batches, models
from tests.host.batches import COUNTS, SLOW, TRAPS, answered, lines, shards, table
from tests.host.reactors import ECHO, reactor, when
from tests.host.wasi import ROOT, SPIN, wait

if TYPE_CHECKING:
    from pathlib import Path

pa = batches.package("pyarrow")
pq = batches.package("pyarrow.parquet")


def host_map(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run the command, in this process, with one worker unless it says so: each takes a second to start."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        more = ["--workers", "1"] if "--in" in words and "--workers" not in words else []
        code = main(["map", *map(str, words), *more])
    return subprocess.CompletedProcess(words, code, b"", told.getvalue().encode())


@pytest.fixture
def traps(tmp_path: Path) -> Path:
    """Return the file of TRAPS."""
    path = tmp_path / "guest.wasm"
    path.write_bytes(TRAPS)
    return path


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Return the file of SLOW."""
    path = tmp_path / "guest.wasm"
    path.write_bytes(SLOW)
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Return a folder of ten rows in two files, the second of three row groups."""
    folder = tmp_path / "in"
    folder.mkdir()
    pq.write_table(table(0, 4), folder / "a.parquet")
    pq.write_table(table(4, 6), folder / "b.parquet", row_group_size=2)
    return folder


def fails(done: subprocess.CompletedProcess[bytes], code: int, *told: str) -> None:
    """The command ended with `code` and said all of `told` as errors."""
    stderr = done.stderr.decode()
    assert done.returncode == code, stderr
    assert all(line.startswith("error: ") for line in stderr.splitlines()), stderr
    assert all(text in stderr for text in told), stderr


# Formats.


def test_rows_of_parquet_have_their_answers_in_order(traps: Path, rows: Path, tmp_path: Path) -> None:
    """What was the record is gone; all else is there, in files of the same names."""
    done = host_map(traps, "--in", rows, "--out", tmp_path / "out", "--column", "x")
    assert (done.returncode, done.stderr) == (0, b"")
    assert shards(tmp_path / "out") == ["a.parquet", "b.parquet"]
    assert answered(tmp_path / "out") == [
        {"id": number, "output": b"row %d" % number, "error": None} for number in range(10)
    ]


def test_file_of_several_row_groups_is_several_shards(traps: Path, rows: Path, tmp_path: Path) -> None:
    done = host_map(traps, "--in", rows, "--out", tmp_path / "out", "--column", "x", "--shard-rows", "3")
    assert done.returncode == 0
    assert shards(tmp_path / "out") == ["a.parquet", "b.000000-000002.parquet", "b.000002-000003.parquet"]
    assert [row["id"] for row in answered(tmp_path / "out")] == list(range(10))


def test_bad_line_of_json_costs_itself(traps: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    bad = ["{", "7", '{"y": 1}', '{"x": null}', '{"x": "a", "output": 1}', "[" * 99_999, '{"x": "!"}']
    source.write_text("\n".join(['{"x": "ä", "id": 1}', *bad, '{"x": [1, 2], "id": 2}']), encoding="utf-8")
    done = host_map(traps, "--in", source, "--out", tmp_path / "out", "--column", "x")
    fails(done, 3, "7 of 9 records have no answer")
    first, *found, last = lines(tmp_path / "out" / "in.jsonl")
    assert (first, last) == ({"id": 1, "output": "ä"}, {"id": 2, "output": "[1, 2]"})
    told = "not JSON", "no object", "member `x`", "null", "of its own", "not JSON", "unreachable"
    assert all(text in line["error"] for text, line in zip(told, found, strict=True))


def test_line_is_the_record_when_no_member_is_asked_for(traps: Path, tmp_path: Path) -> None:
    (tmp_path / "in.ndjson").write_bytes(b'{"x": 1}\n\xff')
    assert host_map(traps, "--in", tmp_path / "in.ndjson", "--out", tmp_path / "out").returncode == 0
    assert lines(tmp_path / "out" / "in.ndjson") == [
        {"input": "in.ndjson:1", "output": '{"x": 1}'},
        {"input": "in.ndjson:2", "output_base64": base64.b64encode(b"\xff").decode()},
    ]


def test_files_of_a_folder_are_records(traps: Path, tmp_path: Path) -> None:
    """Not those that are hidden, or begin with `_`."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b", ".hidden", "_SUCCESS"):
        (folder / name).write_text(f"in {name}")
    (folder / "c").symlink_to("nowhere")
    done = host_map(traps, "--in", folder, "--out", tmp_path / "out", "--shard-rows", "1")
    assert done.returncode == 0
    found = [line for name in shards(tmp_path / "out") for line in lines(tmp_path / "out" / name)]
    assert found == [{"input": name, "output": f"in {name}"} for name in ("a.png", "deep/b")]


# Many records in a call.


def test_many_rows_in_a_call_come_to_the_same(tmp_path: Path) -> None:
    """With a real model, and a last call that has fewer."""
    guest = batches.rows_guest(tmp_path)
    net = batches.model(tmp_path, models.double([-1, 2]))
    numbers = pa.array([[float(at), -1.0] for at in range(100)], pa.list_(pa.float32(), 2))
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"x": numbers}), tmp_path / "in" / "a.parquet")
    for per_call in ("2", "33"):
        out = tmp_path / per_call
        words = ("--in", tmp_path / "in", "--out", out, "--graph", f"net={net}", "--rows-per-call", per_call)
        assert host_map(guest, *words).returncode == 0
        assert [struct.unpack("<2f", row["output"]) for row in answered(out)] == [
            (2.0 * at, -2.0) for at in range(100)
        ]


@pytest.mark.parametrize("records", [[b"a"], [b"", b"bc", b""], [bytes([at]) * at for at in range(99)]])
def test_frame_holds_the_records(records: list[bytes]) -> None:
    assert framing.unpack(framing.pack(records), len(records)) == records


WORD = b"\x01\0\0\0"
HOSTILE = {
    "nothing": b"",
    "less than a number": b"\x02\0\0",
    "fewer answers": WORD + WORD + b"a",
    "more answers": b"\x03\0\0\0" + 3 * WORD + b"abc",
    "very many answers": b"\xff" * 64,
    "no lengths": b"\x02\0\0\0",
    "one length": b"\x02\0\0\0" + WORD,
    "bytes too few": b"\x02\0\0\0" + 2 * WORD + b"a",
    "bytes too many": b"\x02\0\0\0" + 2 * WORD + b"abc",
    "lengths beyond all": b"\x02\0\0\0" + b"\xff" * 8 + b"ab",
    "lengths that wrap around": b"\x02\0\0\0" + b"\xff\xff\xff\xff" + b"\x03\0\0\0" + b"ab",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_answer_that_is_no_frame_is_refused(name: str) -> None:
    with pytest.raises(framing.FramingError):
        framing.unpack(HOSTILE[name], 2)


def test_answers_that_are_no_frame_cost_the_rows() -> None:
    udf = host.GuestUDF(COUNTS, columns=["x"], rows_per_call=4)
    found = udf(table(0, 6)).to_pylist()
    assert all("not even their number" in row["error"] and row["output"] is None for row in found)


def test_trap_costs_its_own_row_of_a_call() -> None:
    """The guest sees a frame, in which the record begins behind two numbers; alone it traps again."""
    bad = "(i32.eq (i32.load8_u offset=8 (local.get $ptr)) (i32.const 33))"
    more = "(i32.gt_u (i32.load (local.get $ptr)) (i32.const 1)) (if (then (unreachable)))"
    guest = reactor(f"{more} (if (result i32) {bad} (then (unreachable)) (else {ECHO}))")
    found = host.GuestUDF(guest, rows_per_call=3)(pa.table({"x": ["a", "!", "b", "c", None]})).to_pylist()
    assert [row["output"] for row in found] == [b"a", None, b"b", b"c", None]
    assert ["unreachable" in (row["error"] or "") for row in found] == [False, True, False, False, False]


# What goes wrong with records.


@pytest.mark.parametrize(
    "body", [f"{SPIN} (i32.const 0)", f"{wait(60)} (i32.const 0)"], ids=["spin", "sleep"]
)
def test_guest_that_hangs_costs_its_row(tmp_path: Path, body: str) -> None:
    """Also in a call of WASI, which nothing interrupts."""
    (tmp_path / "guest.wasm").write_bytes(reactor(when("!", body, ECHO)))
    pq.write_table(pa.table({"x": ["a", "!", "b"]}), tmp_path / "in.parquet")
    words = ("--in", tmp_path / "in.parquet", "--out", tmp_path / "out", "--record-timeout", "0.2")
    fails(host_map(tmp_path / "guest.wasm", *words), 3, "1 of 3 records")
    found = answered(tmp_path / "out")
    assert [row["output"] for row in found] == [b"a", None, b"b"]
    assert "0.2 s" in found[1]["error"]


def test_process_that_lost_its_threads_answers_the_next_shard(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is not ended, as on Ray; it says that it should be."""
    monkeypatch.setattr("host.lanes.LOST_MOST", 1)
    monkeypatch.setattr("host.lanes.GRACE", 0.1)
    pq.write_table(pa.table({"id": [1, 2, 3, 4], "x": [b"a", b"!", b"!", b"b"]}), rows / "a.parquet")
    guest = reactor(when("!", f"{wait(60)} (i32.const 0)", ECHO))
    work = work_of(guest, rows, tmp_path / "out", timeout=0.1)
    lost = unit.run(work, Shard("a.parquet", ("a.parquet",)))
    assert (lost.problem or "").startswith("StuckError"), lost
    assert lost.is_spoilt
    assert unit.run(work, Shard("b.parquet", ("b.parquet",))) == Outcome("b.parquet", 6)


def work_of(guest: bytes, source: Path, out: Path, timeout: float | None = None, **more: object) -> Work:
    """Return what there is to do with shards of Parquet."""
    parcel = packed(host.Host().worker(guest, timeout=timeout), has_models=False)
    found = Work(parcel, source, out, "parquet", ("x",), per_call=1, is_strict=False)
    return replace(found, **more)  # type: ignore[arg-type]  # fields of it


def test_records_of_a_call_are_not_all_in_memory_where_they_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.batch.work.CALL_BYTES", 10)
    (tmp_path / "in.jsonl").write_text("123456\n" * 3 + "1\n" * 9)
    work = work_of(COUNTS, tmp_path, tmp_path / "out", format="jsonl", columns=(), per_call=4)
    asked: list[int] = []

    def outputs(_call: object, records: list[bytes], _per_call: int) -> list[bytes]:
        asked.append(len(records))
        return records

    monkeypatch.setattr("host.batch.work.outputs", outputs)
    assert unit.run(work, Shard("in.jsonl", ("in.jsonl",))).records == 12
    assert asked == [2, 4, 4, 2]


def test_error_costs_its_shard_where_asked_for(traps: Path, rows: Path, tmp_path: Path) -> None:
    """And is tried again by the same command."""
    pq.write_table(pa.table({"id": [1, 2], "x": [b"a", b"!"]}), rows / "a.parquet")
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x", "--on-error", "shard")
    for _ in range(2):
        fails(host_map(*words), 3, "shard `a.parquet`: record 2: ", "unreachable", "1 of 2 shards failed")
        assert shards(tmp_path / "out") == ["b.parquet"]


def test_file_that_is_no_parquet_costs_its_shard(traps: Path, rows: Path, tmp_path: Path) -> None:
    (rows / "a.parquet").write_bytes(b"PAR1 no PAR1")
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x")
    fails(host_map(*words), 3, "shard `a.parquet`", "1 of 2 shards")
    pq.write_table(table(0, 4), rows / "a.parquet")
    assert host_map(*words).returncode == 0
    assert [row["id"] for row in answered(tmp_path / "out")] == list(range(10))


def test_guest_that_cannot_be_linked_ends_the_run(rows: Path, tmp_path: Path) -> None:
    guest = tmp_path / "guest.wat"
    guest.write_text('(module (import "env" "f" (func)) (func (export "_start")))')
    fails(host_map(guest, "--in", rows, "--out", tmp_path / "out", "--column", "x"), 2, "`env`.`f`")


# What dies.


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


# Going on.


def test_finished_shards_are_not_done_again(rows: Path, tmp_path: Path) -> None:
    """But one that is torn is, and one whose input is newer, and one of a new file."""
    (tmp_path / "guest.wasm").write_bytes(TRAPS)
    out = tmp_path / "out"
    shutil.copy(rows / "a.parquet", rows / "c.parquet")
    words = (tmp_path / "guest.wasm", "--in", rows, "--out", out, "--column", "x")
    assert host_map(*words).returncode == 0
    before = {name: (out / name).stat().st_ino for name in shards(out)}
    (out / "a.parquet").write_bytes((out / "a.parquet").read_bytes()[:-9])
    os.utime(rows / "b.parquet")
    shutil.copy(rows / "b.parquet", rows / "d.parquet")
    assert host_map(*words).returncode == 0
    after = {name: (out / name).stat().st_ino for name in shards(out)}
    assert {name for name in after if after[name] != before.get(name)} == {
        "a.parquet", "b.parquet", "d.parquet"
    }  # fmt: skip


def test_shard_is_done_again_whose_input_became_another_of_an_earlier_time(
    traps: Path, rows: Path, tmp_path: Path
) -> None:
    """As a copy has that keeps its times."""
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x")
    pq.write_table(table(100, 4), tmp_path / "older.parquet")
    os.utime(tmp_path / "older.parquet", (1, 1))
    assert host_map(*words).returncode == 0
    (tmp_path / "older.parquet").replace(rows / "a.parquet")
    assert host_map(*words).returncode == 0
    assert [row["id"] for row in answered(tmp_path / "out")] == [100, 101, 102, 103, 4, 5, 6, 7, 8, 9]


def test_shard_is_done_again_whose_input_changed_meanwhile(slow: Path, tmp_path: Path) -> None:
    """The first of its rows may have been read before, and the last after."""
    out, source = tmp_path / "out", tmp_path / "in.parquet"
    pq.write_table(table(0, 4000), source, row_group_size=100)
    words = (slow, "--in", source, "--out", out, "--column", "x")
    with batches.start_map(*words) as run:
        batches.until(lambda: list(out.glob(".*.tmp")))
        os.utime(source)
        assert run.wait(60) == 0
    before = (out / source.name).stat().st_ino
    assert host_map(*words).returncode == 0
    assert (out / source.name).stat().st_ino != before


def test_errors_of_finished_shards_count_again(traps: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": ["a", "!"]}), tmp_path / "in.parquet")
    (tmp_path / "in.jsonl").write_text("a\n!\n")
    for name in ("in.parquet", "in.jsonl"):
        for _ in range(2):
            words = (traps, "--in", tmp_path / name, "--out", tmp_path / f"{name}.out")
            fails(host_map(*words), 3, "1 of 2 records")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--env", "A=b"], "environment"),
        (["--rows-per-call", "2"], "rows_per_call"),
        (["--record-timeout", "9"], "bounds"),
        (["--max-output", "1K"], "max_output"),
        (["--on-error", "shard"], "on_error"),
    ],
)
def test_folder_of_another_job_is_refused(
    traps: Path, rows: Path, tmp_path: Path, change: list[str], told: str
) -> None:
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x")
    assert host_map(*words).returncode == 0
    fails(host_map(*words, *change), 2, "another job", told)


def test_folder_of_another_guest_is_refused(traps: Path, rows: Path, tmp_path: Path) -> None:
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x")
    assert host_map(*words).returncode == 0
    traps.write_bytes(SLOW)
    fails(host_map(*words), 2, "another job", "guest")


def test_folder_of_other_inputs_is_refused(traps: Path, rows: Path, tmp_path: Path) -> None:
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x")
    assert host_map(*words).returncode == 0
    (rows / "a.parquet").unlink()
    fails(host_map(*words), 2, "a.parquet", "not there now")


def test_folder_with_something_else_in_it_is_refused(traps: Path, rows: Path, tmp_path: Path) -> None:
    fails(host_map(traps, "--in", rows, "--out", tmp_path, "--column", "x"), 2, "is not empty")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["guest.wasm", "in"]


def test_output_inside_of_the_input_is_refused(traps: Path, rows: Path) -> None:
    """The next run would take it for input."""
    for out in (rows / "out", rows / ".." / rows.name / "a" / "b"):
        fails(host_map(traps, "--in", rows, "--out", out, "--column", "x"), 2, "inside of `--in`")
    assert sorted(path.name for path in rows.iterdir()) == ["a.parquet", "b.parquet"]


def test_two_inputs_whose_outputs_would_have_one_name_are_refused(
    traps: Path, rows: Path, tmp_path: Path
) -> None:
    shutil.copy(rows / "a.parquet", rows / "b.000000-000002.parquet")
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x", "--shard-rows", "3")
    fails(host_map(*words), 2, "`b.000000-000002.parquet`", "rename")


def test_folder_that_cannot_be_locked_is_told(
    traps: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in it is locked, and not the folder: NFS locks only what is open for writing."""

    def flock(file: BinaryIO, _: int) -> None:
        assert file.writable()
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x")
    fails(host_map(*words), 2, "cannot be written: No locks available")


def test_job_file_does_not_have_the_values_of_variables(traps: Path, rows: Path, tmp_path: Path) -> None:
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x", "--env", "TOKEN=s3cr3t")
    assert host_map(*words).returncode == 0
    told = (tmp_path / "out" / "_job.json").read_text()
    assert "TOKEN" in told
    assert "s3cr3t" not in told
    fails(host_map(*words[:-1], "TOKEN=another"), 2, "another job", "environment")


def test_two_runs_do_not_write_to_one_folder(slow: Path, tmp_path: Path) -> None:
    words = (slow, "--in", batches.ten_thousand(tmp_path / "in"), "--out", tmp_path / "out", "--column", "x")
    with batches.start_map(*words) as run:
        batches.until(lambda: shards(tmp_path / "out"))
        fails(host_map(*words), 2, "by another run")
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=30)


# Bad usage.


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--in", "D"], "`--out`"),
        (["--in", "D", "--out", "O", "--inputs", "x"], "not allowed with"),
        (["--in", "D", "--out", "O", "--jobs", "2"], "`--workers`"),
        (["--in", "D", "--out", "O", "-o", "x"], "`--out`"),
        (["--in", "D", "--out", "O", "--resume"], "goes on by itself"),
        (["--in", "D", "--out", "O", "--timeout", "1"], "`--record-timeout`"),
        (["--lines", "-", "--out", "O"], "`--in`"),
        (["--lines", "-", "--rows-per-call", "2"], "`--in`"),
        (["--lines", "-", "--retries", "0"], "`--in`"),
        (["--in", "D", "--out", "O", "--address", "x"], "`--engine ray`"),
        (["--in", "D", "--out", "O", "--engine", "spark"], "spark"),
        (["--in", "D", "--out", "O", "--rows-per-call", "0"], "`0`"),
        (["--in", "D", "--out", "O", "--workers", "1025"], "1024"),
        (["--in", "D", "--out", "O", "--retries", "-1"], "retries"),
        (["--in", "/nowhere", "--out", "O"], "`/nowhere`"),
        (["--in", "D", "--out", "O"], "say which is the record"),
        (["--in", "D", "--out", "O", "--column", "y"], "`y`"),
        (["--in", "D", "--out", "O", "--column", "x", "--column", "id"], "of several columns"),
        (["--in", "D", "--out", "O", "--format", "jsonl"], "no file"),
        (["--in", "D", "--out", "O", "--format", "files", "--column", "x"], "no columns"),
        (["--in", "D", "--out", "/dev/null/O", "--column", "x"], "cannot be written"),
    ],
)
def test_bad_usage_is_told_in_one_line(
    traps: Path, rows: Path, tmp_path: Path, words: list[str], told: str
) -> None:
    where = {"D": str(rows), "O": str(tmp_path / "out")}
    done = host_map(traps, *(where.get(word, word) for word in words))
    fails(done, 2, told)
    assert done.stderr.count(b"\n") == 1
    assert not (tmp_path / "out").exists()


def test_folder_of_several_kinds_is_refused(traps: Path, rows: Path, tmp_path: Path) -> None:
    (rows / "c.jsonl").write_text("{}")
    fails(host_map(traps, "--in", rows, "--out", tmp_path / "out"), 2, "`--format`")


@pytest.mark.parametrize(("missing", "extra"), [("pyarrow", "batch"), ("ray", "ray")])
def test_missing_package_is_told_with_its_extra(
    traps: Path, rows: Path, tmp_path: Path, missing: str, extra: str
) -> None:
    words = ["map", str(traps), "--in", str(rows), "--out", str(tmp_path / "out"), "--column", "x"]
    words += ["--engine", "ray" if missing == "ray" else "local"]
    code = (
        f"import sys; sys.modules[{missing!r}] = None; from host.cli import main; sys.exit(main({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, cwd=ROOT)
    fails(done, 2, f"`{missing}` is not installed", f"wasinn-sdk[{extra}]")


def test_help_and_bad_usage_load_none_of_the_extras() -> None:
    code = "import sys, host.cli as c; c.main(['map', '--help']); c.main(['map', 'g', '--in', 'x'])\n"
    code += "print([m for m in ('pyarrow', 'ray', 'wasmtime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.endswith("\n[]\n")


def test_lines_and_files_need_none_of_the_extras(traps: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("a\nb\n")
    words = ["map", str(traps), "--in", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out")]
    code = "import sys; sys.modules['pyarrow'] = sys.modules['ray'] = None\n"
    code += f"from host.cli import main; sys.exit(main({words!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert [line["output"] for line in lines(tmp_path / "out" / "in.jsonl")] == ["a", "b"]


# GuestUDF.


def test_udf_arrives_elsewhere_with_its_model(tmp_path: Path) -> None:
    """The files are gone when another process makes a worker of it."""
    guest, net = batches.rows_guest(tmp_path), batches.model(tmp_path, models.double([-1, 2]))
    udf = host.GuestUDF(guest, {"net": net}, columns=["x", "y"], rows_per_call=8)
    sent = tmp_path / "sent"
    sent.write_bytes(pickle.dumps(udf))
    for path in (guest, net, net.with_suffix(".bin")):
        path.unlink()
    code = (
        "import sys, pickle, pyarrow as pa; f = pickle.load(open(sys.argv[1], 'rb'));"
        "x = pa.array([1.5, 2.0], pa.float32());"
        "print(f(pa.table({'y': x, 'id': [7, 8], 'x': x})).to_pylist())"
    )
    words = [sys.executable, "-c", code, str(sent)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    outputs = [struct.pack("<2f", 3.0, 3.0), struct.pack("<2f", 4.0, 4.0)]
    rows = [{"id": 7 + at, "output": output, "error": None} for at, output in enumerate(outputs)]
    assert done.stdout == f"{rows}\n"


def test_no_process_of_a_run_loads_pandas(traps: Path, tmp_path: Path) -> None:
    """Where it is installed `pyarrow.array` does, which takes longer than all else at the start."""
    batches.package("pandas")
    pq.write_table(pa.table({"x": ["a", "!", None], "id": [1, 2, 3]}), tmp_path / "in.parquet")
    code = (
        "import sys, host, pyarrow.parquet as pq;"
        "found = host.GuestUDF(sys.argv[1], columns=['x'])(pq.ParquetFile(sys.argv[2]).read());"
        "print(found.num_rows, found['output'].null_count, 'pandas' in sys.modules)"
    )
    words = [sys.executable, "-c", code, str(traps), str(tmp_path / "in.parquet")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "3 2 False\n"


@pytest.mark.parametrize(
    ("column", "records"),
    [
        (["a", None, ""], [b"a", None, b""]),
        ([b"\0", b"\xff"], [b"\0", b"\xff"]),
        (pa.array([1, None, -1], pa.int16()), [b"\1\0", None, b"\xff\xff"]),
        ([True, None, False], [b"\1", None, b"\0"]),
        (pa.array([[1, 2], None, [], [3, None]], pa.list_(pa.uint8())), [b"\1\2", None, b"", None]),
        (pa.array([[1, 2], None, [3, None], [4, 5]], pa.list_(pa.int8(), 2)), [b"\1\2", None, None, b"\4\5"]),
        (pa.array([[1], [2, 3], [4]], pa.large_list(pa.uint8())).slice(1), [b"\2\3", b"\4"]),
        (pa.array([[1], [2], [4]], pa.list_(pa.uint8(), 1)).slice(1, 1), [b"\2"]),
        (pa.chunked_array([["a"], ["b", "c"]]).slice(1), [b"b", b"c"]),
        (pa.array([b"ab", b"cd"], pa.binary(2)), [b"ab", b"cd"]),
        (pa.array([], pa.string()), []),
    ],
)
def test_record_is_the_bytes_of_its_column(column: object, records: list[bytes | None]) -> None:
    found = host.GuestUDF(TRAPS)(pa.table({"x": column})).to_pylist()
    assert [row["output"] for row in found] == records
    assert [row["error"] is None for row in found] == [record is not None for record in records]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        ([], {"x": [1], "y": [2]}),
        (["z"], {"x": [1]}),
        (["x"], {"x": [{"a": 1}]}),
        (["x"], {"x": [[["a"]]]}),
        (["x"], {"x": [["a"]]}),
        (["x", "y"], {"x": [1], "y": ["a"]}),
        (["x"], {"x": [1], "error": [2]}),
        (["x"], {"x": [1], "output": [2]}),
    ],
)
def test_columns_that_are_no_record_are_refused(names: list[str], columns: dict[str, object]) -> None:
    with pytest.raises(ColumnsError):
        host.GuestUDF(TRAPS, columns=names)(pa.table(columns))


def test_udf_checks_what_it_is_given() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        host.GuestUDF(TRAPS, rows_per_call=0)
    with pytest.raises(TypeError, match=r"\['x'\]"):
        host.GuestUDF(TRAPS, columns="x")
    with pytest.raises(host.BadGuestError):
        host.GuestUDF(b"none")


def test_model_of_a_udf_runs_on_one_thread_unless_told(tmp_path: Path) -> None:
    """As many processes as processors run it."""
    net = batches.model(tmp_path, models.double([2]))
    for graphs, threads in (
        (host.Graphs().add("net", net), 1),
        (host.Graphs().add("net", net, threads=2), 2),
    ):
        udf = host.GuestUDF(TRAPS, graphs)
        worker = pickle.loads(udf._parcel.worker)  # noqa: S301, SLF001 - what is sent, as it arrives
        assert worker.job.registry.models["net"].options.threads == threads


def test_job_file_says_what_made_the_folder(traps: Path, rows: Path, tmp_path: Path) -> None:
    assert host_map(traps, "--in", rows, "--out", tmp_path / "out", "--column", "x").returncode == 0
    told = json.loads((tmp_path / "out" / "_job.json").read_text())
    assert told["columns"] == ["x"]
    assert len(told["guest"]) == 64
