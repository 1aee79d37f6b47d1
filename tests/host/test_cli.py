"""The command line: the exit code is the guest's; what goes wrong is one line on stderr, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from wasmtime import wat2wasm

from host import abi, dialects
from tests.host.wasi import ECHO, MEMORY, WASI

if TYPE_CHECKING:
    from tests.host import models

EXIT = f'(import "{WASI}" "proc_exit" (func $exit (param i32)))'
WRITE = f'(import "{WASI}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))'


def _start(body: str, imports: str = "", more: str = MEMORY) -> str:
    return f'(module {imports} {more} (func $main (export "_start") {body}))'


def _say(text: str, body: str = "") -> str:
    size = len(text)
    data = f'(data (i32.const 8) "\\10\\00\\00\\00\\{size:02x}\\00\\00\\00{text}")'
    call = "(drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))"
    return _start(call + body, WRITE, MEMORY + data)


BY_NAME = f"""(module {EXIT}
  (import "{abi.MODULE}" "load_by_name" (func $load (param i32 i32 i32) (result i32)))
  {MEMORY} (data (i32.const 0) "net")
  (func (export "_start") (call $exit (call $load (i32.const 0) (i32.const 3) (i32.const 64)))))"""
"""A guest whose exit code is the errno of loading the model `net`."""


def host(*arguments: str | bytes | Path, command: str = "run") -> subprocess.CompletedProcess[str]:
    """Run a command of the host; no outcome of it may be a traceback."""
    words = [sys.executable, "-m", "host", command, *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Return what writes a guest from WAT."""
    return Writer(tmp_path)


class Writer:
    """Writes guests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, wat: str) -> Path:
        """Write `wat` as a binary and return its path."""
        return self.bytes(bytes(wat2wasm(wat)))

    def bytes(self, data: bytes) -> Path:
        """Write a file that is to be a guest."""
        path = self.folder / "guest.wasm"
        path.write_bytes(data)
        return path


def _fails(done: subprocess.CompletedProcess[str], code: int, *says: str) -> None:
    """The command failed with `code` and one line that holds all of `says`."""
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    for text in says:
        assert text in done.stderr


CODES = [(code, code) for code in (0, 1, 2, 7, 125, 126, 127, 128, 134, 255)]


@pytest.mark.parametrize(("code", "seen"), [*CODES, (257, 1), (-1, 255), (256, 255), (1 << 31, 255)])
def test_exit_code_of_the_guest(write: Writer, code: int, seen: int) -> None:
    """A shell sees the low 8 bits, and never a 0 for what the guest meant as a failure."""
    done = host(write(_start(f"(call $exit (i32.const {code}))", EXIT)))
    assert (done.returncode, done.stderr) == (seen, "")


def test_start_section_that_exits(write: Writer) -> None:
    more = MEMORY + "(start $early) (func $early (call $exit (i32.const 9)))"
    done = host(write(_start("unreachable", EXIT, more)))
    assert (done.returncode, done.stderr) == (9, "")


def test_start_section_that_traps(write: Writer) -> None:
    more = MEMORY + "(start $early) (func $early unreachable)"
    _fails(host(write(_start("", EXIT, more))), 1, "the guest trapped", "`early`")


@pytest.mark.parametrize("more", ['(global (export "memory") i32 (i32.const 0))', ""])
def test_wasi_call_without_a_memory(write: Writer, more: str) -> None:
    """One line that a person can read: no address of the host's."""
    done = host(write(_start("(drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))",
                             WRITE, more)))  # fmt: skip
    _fails(done, 1, "the guest trapped", "memory")
    assert "0x" not in done.stderr


LOAD_NOTHING = f"""(module {EXIT}
  (import "{abi.MODULE}" "load" (func $load (param i32 i32 i32 i32 i32) (result i32)))
  {MEMORY}
  (func (export "_start")
    (call $exit (call $load (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)))))"""
"""A guest whose exit code is the errno of loading a model without builders."""


def test_named_graphs_only(write: Writer, pair: models.IR) -> None:
    """`load` is refused whatever it is given; `load_by_name` works."""
    path = write(BY_NAME)
    (path.parent / "model.xml").write_bytes(pair[0])
    done = host(path, "--graph", f"net={path.parent}", "--named-graphs-only")
    assert (done.returncode, done.stderr) == (abi.NnErrno.SUCCESS, "")
    assert host(write(LOAD_NOTHING)).returncode == abi.NnErrno.INVALID_ARGUMENT
    assert host(write(LOAD_NOTHING), "--named-graphs-only").returncode == abi.NnErrno.UNSUPPORTED_OPERATION


@pytest.mark.parametrize("choice", dialects.CHOICES)
def test_every_abi_can_be_chosen(write: Writer, choice: str) -> None:
    """The guest gets the number that its dialect has for a model that is not there, if it has one."""
    epoch = {"auto": "current", "2021": "2021-02", "2022": "2022-10", "2023-08": "2023-08-14"}
    known = abi.EPOCHS[epoch.get(choice, choice)].values["nn_errno"]
    general = known.get("runtime_error", known["invalid_argument"])
    assert host(write(BY_NAME), "--abi", choice).returncode == known.get("not_found", general)


