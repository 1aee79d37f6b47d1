"""Limits: what a guest may use at most, what is said when it wants more, and that the host goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import host
from host import abi, cli, quantities
from host.api import Host
from host.engines import GUESTS_KEPT
from host.job import MEMORY_BYTES
from tests.host import models
from tests.host.wasi import MEMORY, READ, SPIN, command, data, exit_with, say, wait

EXIT_LIMIT = 124


@pytest.fixture(scope="module")
def shared() -> Host:
    """Return one host for all tests: what a limit does to it, the next test would see."""
    return Host()


def _guest(folder: Path, code: bytes) -> Path:
    path = folder / "guest.wasm"
    path.write_bytes(code)
    return path


def _run(*arguments: str | Path, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "host", "run", *arguments]
    done = subprocess.run(words, stdin=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    return done


STUCK = {
    "spins": command(SPIN),
    "spins in its start function": command("", MEMORY + f"(start $early) (func $early {SPIN})"),
    "recurs through a table": command(
        "(call $f) " + SPIN, MEMORY + "(table funcref (elem $f)) (func $f (nop))"
    ),
    "sleeps": command(wait(3600)),
    "reads stdin": command(READ),
    "calls the host without end": command(
        f"(loop $l {say('.')} (drop (call $compute (i32.const 1))) (br $l))"
    ),
}


@pytest.mark.parametrize("name", STUCK)
def test_timeout_ends_a_guest_whatever_it_waits_for(tmp_path: Path, name: str) -> None:
    """One line on stderr that names the limit, its value and its option; exit 124, soon."""
    silent, writer = os.pipe()  # a stdin on which nothing ever comes
    before = time.monotonic()
    done = _run(_guest(tmp_path, STUCK[name]), "--timeout", "0.3", stdin=silent)
    took = time.monotonic() - before
    os.close(silent)
    os.close(writer)
    assert (done.returncode, done.stderr.count("\n")) == (EXIT_LIMIT, 1)
    assert done.stderr.startswith("error: ")
    assert "0.3 s" in done.stderr
    assert "`--timeout`" in done.stderr
    assert 0.3 < took < 10


def test_timeout_ends_the_process_when_an_inference_takes_longer(tmp_path: Path) -> None:
    """No part of an inference can be left early: all that helps is to end the process."""
    xml, weights = models.endless()
    (tmp_path / "net.xml").write_bytes(xml)
    (tmp_path / "net.bin").write_bytes(weights)
    tensor = abi.TENSOR.pack(32, 1, abi.TensorType.F32, 40, 4) + b"\1\0\0\0" * 2
    more = MEMORY + data(200, b"net") + data(12, tensor)
    body = f"""(drop (call $load_by_name (i32.const 200) (i32.const 3) (i32.const 0)))
      (drop (call $init_execution_context (i32.load (i32.const 0)) (i32.const 4)))
      (drop (call $set_input (i32.load (i32.const 4)) (i32.const 0) (i32.const 12)))
      {say("computing")} (drop (call $compute (i32.load (i32.const 4)))) {say("computed")}"""
    guest = _guest(tmp_path, command(body, more))
    for timeout in ("1", "5", "25"):  # a busy machine may take long to get as far as the inference
        done = _run(guest, "--graph", f"net={tmp_path / 'net.xml'},threads=1", "--timeout", timeout)
        if done.stdout or done.returncode != EXIT_LIMIT:
            break
    assert (done.returncode, done.stdout) == (EXIT_LIMIT, "computing")
    assert "`--timeout`" in done.stderr


def test_what_the_guest_said_before_its_time_was_up_is_there(tmp_path: Path) -> None:
    done = _run(_guest(tmp_path, command(say("so far") + wait(3600))), "--timeout", "0.2")
    assert (done.returncode, done.stdout) == (EXIT_LIMIT, "so far")


@pytest.mark.parametrize("timeout", [1e-9, 1e-300])
def test_run_beyond_its_time_never_succeeds(shared: Host, timeout: float) -> None:
    """However quick the guest is: compiling it takes longer, and so does finding it compiled."""
    for _ in range(3):
        with pytest.raises(host.LimitError) as caught:
            shared.run(command(say("hello")), timeout=timeout)
        assert (caught.value.limit, caught.value.stdout) == ("timeout", b"")


def test_guest_that_is_in_time_does_not_notice(tmp_path: Path) -> None:
    done = _run(_guest(tmp_path, command(say("hello") + exit_with("(i32.const 3)"))), "--timeout", "1m")
    assert (done.returncode, done.stdout, done.stderr) == (3, "hello", "")


def test_no_timeout_by_itself(tmp_path: Path) -> None:
    """A guest may be a service: it outlives any time a default could have been, as far as a test can wait."""
    guest = str(_guest(tmp_path, command(say("up") + SPIN)))
    words = [sys.executable, "-m", "host", "run", guest]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.read(2) == b"up"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.kill()


@pytest.mark.parametrize("stuck", [SPIN, wait(3600), READ])
def test_ctrl_c_ends_a_guest_that_has_a_timeout(tmp_path: Path, stuck: str) -> None:
    guest = str(_guest(tmp_path, command(say("up") + stuck)))
    words = [sys.executable, "-m", "host", "run", guest, "--timeout", "60"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.read(2) == b"up"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
        assert process.stderr
        assert process.stderr.read() == b""


def test_fuel_ends_a_guest(tmp_path: Path) -> None:
    done = _run(_guest(tmp_path, STUCK["spins"]), "--fuel", "100000")
    assert (done.returncode, done.stderr.count("\n")) == (EXIT_LIMIT, 1)
    assert "100000" in done.stderr
    assert "`--fuel`" in done.stderr


def test_fuel_is_the_same_every_time(shared: Host) -> None:
    """What a guest gets done with it does not depend on the machine or on what ran before."""
    code = command(f"(local $n i32) (loop $l {say('.')} (br $l))")
    written = []
    for _ in range(3):
        with pytest.raises(host.LimitError) as caught:
            shared.run(code, fuel=20_000)
        written.append(caught.value.stdout)
    assert written[0] == written[1] == written[2] != b""
    assert caught.value.limit == "fuel"


def test_fuel_in_the_start_function(shared: Host) -> None:
    with pytest.raises(host.LimitError, match="fuel"):
        shared.run(STUCK["spins in its start function"], fuel=10_000)


GROW = "(if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then {then}))"
"""Asks for 4 MiB more than there are, and does `then` when it does not get them."""


def test_memory_that_is_not_given_is_minus_one(shared: Host) -> None:
    """As on every host: the guest may go on without."""
    code = command(GROW.format(then=say("refused")))
    assert shared.run(code, max_memory=1 << 20).stdout == b"refused"
    assert shared.run(code, max_memory=65 << 16).stdout == b""
    assert shared.run(code).stdout == b""


def test_default_memory_is_given_and_no_more(shared: Host) -> None:
    pages = MEMORY_BYTES >> 16
    ask = f"(memory.grow (i32.const {pages - 1}))"
    assert shared.run(command(exit_with(ask))).exit_code == 1
    ask = f"(memory.grow (i32.const {pages}))"
    assert shared.run(command(exit_with(ask))).exit_code == 0xFFFF_FFFF


def test_trap_after_memory_was_refused_says_how_it_stood(tmp_path: Path) -> None:
    done = _run(_guest(tmp_path, command(GROW.format(then="unreachable"))), "--max-memory", "1M")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "trapped" in done.stderr
    assert "stood at 64 KiB of the 1 MiB that `--max-memory` allows" in done.stderr


def test_failure_after_memory_was_refused_says_how_it_stood(tmp_path: Path) -> None:
    guest = _guest(tmp_path, command(GROW.format(then=exit_with("(i32.const 7)"))))
    done = _run(guest, "--max-memory", "1M")
    assert (done.returncode, done.stderr.count("\n")) == (7, 1)
    assert "the guest exited with 7; its memory stood at" in done.stderr


def test_failure_with_memory_to_spare_says_nothing_of_it(tmp_path: Path) -> None:
    done = _run(_guest(tmp_path, command(exit_with("(i32.const 7)"))))
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("more", [[], ["--timeout", "60"]])
def test_guest_that_starts_with_too_much_memory(tmp_path: Path, more: list[str]) -> None:
    guest = _guest(tmp_path, command("", '(memory (export "memory") 33)'))
    done = _run(guest, "--max-memory", "2MiB", *more)
    assert (done.returncode, done.stderr.count("\n")) == (EXIT_LIMIT, 1)
    assert "2 MiB that `--max-memory` allows" in done.stderr
    assert "33 pages" in done.stderr
    assert _run(guest, "--max-memory", "2112K", *more).returncode == 0


TOO_MUCH = {
    "table": "(table 2000000 funcref)",
    "tables": "(table 1 funcref)" * 17,
    "memories": "(memory 1)(memory 1)",
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_guest_that_wants_what_no_guest_gets(shared: Host, name: str) -> None:
    with pytest.raises(host.BadGuestError, match="than this host gives to any"):
        shared.run(command("", TOO_MUCH[name]))


def test_table_grows_to_its_cap_only(shared: Host) -> None:
    more = MEMORY + "(table $t 0 funcref)"
    ask = "(table.grow $t (ref.null func) (i32.const {}))"
    assert shared.run(command(exit_with(ask.format(1 << 20)), more)).exit_code == 0
    assert shared.run(command(exit_with(ask.format((1 << 20) + 1)), more)).exit_code == 0xFFFF_FFFF


def _load_twice(pair: models.IR) -> bytes:
    """Return a guest that loads a model twice, makes two contexts of each, and exits with the last errno."""
    entry = abi.GRAPH_BUILDER.pack(4096, len(pair[0])) + abi.GRAPH_BUILDER.pack(4096, len(pair[1]))
    load = (
        "(local.set $e (call $load (i32.const 16) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0)))"
    )
    context = "(local.set $c (call $init_execution_context (i32.load (i32.const 0)) (i32.const 4)))"
    more = '(memory (export "memory") 2)' + data(16, entry) + data(4096, pair[0])
    ends = exit_with("(i32.or (i32.shl (local.get $c) (i32.const 4)) (local.get $e))")
    return command(
        f"(local $e i32) (local $c i32) {load} {context} {context} {context} {load} {load} {ends}", more
    )


BUSY, TOO_LARGE = abi.NnErrno.BUSY, abi.NnErrno.TOO_LARGE


@pytest.mark.parametrize(
    ("option", "value", "load", "context"),
    [
        ("--max-graphs", "1", BUSY, 0),
        ("--max-contexts", "2", 0, BUSY),
        ("--max-model-bytes", "64", TOO_LARGE, abi.NnErrno.INVALID_ARGUMENT),
        ("--max-tensor-bytes", "4", TOO_LARGE, abi.NnErrno.INVALID_ARGUMENT),
    ],
)
def test_cap_is_an_errno_and_one_note(  # noqa: PLR0913, PLR0917 - a row of the table
    tmp_path: Path, pair: models.IR, option: str, value: str, load: int, context: int
) -> None:
    """The guest may go on; the operator hears once, unasked, which option it was."""
    done = _run(_guest(tmp_path, _load_twice(pair)), option, value)
    assert done.returncode == context << 4 | load
    assert done.stderr.count("\n") == 1
    assert f"`{option}` raises it" in done.stderr


def test_caps_are_not_met_by_default(tmp_path: Path, pair: models.IR) -> None:
    done = _run(_guest(tmp_path, _load_twice(pair)))
    assert (done.returncode, done.stderr) == (0, "")


def test_errors_of_other_kinds_are_told_only_when_asked(tmp_path: Path) -> None:
    guest = _guest(tmp_path, command(exit_with("(call $compute (i32.const 9))")))
    assert _run(guest, "--max-graphs", "1").stderr == ""
    assert "not live" in _run(guest, "-v").stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--timeout", "0"), ("--timeout", "-1"), ("--timeout", "nan"), ("--timeout", "inf"),
        ("--timeout", "1h"), ("--timeout", "1e3"), ("--timeout", "9999999999"), ("--timeout", ""),
        ("--max-memory", "lots"), ("--max-memory", "512MB"), ("--max-memory", "1.5G"), ("--max-memory", "-1"),
        ("--max-memory", "1T"), ("--max-memory", "9" * 30), ("--fuel", "x"), ("--fuel", "-5"),
        ("--max-memory", "999999999999999G"),
        ("--fuel", "9" * 30), ("--fuel", "1.5"), ("--max-graphs", "some"), ("--max-contexts", "-1"),
        ("--max-model-bytes", "2 GiB"), ("--max-tensor-bytes", "\u0664"),
    ],
)  # fmt: skip
def test_limit_that_makes_no_sense(capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
    assert cli.main(["run", "guest.wasm", f"{option}={value}"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert option in err


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("0", 0), ("512", 512), ("1K", 1024), ("3KiB", 3072), ("2M", 2 << 20), ("1GiB", 1 << 30)],
)
def test_sizes(text: str, bytes_: int) -> None:
    assert quantities.size(text) == bytes_


@pytest.mark.parametrize(
    ("text", "seconds"), [("1", 1), ("1.5", 1.5), ("90s", 90), ("2m", 120), ("0.5m", 30)]
)
def test_durations(text: str, seconds: float) -> None:
    assert quantities.duration(text) == seconds


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (65536, "64 KiB"), (3 << 29, "1.5 GiB")]
)
def test_shown_sizes(count: int, text: str) -> None:
    assert quantities.shown_size(count) == text


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"max_memory": -1},
        {"fuel": -1},
        {"fuel": 1 << 64},
    ],
)
def test_bound_that_makes_no_sense(shared: Host, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not "):
        shared.run(command(""), **options)  # type: ignore[arg-type]  # whatever it is


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({"timeout": 0.1}, SPIN),
        ({"fuel": 1000}, SPIN),
        ({"max_memory": 1 << 16}, GROW.format(then="unreachable")),
        ({}, "call $main"),
        ({}, "(drop (i32.load (i32.const -1)))"),
    ],
)
def test_host_goes_on_after_a_guest_was_ended(shared: Host, options: dict[str, int], body: str) -> None:
    """The next guest on it runs as if nothing had been, with the same bounds and with none."""
    for _ in range(3):
        with pytest.raises(host.RunError):
            shared.run(command(say("a") + body), **options)  # type: ignore[arg-type]  # a row of the table
        assert shared.run(command(say("hello")), timeout=60, fuel=10**6).stdout == b"hello"
        assert shared.run(command(say("hello"))).stdout == b"hello"


def test_trap_after_the_hosts_before_it_are_gone(tmp_path: Path, pair: models.IR) -> None:
    """OpenVINO, when it goes, takes with it what traps need: in a process of its own, since it would die."""
    (tmp_path / "model.xml").write_bytes(pair[0])
    (tmp_path / "model.bin").write_bytes(pair[1])
    call = "(call $load_by_name (i32.const 256) (i32.const 3) (i32.const 0))"
    code = f"""import gc, host
