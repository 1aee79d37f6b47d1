"""`python -m host map`: a line for each record, in order, whatever happens; what was ended can go on."""

from __future__ import annotations

import base64
import errno
import fcntl
import io
import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import host
from host import lanes as lanes_module
from host import processors
from host.api import Host
from host.cli import main
from host.commands import records
from host.job import Job, Listener, Stdio
from host.lanes import Answer, Lanes, Record, StuckError
from tests.host import wasi
from tests.host.reactors import COUNTED, ECHO, reactor, when
from tests.host.wasi import ROOT, command, wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


MAP = [sys.executable, "-m", "host", "map"]
GUEST = reactor(
    when("!", "(unreachable)", when("?", "(call $answer (i32.const 5) (i32.const 0) (i32.const 0))", ECHO))
)
"""Echoes; traps at `!`, and has no answer to `?`."""


def host_map(*words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command; no outcome of it may be a traceback."""
    done = subprocess.run(
        [*MAP, "--no-cache", *words], input=stdin, capture_output=True, check=False, timeout=60, cwd=ROOT
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """Return the file of GUEST."""
    path = tmp_path / "guest.wasm"
    path.write_bytes(GUEST)
    return path


@pytest.fixture
def net(tmp_path: Path, pair: tuple[bytes, bytes]) -> Path:
    """Return the file of a model."""
    path = tmp_path / "net.xml"
    path.write_bytes(pair[0])
    path.with_suffix(".bin").write_bytes(pair[1])
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> str:
    """Return the pattern of ten records, the third of which fails."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.txt").write_text("!" if number == 2 else f"record {number}")
    return f"{folder}/*.txt"


def fails(done: subprocess.CompletedProcess[bytes], code: int, *told: str) -> None:
    """The command ended with `code` and one line that has all of `told`."""
    stderr = done.stderr.decode()
    assert (done.returncode, stderr.count("\n")) == (code, 1), stderr
    assert stderr.startswith("error: ")
    assert all(text in stderr for text in told), stderr


# The lines.


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_lines_come_in_the_order_of_the_names(guest: Path, inputs: str, jobs: str) -> None:
    done = host_map(guest, "--inputs", inputs, "--jobs", jobs)
    fails(done, 3, "1 of 10 records")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    folder = inputs.removesuffix("/*.txt")
    assert [line["input"] for line in found] == [f"{folder}/{number}.txt" for number in range(10)]
    assert [line.get("output") for line in found] == [
        None if number == 2 else f"record {number}" for number in range(10)
    ]
    assert "unreachable" in found[2]["error"]


def test_all_answered_is_success_and_silence(guest: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    done = host_map(guest, "--inputs", tmp_path / "a", "--inputs", f"{tmp_path}/[a]")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {"input": str(tmp_path / "a"), "output": "x"}


def test_answer_that_is_no_text_is_in_base64(guest: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)))
    (line,) = host_map(guest, "--inputs", tmp_path / "a").stdout.splitlines()
    assert base64.b64decode(json.loads(line)["output_base64"]) == bytes(range(256))


def test_line_is_ascii_whatever_the_guest_says(guest: Path, tmp_path: Path) -> None:
    """No control character of a guest reaches a terminal."""
    text = "\x1b[2Jä\u2028\x9b"
    (tmp_path / "a").write_text(text, encoding="utf-8")
    done = host_map(guest, "--inputs", tmp_path / "a")
    assert done.stdout.isascii()
    assert b"\x1b" not in done.stdout
    assert json.loads(done.stdout)["output"] == text


def test_each_line_of_a_file_is_a_record(guest: Path, tmp_path: Path) -> None:
    """Empty ones and the one without an end are."""
    path = tmp_path / "rows"
    path.write_bytes(b"one\n\ntwo\r\n?\nlast")
    for name, stdin in ((str(path), b""), ("-", path.read_bytes())):
        done = host_map(guest, "--lines", name, stdin=stdin)
        fails(done, 3, "1 of 5 records")
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line["input"] for line in found] == [f"{name}:{number}" for number in range(1, 6)]
        assert [line.get("output") for line in found] == ["one", "", "two\r", None, "last"]
        assert found[3]["error"] == "the guest gave no reason (code 5)"