def test_guest_that_returns_exits_0(write: Writer) -> None:
    assert host(write(_start(""))).returncode == 0


def test_wat_is_a_guest_too(tmp_path: Path) -> None:
    path = tmp_path / "guest.wat"
    path.write_text(_say("hello"))
    assert host(path).stdout == "hello"


def test_arguments_and_environment(write: Writer) -> None:
    """Host options stand anywhere before `--`; the rest is the guest's, whose own name comes first."""
    path = write(ECHO)
    done = host("--env", "A=1", path, "x", "--env", "B=two=2", "y", "--", "-v", "--", "ä")
    assert done.stdout == "guest.wasm\0x\0y\0-v\0--\0ä\0A=1\0B=two=2\0"


def test_guest_after_the_dashes(write: Writer) -> None:
    assert host("--", write(ECHO), "-x").stdout == "guest.wasm\0-x\0"


def test_no_environment_by_itself(write: Writer) -> None:
    assert host(write(ECHO)).stdout == "guest.wasm\0"


@pytest.mark.parametrize("option", ["photos", "{0}/photos::photos"])
def test_dir_is_open_to_the_guest(write: Writer, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest exits with the length of the name of its first folder."""
    body = """(drop (call $stat (i32.const 3) (i32.const 0))) (call $exit (i32.load (i32.const 4)))"""
    stat = f'(import "{WASI}" "fd_prestat_get" (func $stat (param i32 i32) (result i32)))'
    path = write(_start(body, EXIT + stat))
    (path.parent / "photos").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(path.parent)
    assert host(path, "--dir", option.format(path.parent)).returncode == len("photos")


@pytest.mark.parametrize("as_folder", [False, True])
def test_graph_by_name(write: Writer, pair: models.IR, *, as_folder: bool) -> None:
    path = write(BY_NAME)
    model = path.parent / "model.xml"
    model.write_bytes(pair[0])
    model.with_suffix(".bin").write_bytes(pair[1])
    done = host(path, "--graph", f"net={path.parent if as_folder else model}")
    assert (done.returncode, done.stderr) == (abi.NnErrno.SUCCESS, "")


def test_graph_by_name_in_every_other_way(write: Writer, pair: models.IR, tmp_path: Path) -> None:
    path = write(BY_NAME)
    folder = tmp_path / "models" / "net"
    folder.mkdir(parents=True)
    (folder / "model.xml").write_bytes(pair[0])
    manifest = tmp_path / "models.toml"
    manifest.write_text("[graphs.net]\npath = 'models/net'\nprecision = 'auto'")
    for options in (
        ["--graph-dir", folder.parent],
        ["--nn-graph", f"openvino::{folder}"],
        ["--graphs", manifest],
        ["--graph", f"net={folder},threads=1", "--precision", "auto", "--device-map", "gpu=CPU"],
    ):
        done = host(path, *options)
        assert (done.returncode, done.stderr) == (abi.NnErrno.SUCCESS, "")


def test_graph_whose_options_cannot_be_had_is_told_unasked(write: Writer, pair: models.IR) -> None:
    path = write(BY_NAME)
    (path.parent / "model.xml").write_bytes(pair[0])
    done = host(path, "--graph", f"net={path.parent},device=GPU.9")
    assert done.returncode == abi.NnErrno.UNSUPPORTED_OPERATION
    assert done.stderr.startswith("note: load_by_name -> ")
    assert "GPU.9" in done.stderr


def test_verbose_tells_what_is_compiled_and_how_long_it_took(write: Writer, pair: models.IR) -> None:
    path = write(BY_NAME)
    (path.parent / "model.xml").write_bytes(pair[0])
    done = host(path, "--graph", f"net={path.parent}", "-v")
    before, after = done.stderr.splitlines()
    assert before.startswith("note: loading `net` from ")
    assert after.startswith("note: loaded `net` in ")


def test_graph_without_a_model_of_that_name(write: Writer) -> None:
    done = host(write(BY_NAME))
    assert (done.returncode, done.stderr) == (abi.NnErrno.NOT_FOUND, "")


def test_verbose_tells_the_reason(write: Writer) -> None:
    done = host("-v", write(BY_NAME))
    assert done.stderr.startswith(f"note: load_by_name -> {abi.NnErrno.NOT_FOUND.value} not_found: ")


def test_graph_that_is_no_model_is_told_unasked(write: Writer) -> None:
    """The operator's mistake, so the operator hears of it; the guest decides how it ends."""
    path = write(BY_NAME)
    (path.parent / "m.onnx").write_bytes(b"junk")
    done = host(path, "--graph", f"net={path.parent / 'm.onnx'}")
    assert done.returncode == abi.NnErrno.RUNTIME_ERROR
    assert done.stderr.count("\n") == 1
    assert "m.onnx" in done.stderr


def test_control_characters_of_a_guest_are_escaped(write: Writer) -> None:
    text = BY_NAME.replace('"net"', r'"\1b[m"')
    done = host("-v", write(text))
    assert r"\x1b[m" in done.stderr
    assert "\x1b" not in done.stderr


BAD_FILES = {
    "empty": (b"", "is empty"),
    "no wasm": (b"\x7fELF and more", "not WebAssembly"),
    "wat in a .wasm": (b"(module)", "not WebAssembly"),
    "magic only": (b"\0asm", "cut off"),
    "component": (b"\0asm\x0d\0\x01\0rest", "component"),
    "future version": (b"\0asm\x02\0\0\0", "version"),
    "truncated": (bytes(wat2wasm(_say("hello")))[:-4], "does not compile"),
    "garbage after the header": (b"\0asm\x01\0\0\0\xff\xff\xff", "does not compile"),
    "reactor": (bytes(wat2wasm('(module (func (export "_initialize")))')), "reactor"),
    "no start": (bytes(wat2wasm("(module)")), "no `_start`"),
    "start with a parameter": (bytes(wat2wasm('(module (func (export "_start") (param i32)))')), "_start"),
    "start is a memory": (bytes(wat2wasm('(module (memory (export "_start") 1))')), "_start"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_guest(write: Writer, name: str) -> None:
    data, says = BAD_FILES[name]
    _fails(host(write.bytes(data)), 2, says, "guest.wasm")


def test_bad_wat(tmp_path: Path) -> None:
    path = tmp_path / "guest.wat"
    path.write_text("(module (func (nonsense)))")
    _fails(host(path), 2, "does not compile")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("unreachable", "unreachable"),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", "divide by zero"),
        ("(drop (i32.load (i32.const -1)))", "out of bounds"),
        ("call $main", "stack"),
    ],
)
def test_trap_names_its_cause_and_function(write: Writer, body: str, says: str) -> None:
    _fails(host(write(_start(body))), 1, "the guest trapped", says, "`main`")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no guest given"),
        (["nope.wasm"], "nope.wasm"),
        ([""], "empty"),
        (["--abi", "1999", "g.wasm"], "2021"),
        (["."], "directory"),
        (["g.wasm", "--frobnicate"], "put `--`"),
        (["g.wasm", "--dir"], "--dir"),
        (["g.wasm", "--dir", "/nope"], "not a folder"),
        (["g.wasm", "--dir", ".::a", "--dir", ".::a"], "already"),
        (["g.wasm", "--env", "A"], "K=V"),
        (["g.wasm", "--env", "=A"], "K=V"),
        (["g.wasm", "--graph", "model.xml"], "NAME=MODEL"),
        (["g.wasm", "--graph", "=model.xml"], "NAME=MODEL"),
        (["g.wasm", "--graph", "n="], "NAME=MODEL"),
        (["g.wasm", "--graph", "n=nope.xml"], "does not exist"),
        (["g.wasm", "--graph", "n=pyproject.toml"], "suffix"),
        (["g.wasm", "--graph", "n=host"], "model.xml"),
        (["g.wasm", "--graph", "n=host,devise=GPU"], "devise"),
        (["g.wasm", "--graph-dir", "host/backends"], "no model in it"),
        (["g.wasm", "--nn-graph", "onnx::host"], "host/model.onnx"),
        (["g.wasm", "--graphs", "pyproject.toml"], "[graphs.NAME]"),
        (["g.wasm", "--device-map", "npu=NPU"], "tpu"),
        (["g.wasm", "--precision", "f64"], "bf16"),
        ([b"g\xff.wasm"], "UTF-8"),
    ],
)
def test_bad_usage(arguments: list[str | bytes], says: str) -> None:
    _fails(host(*arguments), 2, says)


@pytest.mark.parametrize("command", ["", "frobnicate"])
def test_no_such_command(command: str) -> None:
    _fails(host(command=command), 2, "`run`")


@pytest.mark.parametrize(
    ("command", "arguments"), [("--help", []), ("run", ["--help"]), ("run", ["x", "-h"])]
)
def test_help(command: str, arguments: list[str]) -> None:
    done = host(*arguments, command=command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m host ")


@pytest.mark.parametrize("arguments", [["run", "--help"], ["run", "GUEST"]])
def test_reader_that_goes_away(write: Writer, arguments: list[str]) -> None:
    """A closed pipe on stdout is no reason for a complaint."""
    path = str(write(_say("hello")))
    words = [sys.executable, "-m", "host", *(path if word == "GUEST" else word for word in arguments)]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_ends_a_guest_that_never_calls_the_host(write: Writer) -> None:
    words = [sys.executable, "-m", "host", "run", str(write(_say("hello", "(loop $l br $l)")))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.read(5) == b"hello"
        before = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
    assert time.monotonic() - before < 10
    assert (process.returncode, complaint) == (-signal.SIGINT, b"")  # which a shell shows as 130