loads, traps = {command(exit_with(call), MEMORY + data(256, b"net"))!r}, {command("unreachable")!r}
hosts = [host.Host({{"net": {str(tmp_path)!r}}}) for _ in range(3)]
assert [each.run(loads).exit_code for each in hosts] == [0, 0, 0]
while hosts:
    del hosts[0]  # in the order in which they were made
    gc.collect()
    try:
        host.run(traps)
    except host.GuestTrapError as error:
        print(error)"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.count("unreachable"), done.stderr) == (0, 3, "")


def test_time_and_clock_threads_end_with_the_runs(shared: Host) -> None:
    """Nothing ticks, reads or waits when no guest runs."""
    with pytest.raises(host.LimitError):
        shared.run(STUCK["spins"], timeout=0.05)
    for thread in threading.enumerate():
        if thread.name in {"guest clock", "guest output", "deadline"}:
            thread.join(5)
            assert not thread.is_alive()


def test_runs_leave_no_file_open(shared: Host) -> None:
    code = command(say("hello") + "unreachable")
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        with pytest.raises(host.GuestTrapError):
            shared.run(code, stdin=b"x")
        with pytest.raises(host.BadGuestError):
            shared.run(command("", '(import "env" "no" (func))'), dirs=["."])
    assert len(list(Path("/dev/fd").iterdir())) <= before


def test_compiled_guests_are_bounded() -> None:
    """However many different guests a host is given, it keeps a fixed number of them."""
    own = Host()
    for number in range(GUESTS_KEPT + 5):
        assert own.run(command(exit_with(f"(i32.const {number})"))).exit_code == number
    assert len(own._engines._guests) == GUESTS_KEPT  # noqa: SLF001 - there is no other way to see it