def test_arguments_and_variables_reach_a_command(tmp_path: Path) -> None:
    (tmp_path / "echo.wat").write_text(wasi.ECHO)
    words = (tmp_path / "echo.wat", "--lines", "-", "--env", "K=v", "--", "-x", "y")
    done = host_map(*words, stdin=b"a\n")
    assert json.loads(done.stdout)["output"] == "echo.wat\0-x\0y\0K=v\0"


# Bad usage.


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "required"),
        (["--inputs", "/nowhere/*.png"], "`/nowhere/*.png`"),
        (["--inputs", "x", "--lines", "y"], "not allowed with"),
        (["--lines", "/nowhere"], "`--lines /nowhere`"),
        (["--lines", "-", "--resume"], "`-o`"),
        (["--lines", "-", "--jobs", "0"], "`0`"),
        (["--lines", "-", "--jobs", "-1"], "`-1`"),
        (["--lines", "-", "--jobs", "1025"], "1024"),
        (["--lines", "-", "--jobs", "9999999999"], "1024"),
        (["--lines", "-", "--max-output", "1Q"], "1Q"),
        (["--lines", "-", "--graph", "net=/nowhere.xml"], "/nowhere.xml"),
        (["--lines", "-", "--threads", "none"], "threads"),
        (["--lines", "-", "-o", "/nowhere/out"], "/nowhere/out"),
    ],
)
def test_bad_usage_is_told_in_one_line(guest: Path, words: list[str], told: str) -> None:
    done = host_map(guest, *words)
    fails(done, 2, told)
    assert done.stdout == b""


def test_guest_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "guest.wasm").write_bytes(b"none")
    fails(host_map(tmp_path / "guest.wasm", "--lines", "-"), 2, "is not WebAssembly")


def test_guest_that_cannot_be_linked_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "guest.wat").write_text('(module (import "env" "f" (func)) (func (export "_start")))')
    done = host_map(tmp_path / "guest.wat", "--lines", "-", stdin=b"a\nb\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error: guest")
    assert b"missing: `env`.`f`" in done.stderr


