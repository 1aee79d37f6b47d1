"""`--trace` tells of every wasi-nn call, as it happens and whatever becomes of the guest."""

from __future__ import annotations

import ast
import base64
import inspect
import json
import os
import re
import signal
import stat
import subprocess
import sys
from hashlib import sha256
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest

from host import abi, api, bindings, cli, legacy
from host.bindings import LEGACY_FUNCTIONS
from host.errors import Condition
from host.job import Listener
from host.nn import Session
from host.tracing.observe import (
    GetOutput,
    Load,
    LoadByName,
    OnHandle,
    Recorder,
    SetInput,
    Watch,
    WatchedSession,
)
from tests.host import models, scripts, wasi
from tests.host.guests import DATA, DIMENSIONS, OUT, TENSOR, f32

if TYPE_CHECKING:
    from pathlib import Path

    from host.tracing.observe import Call

FAR = 0x7FFF_0000
"""An address outside of every guest here."""

LOOP = "(loop (br 0))"


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of y = x + x for f32 [2]."""
    path = tmp_path_factory.mktemp("net") / "net.xml"
    xml, weights = models.double([2])
    path.write_bytes(xml)
    path.with_suffix(".bin").write_bytes(weights)
    return path


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """Return a guest that doubles [1, 2] with the model `net`."""
    path = tmp_path / "guest.wasm"
    path.write_bytes(scripts.command(*scripts.inference(1, 2)))
    return path


def _trace(net: Path, guest: bytes) -> tuple[Call, ...]:
    trace = api.run(guest, graphs={"net": net}, trace=True).trace
    assert trace is not None
    return trace


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def _run(*words: object) -> int:
    return cli.main(["run", *map(str, words)])


def test_the_session_between_has_all_that_the_handlers_call() -> None:
    """With the same parameters: a method that is missing would be an error in watched runs only."""
    called = {
        node.attr
        for module in (bindings, legacy)
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2] == "session"
    }
    assert {"load", "compute", "limits", "dialect"} <= called
    for name in called:
        between = getattr(WatchedSession, name)
        if not isinstance(between, property):
            assert inspect.signature(between) == inspect.signature(getattr(Session, name)), name


def test_calls_are_told_in_order_with_what_they_came_to(net: Path) -> None:
    calls = _trace(net, scripts.command(*scripts.inference(1, 2)))
    assert [call.number for call in calls] == [1, 2, 3, 4, 5]
    assert [call.operation for call in calls] == [
        LoadByName(b"net", None),
        OnHandle("init_execution_context", 1),
        SetInput(2, 0, (2,), abi.TensorType.F32, "f32", f32(1, 2)),
        OnHandle("compute", 2),
        GetOutput(2, 0, "f32", 8, f32(2, 4)),
    ]
    assert [call.handle for call in calls] == [1, 2, None, None, None]
    assert [call.errno for call in calls] == [abi.NnErrno.SUCCESS] * 5
    assert calls[2].arguments == (2, 0, TENSOR)
    assert all(call.duration_ns > 0 for call in calls)
    assert [call.started_ns for call in calls] == sorted(call.started_ns for call in calls)


def test_a_model_is_told_by_its_hashes(net: Path) -> None:
    builders = models.double([2])
    script, memory = scripts.from_bytes(builders)
    (call,) = _trace(net, scripts.command(script, memory))
    assert isinstance(call.operation, Load)
    assert [(blob.sha256, blob.size) for blob in call.operation.builders] == [
        (sha256(builder).hexdigest(), len(builder)) for builder in builders
    ]
    assert call.bytes_in == sum(map(len, builders))


def test_a_call_with_a_bad_pointer_is_told_without_contents(net: Path) -> None:
    (call,) = _trace(net, scripts.command([("load_by_name", (FAR, 3, OUT))], {}))
    assert (call.operation, call.handle) == (None, None)
    assert call.error is not None
    assert call.error.condition is Condition.OUTSIDE_MEMORY
    assert call.arguments == (FAR, 3, OUT)


def test_arguments_are_unsigned(net: Path) -> None:
    (call,) = _trace(net, scripts.command([("compute", (-1,))], {}))
    assert call.arguments == (0xFFFF_FFFF,)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (("compute", (9,)), "`graph_execution_context` 9 is not live"),
        (("unload", (9,)), "`graph` 9 is not live"),
        (("fini_single", (9,)), "this host does not have `fini_single`"),
        (("load_by_name_with_config", (0, 0, 0, 0, OUT)), "no model is registered as ``"),
    ],
)
def test_the_reason_of_an_error_is_told(
    net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], call: scripts.Script, says: str
) -> None:
    """In the trace, and on stderr with `-v`: also of the extension functions."""
    guest = tmp_path / "guest.wasm"
    guest.write_bytes(scripts.command([call], {}))
    assert _run(guest, "-v", f"--trace={tmp_path / 't'}", "--graph", f"net={net}") == 0
    told = _lines(tmp_path / "t")[1]
    assert says in told["reason"]
    assert told["reason"] in capfd.readouterr().err
    assert told["error"] == abi.NnErrno(told["errno"]).name.lower()
    assert told["condition"] in {condition.name.lower() for condition in Condition}


def test_the_reason_of_an_error_is_told_of_the_legacy_module(
    net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    guest = tmp_path / "guest.wasm"
    guest.write_bytes(scripts.command([("compute", (9,))], {}, functions=LEGACY_FUNCTIONS))
    assert _run(guest, "-v", f"--trace={tmp_path / 't'}", "--graph", f"net={net}") == 0
    call = _lines(tmp_path / "t")[1]
    assert call["module"] == abi.EPOCHS["wamr-legacy"].module
    assert f"compute -> {call['errno']} {call['error']}: {call['reason']}" in capfd.readouterr().err
    assert call["findings"]


def test_a_finding_about_the_dialect_is_told_with_its_call(net: Path) -> None:
    old = abi.EPOCHS["2022-10"].values["tensor_type"]["u8"]
    script, memory = scripts.inference(1, 2)
    memory[TENSOR] = abi.TENSOR.pack(DIMENSIONS, 1, old, DATA, 2)
    calls = _trace(net, scripts.command(script, memory))
    assert [bool(call.findings) for call in calls[:4]] == [False, False, True, False]
    assert isinstance(calls[2].operation, SetInput)
    assert (calls[2].operation.type, calls[2].operation.type_name) == (old, "u8")


def test_a_size_query_has_the_size_and_no_data(net: Path) -> None:
    script, memory = scripts.inference(1, 2, more=[("get_output", (2, 0, 0, 0, OUT))])
    call = _trace(net, scripts.command(script, memory))[-1]
    assert call.operation == GetOutput(2, 0, "f32", 8, None)
    assert (call.errno, call.bytes_out) == (abi.NnErrno.TOO_LARGE, 0)


def test_a_file_has_the_run_from_first_line_to_last(net: Path, guest: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    assert _run(f"--trace={path}", guest, "--graph", f"net={net}", "--abi", "2022") == 0
    head, *calls, end = _lines(path)
    assert (head["trace"], head["abi"], list(head["graphs"])) == (1, "2022", ["net"])
    assert head["guest"]["sha256"] == sha256(guest.read_bytes()).hexdigest()
    assert head["limits"]["graphs"] > 0
    assert [call["call"] for call in calls] == [1, 2, 3, 4, 5]
    assert calls[2]["arguments"] == {"context": 2, "index": 0, "tensor": TENSOR}
    assert base64.b64decode(calls[2]["operation"]["data"]) == f32(1, 2)
    assert base64.b64decode(calls[4]["operation"]["data"]) == f32(2, 4)
    assert end == {"end": "exit", "code": 0, "message": None}


def test_a_file_is_for_its_owner_only(net: Path, guest: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    assert _run(f"--trace={path}", guest, "--graph", f"net={net}") == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_at_its_place_is_not_followed(net: Path, guest: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert _run(f"--trace={tmp_path / 'link'}", guest, "--graph", f"net={net}") == 2
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("end", "code", "how"), [("unreachable", 1, "trap"), (LOOP, 124, "limit"), ("", 0, "exit")]
)
def test_the_last_line_says_how_it_ended(tmp_path: Path, end: str, code: int, how: str) -> None:
    guest, path = tmp_path / "guest.wasm", tmp_path / "run.jsonl"
    guest.write_bytes(scripts.command([("compute", (1,))], {}, end))
    assert _run(f"--trace={path}", guest, "--fuel", "10000") == code
    _, call, last = _lines(path)
    assert call["function"] == "compute"
    assert (last["end"], last["code"], bool(last["message"])) == (how, code, how != "exit")


def test_a_guest_that_is_refused_has_a_trace_without_calls(tmp_path: Path) -> None:
    guest = tmp_path / "guest.wasm"
    guest.write_bytes(b"no guest")
    assert _run(f"--trace={tmp_path / 't'}", guest) == 2
    head, end = _lines(tmp_path / "t")
    assert (head["guest"]["bytes"], end["end"]) == (8, "refused")


@pytest.mark.parametrize("option", ["--trace", "--stats"])
def test_a_guest_that_is_not_there_leaves_no_file(tmp_path: Path, guest: Path, option: str) -> None:
    """So that the same command works once the typo is mended."""
    path = tmp_path / "t"
    assert _run(f"{option}={path}", tmp_path / "gest.wasm") == 2
    assert not path.exists()
    assert _run(f"{option}={path}", guest) == 0


def test_a_stats_file_that_cannot_be_made_leaves_no_trace(tmp_path: Path, guest: Path) -> None:
    assert _run(f"--trace={tmp_path / 't'}", f"--stats={tmp_path / 'no' / 'folder'}", guest) == 2
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("option", ["--trace", "--stats"])
def test_a_file_in_place_of_the_guest_is_told_how_it_would_be_one(
    tmp_path: Path, guest: Path, capfd: pytest.CaptureFixture[str], option: str
) -> None:
    path = tmp_path / "run.jsonl"
    assert _run(option, path, guest) == 2
    assert f"`{option}={path}`" in capfd.readouterr().err
    assert _run(option, tmp_path / "gest.wasm") == 2
    assert "=" not in capfd.readouterr().err


def test_a_guest_that_can_be_read_once_only_is_traced(tmp_path: Path) -> None:
    """As from `<(cat guest.wasm)`: what has the hash is what ran."""
    code = scripts.command([("compute", (1,))], {})
    ours, theirs = os.pipe()
    os.write(theirs, code)
    os.close(theirs)
    try:
        assert _run(f"--trace={tmp_path / 't'}", f"/dev/fd/{ours}") == 0
    finally:
        os.close(ours)
    head, call, _ = _lines(tmp_path / "t")
    assert head["guest"]["sha256"] == sha256(code).hexdigest()
    assert call["function"] == "compute"


def test_a_model_has_its_hash_and_how_it_ran(net: Path, guest: Path, tmp_path: Path) -> None:
    """The hash is one that `--graph` takes."""
    assert _run(f"--trace={tmp_path / 't'}", guest, "--graph", f"net={net},threads=1") == 0
    found = _lines(tmp_path / "t")[0]["graphs"]["net"]
    expected = {"device": "CPU", "precision": "f32", "threads": 1, "hint": "latency", "layout": None}
    assert found["options"] == expected
    assert _run(f"--trace={tmp_path / 'u'}", guest, "--graph", f"net={net},sha256={found['sha256']}") == 0
    assert [call["errno"] for call in _lines(tmp_path / "u")[1:-1]] == [0] * 5


@pytest.mark.parametrize("stuck", [wasi.wait(60), wasi.READ])
def test_a_guest_that_waits_too_long_has_its_statistics_and_its_end(tmp_path: Path, stuck: str) -> None:
    """Nothing of it can be ended but the process."""
    guest, path = tmp_path / "guest.wasm", tmp_path / "t"
    guest.write_bytes(wasi.command(f"(drop (call $compute (i32.const 1))) {stuck}"))
    words = [sys.executable, "-m", "host", "run", str(guest), f"--trace={path}", "--stats", "--timeout", "1"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "stats: compute " in process.stderr.read()
        assert process.wait() == 124
    _, call, end = _lines(path)
    assert (call["function"], end["end"], end["code"]) == ("compute", "limit", 124)
    assert "--timeout" in end["message"]


def test_what_was_told_survives_a_kill(tmp_path: Path) -> None:
    """Each line is in the file before the guest goes on: it says so on stdout, and then never ends."""
    guest, path = tmp_path / "guest.wat", tmp_path / "run.jsonl"
    guest.write_text(f"""(module
      (import "{abi.MODULE}" "compute" (func $compute (param i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 8) "\\10\\00\\00\\00\\01\\00\\00\\00.")
      (func (export "_start") (drop (call $compute (i32.const 1)))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0))) {LOOP}))""")
    words = [sys.executable, "-m", "host", "run", f"--trace={path}", str(guest)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.send_signal(signal.SIGKILL)
    head, call = _lines(path)
    assert (head["trace"], call["function"]) == (1, "compute")


SMALL_DISK = """
import resource, sys
from host import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
sys.exit(cli.main(sys.argv[1:]))
"""
"""A process no file of which grows beyond 1500 bytes; the system answers as a full disk does."""


def test_a_full_disk_ends_the_trace_and_not_the_guest(tmp_path: Path) -> None:
    """It is told once; the statistics go on."""
    guest, path = tmp_path / "guest.wasm", tmp_path / "run.jsonl"
    guest.write_bytes(scripts.command([("compute", (1,))] * 9, {}))
    words = [sys.executable, "-c", SMALL_DISK, "run", f"--trace={path}", "--stats", str(guest)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    told = done.stderr
    assert {line.split(":")[0] for line in told.splitlines()} == {"note", "stats"}
    assert told.count("note: the trace ends before call ") == 1
    assert ["stats:", "compute", "9", "9"] in [line.split()[:4] for line in told.splitlines()]
    *_, last = path.read_text().splitlines()
    assert '"end"' not in last


def test_a_trace_ends_where_it_has_what_it_may_have(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The guest goes on, and so do the statistics."""
    guest, path = tmp_path / "guest.wasm", tmp_path / "run.jsonl"
    guest.write_bytes(scripts.command([("compute", (1,))] * 99, {}))
    assert _run(f"--trace={path}", "--stats", guest, "--max-trace-bytes", "4K") == 0
    kept = len(_lines(path)) - 1
    assert 0 < kept < 99
    told = capfd.readouterr().err.splitlines()
    assert [line for line in told if line.startswith("note: ")] == [
        f"note: the trace ends before call {kept + 1}: it has the 4 KiB that `--max-trace-bytes` allows"
    ]
    assert ["stats:", "compute", "99", "99"] in [line.split()[:4] for line in told]


