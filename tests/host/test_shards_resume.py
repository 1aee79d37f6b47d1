"""`host map --in --out` again: the same command goes on, and no other job gets into its folder."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from typing import TYPE_CHECKING, BinaryIO

import pytest

from host.batch import plan
from tests.host import batches
from tests.host.batches import SLOW, TRAPS, answered, shards, table
from tests.host.shard_runs import fails, host_map

if TYPE_CHECKING:
    from pathlib import Path

pa = batches.package("pyarrow")
pq = batches.package("pyarrow.parquet")


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


def test_shards_of_an_input_that_others_took_the_place_of_are_done_again(traps: Path, tmp_path: Path) -> None:
    """Whole folders moved: no file of them changed, the names are the same, and the output is newer."""
    for at, name in enumerate(("in", "other")):
        (tmp_path / name).mkdir()
        pq.write_table(table(1000 * at, 3), tmp_path / name / "part-0.parquet")
    out = tmp_path / "out"
    words = (traps, "--in", tmp_path / "in", "--out", out, "--column", "x")
    assert host_map(*words).returncode == 0
    os.utime(out / "part-0.parquet", (1 << 32, 1 << 32))
    (tmp_path / "in").rename(tmp_path / "was")
    (tmp_path / "other").rename(tmp_path / "in")
    assert host_map(*words).returncode == 0
    assert [row["id"] for row in answered(out)] == [1000, 1001, 1002]


def test_names_as_long_as_can_be_have_their_output(traps: Path, rows: Path, tmp_path: Path) -> None:
    """And a folder that is called like a temporary file harms nothing."""
    (rows / "a.parquet").rename(rows / f"{'a' * 240}.parquet")
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x")
    assert host_map(*words).returncode == 0
    assert len(answered(tmp_path / "out")) == 10
    (tmp_path / "out/.d.tmp").mkdir()
    assert host_map(*words).returncode == 0


def test_job_file_is_not_written_through_a_link(traps: Path, rows: Path, tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir()
    (victim := tmp_path / "victim").write_text("mine")
    (out / f"{plan.JOB_FILE}.new").symlink_to(victim)
    assert host_map(traps, "--in", rows, "--out", out, "--column", "x").returncode == 0
    assert victim.read_text() == "mine"


def test_same_names_in_another_folder_are_another_job(traps: Path, rows: Path, tmp_path: Path) -> None:
    words = ("--out", tmp_path / "out", "--column", "x")
    assert host_map(traps, "--in", rows, *words).returncode == 0
    shutil.copytree(rows, tmp_path / "copy")
    fails(host_map(traps, "--in", tmp_path / "copy", *words), 2, "another job", "source")


def test_links_that_lead_nowhere_cost_their_shard_and_those_to_folders_the_run(
    traps: Path, rows: Path, tmp_path: Path
) -> None:
    """Neither is left out without a word."""
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x")
    (rows / "nowhere.parquet").symlink_to(tmp_path / "nothing")
    fails(host_map(*words), 3, "shard `nowhere.parquet`: cannot be read")
    assert len(answered(tmp_path / "out")) == 10
    (tmp_path / "more").mkdir()
    (rows / "more").symlink_to(tmp_path / "more")
    fails(host_map(*words), 2, f"`{rows / 'more'}` is a link to a folder")


def test_folder_of_the_input_that_cannot_be_read_ends_the_run(
    rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rows / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:  # root may read all
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(plan.PlanError, match="closed` cannot be read: Permission denied"):
        plan.planned(rows, None, ["x"], None)


def test_input_whose_name_is_no_text_costs_its_shard(traps: Path, rows: Path, tmp_path: Path) -> None:
    shutil.copy(rows / "a.parquet", rows / os.fsdecode(b"\xff.parquet"))
    words = (traps, "--in", rows, "--out", tmp_path / "out", "--column", "x")
    fails(host_map(*words), 3, "1 of 3 shards failed")
    assert len(answered(tmp_path / "out")) == 10


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
    """The next run would take it for input, or it would take the place of that."""
    for out in (rows / "out", rows / ".." / rows.name / "a" / "b"):
        fails(host_map(traps, "--in", rows, "--out", out, "--column", "x"), 2, "inside of `--in`")
    (rows / plan.JOB_FILE).write_text("{}")
    for source in (rows, rows / "a.parquet"):
        fails(host_map(traps, "--in", source, "--out", rows, "--column", "x"), 2, "is where `--in` is")
    assert sorted(path.name for path in rows.iterdir()) == ["_job.json", "a.parquet", "b.parquet"]


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


def test_job_file_says_what_made_the_folder(traps: Path, rows: Path, tmp_path: Path) -> None:
    assert host_map(traps, "--in", rows, "--out", tmp_path / "out", "--column", "x").returncode == 0
    told = json.loads((tmp_path / "out" / "_job.json").read_text())
    assert told["columns"] == ["x"]
    assert len(told["guest"]) == 64