@pytest.mark.parametrize("name", ["inspect", "run"])
def test_other_commands_send_a_guest_for_records_here(guest: Path, name: str) -> None:
    words = [sys.executable, "-m", "host", name, str(guest)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert "python -m host map" in done.stdout + done.stderr
    assert done.returncode == (0 if name == "inspect" else 2)


# The file of results.


def test_resumed_run_makes_the_same_file(guest: Path, inputs: str, tmp_path: Path) -> None:
    """Wherever the file ends: nothing is lost or doubled, and the code is that of all records."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert host_map(guest, "--inputs", inputs, "-o", whole).returncode == 3
    text = whole.read_bytes()
    first = text.index(b"\n") + 1
    for size in (0, 1, first - 1, first, first + 5, len(text) - 1, len(text)):
        torn = b"x" * 9999 if size in {first, len(text)} else b""
        cut.write_bytes(text[:size] + torn)
        (tmp_path / "cut.job").write_bytes((tmp_path / "whole.job").read_bytes())
        fails(host_map(guest, "--inputs", inputs, "-o", cut, "--resume"), 3, "1 of 10 records")
        assert cut.read_bytes() == text


@pytest.mark.parametrize("is_there", [False, True])
def test_resume_begins_where_there_is_nothing(
    guest: Path, inputs: str, tmp_path: Path, *, is_there: bool
) -> None:
    """Neither a file, nor a line in it, nor what made it."""
    if is_there:
        (tmp_path / "out").touch()
    done = host_map(guest, "--inputs", inputs, "-o", tmp_path / "out", "--resume")
    assert (done.returncode, (tmp_path / "out").read_bytes().count(b"\n")) == (3, 10)


def test_records_answered_before_are_not_given_to_the_guest(tmp_path: Path, inputs: str) -> None:
    guest, out = tmp_path / "count.wasm", tmp_path / "out"
    guest.write_bytes(reactor(COUNTED))
    host_map(guest, "--inputs", inputs, "-o", out, "--jobs", "1")
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:8]))
    assert host_map(guest, "--inputs", inputs, "-o", out, "--resume", "--jobs", "1").returncode == 0
    assert [json.loads(line)["output"] for line in out.read_bytes().splitlines()][7:] == ["8", "1", "2"]


def test_file_that_is_there_is_not_written_over(guest: Path, inputs: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    fails(host_map(guest, "--inputs", inputs, "-o", tmp_path / "out"), 2, "exists", "--resume")
    assert (tmp_path / "out").read_text() == "precious"


@pytest.fixture
def begun(guest: Path, inputs: str, tmp_path: Path) -> Path:
    """Return a file with the results of the first five records."""
    out = tmp_path / "out"
    host_map(guest, "--inputs", inputs, "-o", out)
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:5]))
    return out


CHANGES = {
    "another guest": ("guest", []),
    "other arguments": ("arguments", ["--", "x"]),
    "other variables": ("environment", ["--env", "K=v"]),
    "other folders": ("folders", ["--dir", "tests::t::ro"]),
    "another timeout": ("bounds", ["--timeout", "9"]),
    "other caps": ("limits", ["--max-graphs", "1"]),
    "another precision": ("precision", ["--precision", "bf16"]),
    "another dialect": ("abi", ["--abi", "current"]),
    "a model": ("models", ["--graph"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_file_of_another_job_is_not_gone_on_with(
    guest: Path, inputs: str, begun: Path, change: str, pair: tuple[bytes, bytes]
) -> None:
    differs, words = CHANGES[change]
    if change == "another guest":
        guest.write_bytes(reactor())
    if change == "a model":
        (guest.parent / "net.xml").write_bytes(pair[0])
        (guest.parent / "net.bin").write_bytes(pair[1])
        words = [*words, f"net={guest.parent / 'net.xml'}"]
    before = begun.read_bytes()
    fails(host_map(guest, "--inputs", inputs, "-o", begun, "--resume", *words), 2, "another job", differs)
    assert begun.read_bytes() == before


def test_model_that_changed_is_another_job(
    guest: Path, inputs: str, tmp_path: Path, pair: tuple[bytes, bytes]
) -> None:
    """By what is in its files, weights included, not by their names or times."""
    model, out = tmp_path / "net.xml", tmp_path / "other"
    model.write_bytes(pair[0])
    model.with_suffix(".bin").write_bytes(pair[1])
    words = ("--inputs", inputs, "-o", out, "--resume", "--graph", f"net={model}")
    assert host_map(guest, *words).returncode == 3
    os.utime(model, (0, 0))
    assert host_map(guest, *words).returncode == 3
    model.with_suffix(".bin").write_bytes(pair[1] + b"\0")
    fails(host_map(guest, *words), 2, "another job", "models")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"precious\n", "line 6 is no result"),
        (b'{"input": "x", "output": "y"}\n', "line 6 is of `x`"),
        (b"[]\n", "line 6 is no result"),
        (b"\xff\n", "line 6 is no result"),
    ],
)
def test_file_with_other_lines_is_not_gone_on_with(
    guest: Path, inputs: str, begun: Path, line: bytes, told: str
) -> None:
    begun.write_bytes(begun.read_bytes() + line)
    before = begun.read_bytes()
    fails(host_map(guest, "--inputs", inputs, "-o", begun, "--resume"), 2, told)
    assert begun.read_bytes() == before


def test_new_input_among_those_answered_is_told(guest: Path, inputs: str, begun: Path) -> None:
    """At the end it would be welcome."""
    folder = inputs.removesuffix("/*.txt")
    (begun.parent / "in" / "01.txt").write_text("new")
    fails(
        host_map(guest, "--inputs", inputs, "-o", begun, "--resume"), 2, "line 2", f"{folder}/01.txt", "1.txt"
    )


def test_fewer_inputs_than_lines_are_told(guest: Path, inputs: str, begun: Path) -> None:
    words = ("--inputs", inputs.replace("*", "[01]"), "-o", begun, "--resume")
    fails(host_map(guest, *words), 2, "more lines than there are inputs")


@pytest.mark.parametrize("content", [None, "", "[]", "{"])
def test_file_without_what_made_it_is_not_gone_on_with(
    guest: Path, inputs: str, begun: Path, content: str | None
) -> None:
    job = begun.with_name("out.job")
    job.unlink() if content is None else job.write_text(content)
    fails(host_map(guest, "--inputs", inputs, "-o", begun, "--resume"), 2, "out")


def test_file_that_another_run_writes_is_left_alone(guest: Path, inputs: str, begun: Path) -> None:
    with begun.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fails(host_map(guest, "--inputs", inputs, "-o", begun, "--resume"), 2, "by another run")


@pytest.mark.parametrize(("first", "then"), [("1", "3"), ("3", "1")])
def test_another_number_of_workers_goes_on(
    guest: Path, inputs: str, net: Path, first: str, then: str
) -> None:
    """Although the models have another hint then."""
    out = guest.with_name("out")
    words = (guest, "--inputs", inputs, "--graph", f"net={net}", "-o", out)
    host_map(*words, "--jobs", first)
    text = out.read_bytes()
    out.write_bytes(text[:99])
    fails(host_map(*words, "--jobs", then, "--resume"), 3, "1 of 10 records")
    assert out.read_bytes() == text


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (["--hint", "latency"], ["--hint", "throughput"]),
        ([], ["--hint", "latency"]),
        (["--threads", "1"], ["--threads", "2"]),
        ([",hint=latency"], [",hint=throughput"]),
        ([",threads=1"], [",threads=2"]),
        ([], [",threads=1"]),
    ],
)
def test_options_that_were_asked_for_tell_jobs_apart(
    guest: Path, inputs: str, net: Path, first: list[str], then: list[str]
) -> None:
    """Of all models, and of one."""

    def run(options: list[str], *more: str) -> subprocess.CompletedProcess[bytes]:
        of_one = "".join(option for option in options if option.startswith(","))
        of_all = [option for option in options if not option.startswith(",")]
        words = (guest, "--inputs", inputs, "--graph", f"net={net}{of_one}", "-o", guest.with_name("out"))
        return host_map(*words, *of_all, *more)

    assert run(first).returncode == 3
    fails(run(then, "--resume"), 2, "another job", "models")


def test_results_among_the_inputs_are_no_records(guest: Path, tmp_path: Path) -> None:
    """Neither in the first run, which finds what an earlier one left, nor in the next."""
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "out.job").write_text("left")
    (tmp_path / "out.job.new").write_text("left")
    words = (guest, "--inputs", f"{tmp_path}/[ao]*", "-o", tmp_path / "out")
    assert host_map(*words).returncode == 0
    (tmp_path / "also").symlink_to(tmp_path / "out")
    (tmp_path / "b.txt").write_text("b")
    done = host_map(*words, "--inputs", tmp_path / "b.txt", "--resume")
    assert (done.returncode, done.stderr) == (0, b"")
    found = [json.loads(line)["output"] for line in (tmp_path / "out").read_bytes().splitlines()]
    assert found == ["a", "b"]


def test_stdout_among_the_inputs_is_no_record(guest: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    with (tmp_path / "out").open("wb") as out:
        words = [*MAP, "--no-cache", str(guest), "--inputs", f"{tmp_path}/[ao]*"]
        subprocess.run(words, stdout=out, check=True, timeout=60, cwd=ROOT)
    assert (tmp_path / "out").read_bytes().count(b"\n") == 1


def test_nothing_but_results_is_no_input(guest: Path, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    fails(host_map(guest, "--inputs", f"{tmp_path}/o*", "-o", tmp_path / "out", "--resume"), 2, "no file")


# What ends the run.

SPINS = """(global.set $i (i32.const 0))
  (loop $l (global.set $i (i32.add (global.get $i) (i32.const 1)))
    (br_if $l (i32.lt_u (global.get $i) (i32.const 20000000))))"""
SLOW = reactor(SPINS + ECHO, more="(global $i (mut i32) (i32.const 0))")
"""Echoes, after some time."""


def test_too_few_open_files_end_the_run_and_no_record(tmp_path: Path) -> None:
    """It is not the input's fault: with more of them all are answered."""
    guest, rows, out = tmp_path / "guest.wasm", tmp_path / "rows", tmp_path / "out"
    guest.write_bytes(SLOW)
    rows.write_text("row\n" * 60)
    words = [*MAP, str(guest), "--lines", str(rows), "-o", str(out), "--resume", "--jobs", "17"]
    short = subprocess.run(
        ["bash", "-c", 'ulimit -n 40; exec "$@"', "-", *words], capture_output=True, check=False, cwd=ROOT
    )
    fails(short, 1, "the run ends after", "files", "`--resume` goes on")
    assert b"error" not in out.read_bytes()
    assert subprocess.run(words, check=False, cwd=ROOT).returncode == 0
    assert [json.loads(line)["output"] for line in out.read_bytes().splitlines()] == ["row"] * 60


def test_too_many_stuck_threads_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "guest.wasm").write_bytes(command(wait(60)))
    rows = b"row\n" * 60
    words = (tmp_path / "guest.wasm", "--lines", "-", "--jobs", "9", "--timeout", "0.2")
    done = host_map(*words, stdin=rows)
    fails(done, 1, "10 threads are stuck for more than the 0.2 s")
    assert done.stdout.count(b"\n") < 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_run_goes_on_without_loss(tmp_path: Path, number: signal.Signals) -> None:
    guest, rows, out = tmp_path / "slow.wasm", tmp_path / "rows", tmp_path / "out"
    guest.write_bytes(SLOW)
    rows.write_text("".join(f"row {row}\n" for row in range(40)))
    words = [*MAP, str(guest), "--lines", str(rows), "-o", str(out), "--jobs", "2", "--resume"]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as running:
        ends = time.monotonic() + 30
        while (not out.exists() or out.read_bytes().count(b"\n") < 3) and time.monotonic() < ends:
            time.sleep(0.01)
        running.send_signal(number)
        _, stderr = running.communicate(timeout=10)
    text = out.read_bytes()
    assert running.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL), stderr
    assert (b"`--resume` goes on" in stderr) == (number == signal.SIGINT)
    assert 3 <= text.count(b"\n") < 40
    done = subprocess.run(words, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert out.read_bytes().startswith(text[: text.rindex(b"\n") + 1])
    found = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert found == [{"input": f"{rows}:{row + 1}", "output": f"row {row}"} for row in range(40)]


def test_endless_guest_does_not_keep_ctrl_c_away(tmp_path: Path) -> None:
    guest = tmp_path / "endless.wasm"
    guest.write_bytes(reactor(when("!", "(loop $l (br $l)) (i32.const 0)", ECHO)))
    words = [*MAP, str(guest), "--lines", "-", "--jobs", "2"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdin
        assert running.stdout
        running.stdin.write("a\n!\n")
        running.stdin.close()
        assert json.loads(running.stdout.readline())["output"] == "a"
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=10) == 130


def test_answer_does_not_wait_for_the_next_line(guest: Path) -> None:
    """Nor does Ctrl-C."""
    words = [*MAP, str(guest), "--lines", "-", "--jobs", "2"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe) as running:
        assert running.stdin
        assert running.stdout
        for row in (b"a", b"b"):
            running.stdin.write(row + b"\n")
            running.stdin.flush()
            assert select.select([running.stdout], [], [], 20)[0]
            assert json.loads(os.read(running.stdout.fileno(), 999))["output"] == row.decode()
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=10) == 130


