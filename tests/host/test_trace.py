"""`--trace` tells of every wasi-nn call, as it happens and whatever becomes of the guest."""

from __future__ import annotations

import base64
import inspect
import json
import resource
import signal
import stat
import subprocess
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from host import abi, api, cli
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
from tests.host import models, scripts
from tests.host.guests import DATA, DIMENSIONS, OUT, TENSOR, f32

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    unused = {"output_type_name"}
    for name, method in inspect.getmembers(Session, inspect.isfunction):
        if not name.startswith("_") and name not in unused:
            assert inspect.signature(getattr(WatchedSession, name)) == inspect.signature(method), name


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
    assert (head["trace"], head["abi"], head["graphs"]) == (1, "2022", ["net"])
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
    assert _run(f"--trace={tmp_path / 't'}", tmp_path / "missing.wasm") == 2
    head, end = _lines(tmp_path / "t")
    assert (head["guest"], end["end"]) == (None, "refused")


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


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Let no file of this process grow beyond 1500 bytes; the system answers as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_ends_the_trace_and_not_the_guest(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is told once; the statistics go on."""
    guest, path = tmp_path / "guest.wasm", tmp_path / "run.jsonl"
    guest.write_bytes(scripts.command([("compute", (1,))] * 9, {}))
    assert _run(f"--trace={path}", "--stats", guest) == 0
    told = capfd.readouterr().err
    assert {line.split(":")[0] for line in told.splitlines()} == {"note", "stats"}
    assert told.count("note: the trace ends before call ") == 1
    assert ["stats:", "compute", "9", "9"] in [line.split()[:4] for line in told.splitlines()]
    *_, last = path.read_text().splitlines()
    assert '"end"' not in last


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


@pytest.mark.parametrize("option", ["--trace", "--stats"])
def test_after_the_dashes_the_option_is_the_guests(
    net: Path, guest: Path, capfd: pytest.CaptureFixture[str], option: str
) -> None:
    assert _run(guest, "--graph", f"net={net}", "--", option) == 0
    assert capfd.readouterr().err == ""