def test_a_trace_in_memory_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in the calls; a model does not count, as only its hash is kept."""
    monkeypatch.setattr("host.tracing.log.TRACE_BYTES", 1 << 15)
    script, memory = scripts.from_bytes((b"x" * 5000, b""))
    done = api.run(scripts.command([*script, ("compute", (1,))] * 30, memory), trace=True)
    assert done.trace
    assert 10 < len(done.trace) < 60
    (note,) = [note for note in done.notes if note.startswith("the trace ends")]
    assert note == f"the trace ends before call {len(done.trace) + 1}: it has 32 KiB already"


def test_a_listener_that_fails_does_not_unwind_the_guest(net: Path) -> None:
    def fail(_: Call) -> None:
        raise MemoryError("no room")

    warnings: list[str] = []
    listener = Listener(lambda *_: None, lambda _: None, warnings.append, Watch(fail, has_contents=True))
    recorder = Recorder(listener.watch, listener)  # type: ignore[arg-type]  # it is not None
    recorder.attach(
        Session(lambda: pytest.fail("no model is loaded"), api.Graphs({"net": net}).registry(), print)
    )
    compute = next(function for function in abi.FUNCTIONS if function.name == "compute")
    for _ in range(2):
        assert recorder.call(compute, None, (1,)) == abi.NnErrno.MISSING_MEMORY
    assert warnings == ["the recording ends before call 1: no room"]


@pytest.mark.parametrize("text", ["\x1b[2J", "\x7f", "\x9b1m", "\n{}", "\u202e"])
def test_what_the_guest_wrote_reaches_neither_terminal_nor_file_as_it_is(
    net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    guest, path = tmp_path / "guest.wasm", tmp_path / "t"
    name = text.encode()
    guest.write_bytes(scripts.command([("load_by_name", (0, len(name), OUT))], {0: name}))
    assert _run(guest, f"--trace={path}", "--graph", f"net={net}") == 0
    assert _run(guest, "--trace", "--graph", f"net={net}") == 0
    assert _lines(path)[1]["operation"]["name"] == text
    written = path.read_text() + capfd.readouterr().err
    assert all(character.isprintable() or character == "\n" for character in written)
    assert written.count("\n") == 3 + 1


def test_without_a_file_each_call_is_a_line_on_stderr(
    net: Path, guest: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And the word after `--trace` is the guest, not a file."""
    assert _run("--trace", guest, "--graph", f"net={net}") == 0
    lines = capfd.readouterr().err.splitlines()
    assert [line.split("(")[0] for line in lines] == [
        "trace: 1 load_by_name",
        "trace: 2 init_execution_context",
        "trace: 3 set_input",
        "trace: 4 compute",
        "trace: 5 get_output",
    ]
    assert "f32 [2], 8 bytes -> 0 success" in lines[2]