@pytest.mark.parametrize("where", ["/dev/full", None])
def test_answers_that_cannot_be_written_end_the_run(guest: Path, where: str | None) -> None:
    """A full disk, and a reader that has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    out = writer if where is None else os.open(where, os.O_WRONLY)
    done = subprocess.run(
        [*MAP, guest, "--lines", "-"], input=b"a\nb\n", stdout=out, stderr=subprocess.PIPE, check=False
    )
    os.close(out)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: the run ends after 0 records: ")


def test_progress_is_shown_on_a_terminal_only(guest: Path, inputs: str) -> None:
    master, slave = pty.openpty()
    words = [*MAP, str(guest), "--inputs", inputs.replace("*", "[0134]")]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=slave, check=False, timeout=60)
    os.close(slave)
    shown = os.read(master, 1 << 16).decode()
    os.close(master)
    assert done.returncode == 0
    assert "4/4" in shown
    assert "/s" in shown
    assert done.stdout.count(b"\n") == 4


@pytest.mark.parametrize(("words", "workers"), [([], 5), (["--jobs", "2"], 2)])
def test_there_is_a_worker_more_than_processors(
    tmp_path: Path, guest: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], workers: int
) -> None:
    """It reads and copies a record while the others infer."""
    made: list[Job] = []
    make = Host.job_worker

    def counted(self: Host, job: Job, *more: Any) -> host.Worker:  # noqa: ANN401 - passed on
        made.append(job)
        return make(self, job, *more)

    monkeypatch.setattr(Host, "job_worker", counted)
    monkeypatch.setattr(processors, "usable", lambda: 4)
    (tmp_path / "row").write_text("row")
    given = ["map", str(guest), "--lines", str(tmp_path / "row"), "-o", str(tmp_path / "out"), *words]
    assert main(given) == 0
    assert len(made) == workers + 1  # the first says what there is to be answered


def test_processors_are_counted_where_nobody_tells_which_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processors.usable() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert processors.usable() == os.cpu_count()


# Lanes.


@pytest.fixture(scope="module")
def shared() -> Host:
    """Return a host."""
    return Host(cache=False)


def _records(contents: Sequence[bytes]) -> Iterator[Record]:
    return (Record(str(number), lambda content=content: content) for number, content in enumerate(contents))  # type: ignore[misc]


def test_answers_come_in_order_from_any_number_of_workers(shared: Host) -> None:
    contents = [str(number).encode() for number in range(500)]
    for jobs in (1, 2, 7):
        lanes = Lanes(lambda: shared.worker(reactor()), jobs)
        assert [answer.output for answer in lanes.answers(_records(contents))] == contents
        lanes.close()


def test_no_more_records_are_read_than_there_is_need_of(shared: Host) -> None:
    """A stream without end is answered as it comes."""
    read = []

    def endless() -> Iterator[Record]:
        while True:
            read.append(1)
            yield Record("r", lambda: b"x")

    lanes = Lanes(lambda: shared.worker(reactor()), 2)
    answers = lanes.answers(endless())
    for _ in range(3):
        next(answers)
    assert len(read) < 20


def test_record_that_cannot_be_read_costs_its_line(shared: Host) -> None:
    def gone() -> bytes:
        raise FileNotFoundError(2, "No such file")

    lanes = Lanes(lambda: shared.worker(reactor()), 1)
    records = [Record("a", gone), Record("b", lambda: b"b")]
    assert list(lanes.answers(records)) == [
        Answer("a", error="cannot be read: No such file"),
        Answer("b", b"b"),
    ]
    lanes.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_the_process_is_short_of_ends_the_run_and_no_record(shared: Host, number: int) -> None:
    def fail() -> bytes:
        raise OSError(number, os.strerror(number))

    lanes = Lanes(lambda: shared.worker(reactor()), 1)
    answers = lanes.answers([Record("a", lambda: b"a"), Record("b", fail)])
    assert next(answers) == Answer("a", b"a")
    with pytest.raises(OSError, match=os.strerror(number)):
        next(answers)
    lanes.close()


def test_streams_that_cannot_be_opened_are_an_os_error(shared: Host) -> None:
    """That ends a run."""
    job = replace(shared.worker(command("")).job, stdio=Stdio(None, "/dev/null", "/nowhere/stderr"))
    with pytest.raises(OSError, match="stderr"):
        shared.run_job(job, Listener(lambda *_: None, lambda _: None, lambda _: None))


def test_no_file_that_is_missing_is_the_guests_fault(shared: Host) -> None:
    """However many it lacks: for its streams, or for its memory."""
    guest = command("", wasi.MEMORY + wasi.data(0, b"x"))
    job = replace(shared.worker(guest).job, stdio=Stdio(None, "/dev/null", "/dev/null"))
    listener = Listener(lambda *_: None, lambda _: None, lambda _: None)
    before, errors = resource.getrlimit(resource.RLIMIT_NOFILE), []
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        taken = []
        with suppress(OSError):
            while True:
                taken.append(stack.enter_context(open(os.devnull)))  # noqa: PTH123 - imports nothing
        while True:
            try:
                assert shared.run_job(job, listener) == 0
                break
            except OSError as error:
                errors.append(str(error))
            taken.pop().close()
    for what in ("stdout", "stderr", "memory or files"):
        assert any(what in error for error in errors), errors


def test_call_before_the_guest_is_whole_is_its_own_fault(shared: Host) -> None:
    """Not that of a process which is short of something."""
    call = "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))"
    guest = command("", f"(func $early {call}) (start $early)")
    with shared.worker(guest) as worker, pytest.raises(host.RecordError, match="memory"):
        worker.call(b"")


def test_error_of_the_records_comes_after_the_answers_before_it(shared: Host) -> None:
    def broken() -> Iterator[Record]:
        yield Record("a", lambda: b"a")
        raise OSError(errno.EIO, "broken")

    lanes = Lanes(lambda: shared.worker(reactor()), 2)
    answers = lanes.answers(broken())
    assert next(answers) == Answer("a", b"a")
    with pytest.raises(OSError, match="broken"):
        next(answers)
    lanes.close()


def test_answers_that_nobody_wants_leave_no_thread_behind(shared: Host) -> None:
    """Nor are records read any more."""
    read = []

    def many() -> Iterator[Record]:
        for _ in range(10_000):
            read.append(1)
            yield Record("r", lambda: b"x")

    lanes = Lanes(lambda: shared.worker(reactor()), 1)
    answers = lanes.answers(many())
    next(answers)
    answers.close()  # type: ignore[attr-defined]  # a generator
    for thread in threading.enumerate():
        if thread.name == "records":
            thread.join(10)
            assert not thread.is_alive()
    assert len(read) < 20
    assert lanes.answer(Record("last", lambda: b"last")) == Answer("last", b"last")
    lanes.close()


def test_thread_that_is_stuck_is_replaced(shared: Host) -> None:
    """A sleep is not ended by a limit of time: its record is given up, and the others are answered."""
    sleeps = wait(4)
    guest = reactor(when("!", f"{sleeps} (i32.const 0)", ECHO))
    lanes = Lanes(lambda: shared.worker(guest, timeout=0.05), 1, timeout=0.05)
    first, stuck, last = lanes.answers(_records([b"a", b"!", b"b"]))
    assert (first.output, last.output, lanes.lost) == (b"a", b"b", 1)
    assert stuck.error is not None
    assert "stuck for more than the 0.05 s" in stuck.error
    lanes.close()


def test_threads_that_are_stuck_are_replaced_so_often(shared: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "GRACE", 0.1)
    monkeypatch.setattr(lanes_module, "LOST_MOST", 1)
    guest = reactor(wait(4) + ECHO)
    for jobs, most in ((1, 1), (2, 2)):
        lanes = Lanes(lambda: shared.worker(guest, timeout=0.1), jobs, timeout=0.1)
        with pytest.raises(StuckError, match=f"^{most + 1} threads are stuck"):
            list(lanes.answers(_records([b""] * 40)))
        assert lanes.lost == most + 1


def test_worker_that_cannot_go_on_ends_the_run(shared: Host) -> None:
    guest = command("").replace(b"proc_exit", b"proc_exet")
    lanes = Lanes(lambda: shared.worker(guest), 2)
    with pytest.raises(host.BadGuestError):
        list(lanes.answers(_records([b"a", b"b"])))


def test_file_takes_no_more_memory_than_it_needs(tmp_path: Path) -> None:
    """To set aside what a record may have takes time for each."""
    path = tmp_path / "record"
    path.write_bytes(b"x" * 1000)
    tracemalloc.start()
    assert records.of_file(str(path)).read() == b"x" * 1000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20


def test_file_that_tells_no_size_is_read_whole() -> None:
    """As those of /proc do."""
    assert b"Name:" in records.of_file("/proc/self/status").read()


def test_file_that_is_too_large_costs_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORD_BYTES", 4)
    (tmp_path / "whole").write_bytes(b"1234")
    (tmp_path / "large").write_bytes(b"12345")
    assert records.of_file(str(tmp_path / "whole")).read() == b"1234"
    with pytest.raises(OSError, match="more than 4 bytes"):
        records.of_file(str(tmp_path / "large")).read()


def test_line_that_is_too_long_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is not taken for another record."""
    monkeypatch.setattr(records, "RECORD_BYTES", 4)  # a GiB takes its time
    rows = io.BytesIO(b"1234\n" + b"x" * 5 + b"\n" + b"y" * 20 + b"\n\n" + b"z" * 6)
    found = []
    for record in records._lines("rows", rows):  # noqa: SLF001 - see above
        try:
            found.append((record.name, record.read()))
        except OSError as error:
            found.append((record.name, str(error.strerror).encode()))
    long = b"it has more than 4 bytes"
    assert found == [
        (f"rows:{number}", content) for number, content in enumerate([b"1234", long, long, b"", long], 1)
    ]
