"""`host map --in --out`: every row has its answer, in every format, and what goes wrong costs its own row."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

import host
from host.batch import framing
from host.batch import work as unit
from host.batch.parcel import packed
from host.batch.plan import Shard
from host.batch.work import Outcome, Work
from tests.host import batches, models
from tests.host.batches import COUNTS, answered, lines, shards, table
from tests.host.reactors import ECHO, reactor, when
from tests.host.shard_runs import fails, host_map
from tests.host.wasi import SPIN, wait

pa = batches.package("pyarrow")
pq = batches.package("pyarrow.parquet")


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


def test_file_that_does_not_know_its_size_is_read_to_its_end(traps: Path, tmp_path: Path) -> None:
    source = Path("/proc/self/limits")
    assert source.stat().st_size == 0
    assert host_map(traps, "--in", source, "--out", tmp_path / "out", "--format", "files").returncode == 0
    (answer,) = map(json.loads, (tmp_path / "out/files-000000.jsonl").read_text().splitlines())
    assert answer["output"].startswith("Limit")
    assert answer["output"].count("\n") > 9


def test_files_of_a_folder_are_records(traps: Path, tmp_path: Path) -> None:
    """Not those that are hidden, or begin with `_`."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b", ".hidden", "_SUCCESS"):
        (folder / name).write_text(f"in {name}")
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