def test_a_name_as_long_as_it_may_be_leaves_the_answer_on_its_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    guest, name = tmp_path / "guest.wasm", b"n" * 4000
    guest.write_bytes(scripts.command([("load_by_name", (0, len(name), OUT))], {0: name}))
    assert _run("--trace", guest) == 0
    assert re.search(r"n\.\.\.` -> \d+ not_found \(\d+ us\): no model", capfd.readouterr().err)


def test_the_time_of_watching_is_not_that_of_the_call(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing a model takes long, and is not what the guest would have waited for."""
    pause = 0.5

    def slow(data: bytes) -> object:
        sleep(pause)
        return sha256(data)

    monkeypatch.setattr("host.tracing.observe.sha256", slow)
    script, memory = scripts.from_bytes((b"no model", b""))
    (call,) = _trace(net, scripts.command(script, memory))
    assert call.duration_ns < pause * 1e9


@pytest.mark.parametrize("words", [["--stats"], ["--trace"]])
def test_contents_are_copied_for_a_trace_only(
    net: Path, guest: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    copied = []
    monkeypatch.setattr("host.tracing.observe.SetInput", lambda *given: copied.append(given))
    monkeypatch.setattr("host.commands.watching.shown", lambda _: "")
    assert _run(*words, guest, "--graph", f"net={net}") == 0
    assert len(copied) == (words == ["--trace"])


@pytest.mark.parametrize("option", ["--trace", "--stats"])
def test_after_the_dashes_the_option_is_the_guests(
    net: Path, guest: Path, capfd: pytest.CaptureFixture[str], option: str
) -> None:
    assert _run(guest, "--graph", f"net={net}", "--", option) == 0
    assert capfd.readouterr().err == ""
