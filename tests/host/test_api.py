"""`import host`: what a run from Python gives back, raises and leaves behind, and that its page is true."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import host
from host import abi
from host.api import Host
from host.capture import Capture, capture
from host.tracing.log import NOTES_KEPT
from tests.host.wasi import ECHO, MEMORY, READ, ROOT, SPIN, command, data, exit_with, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.host import models

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, pair: models.IR) -> Host:
    """Return one host for all tests, with the model `net`."""
    path = tmp_path_factory.mktemp("models") / "net.xml"
    path.write_bytes(pair[0])
    path.with_suffix(".bin").write_bytes(pair[1])
    return Host({"net": path})


def _load(name: str) -> bytes:
    """Return a guest that exits with the errno of loading a model by that name."""
    call = f"(call $load_by_name (i32.const 256) (i32.const {len(name)}) (i32.const 0))"
    return command(exit_with(call), MEMORY + data(256, name.encode()))


def test_a_run_gives_back_what_the_guest_left(shared: Host) -> None:
    done = shared.run(command(say("out") + say("err", 2) + exit_with("(i32.const -1)")))
    assert done == host.RunResult(0xFFFF_FFFF, b"out", b"err", (), None, None)


def test_guest_from_a_path_or_from_bytes(shared: Host, tmp_path: Path) -> None:
    code = command(say("hello"))
    (tmp_path / "guest.wasm").write_bytes(code)
    for guest in (code, tmp_path / "guest.wasm", str(tmp_path / "guest.wasm")):
        assert shared.run(guest).stdout == b"hello"


def test_guest_is_read_anew_when_its_file_has_changed(shared: Host, tmp_path: Path) -> None:
    path = tmp_path / "guest.wasm"
    for text in ("one", "two"):
        path.write_bytes(command(say(text)))
        assert shared.run(path).stdout == text.encode()


@pytest.mark.parametrize("stdin", [None, b"", b"hello", bytes(range(64)), b"x" * 100_000])
def test_stdin_is_what_was_given(shared: Host, stdin: bytes | None) -> None:
    """The guest echoes its first 64 bytes; without any it reads the end at once."""
    echo = f"""{READ} (i32.store (i32.const 12) (i32.load (i32.const 16)))
      (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))"""
    assert shared.run(command(echo), stdin=stdin).stdout == (stdin or b"")[:64]


def test_arguments_and_variables(shared: Host, tmp_path: Path) -> None:
    (tmp_path / "echo.wat").write_text(ECHO)
    done = shared.run(tmp_path / "echo.wat", ["a", "", "ä b"], env={"K": "v=w", "L": ""})
    assert done.stdout == "echo.wat\0a\0\0ä b\0K=v=w\0L=\0".encode()


def test_nothing_of_the_process_reaches_a_guest_by_itself(tmp_path: Path) -> None:
    """Not its variables, and not its streams."""
    (tmp_path / "echo.wat").write_text(ECHO)
    code = f"import host; host.run({str(tmp_path / 'echo.wat')!r}); host.run({command(READ)!r})"
    silent, writer = os.pipe()
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, stdin=silent, capture_output=True, check=True, timeout=30)
    os.close(silent)
    os.close(writer)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_streams_of_the_process_when_asked_for() -> None:
    code = f"import host; r = host.run({command(say('hello'))!r}, inherit_stdio=True); assert r.stdout == b''"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=30)
    assert done.stdout == b"hello"


def test_what_is_to_be_forgotten_is_not_kept() -> None:
    """Whether it was taken from the pipe already or not: the one who takes it has a thread of its own."""
    for _ in range(300):
        kept = Capture()
        with capture(kept, None, last=99) as stdio, open(stdio.stderr, "wb", buffering=0) as out:  # noqa: PTH123 - as WASI does
            for text in (b"old", b"old and longer than what is kept"):
                out.write(text)
                kept.forget()
            out.write(b"it is new")
        assert kept.stderr == b"it is new"


def test_output_beyond_what_is_kept_is_counted() -> None:
    """The guest is not stopped or blocked by it, and memory stays bounded."""
    kept = Capture()
    with capture(kept, None, most=10) as stdio, open(stdio.stdout, "wb") as out:  # noqa: PTH123 - as WASI does
        out.writelines([b"0123456789" * 100] * 1000)
    assert (kept.stdout, kept.stderr) == (b"0123456789", b"")
    assert kept.notes == ("999990 bytes of stdout beyond the first 10 were not kept",)


def test_output_of_many_megabytes(shared: Host) -> None:
    """More than fits any pipe, so it is taken while the guest runs."""
    body = """(local $n i32)
      (i32.store (i32.const 8) (i32.const 0)) (i32.store (i32.const 12) (i32.const 65536))
      (loop $l (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))
        (br_if $l (i32.ne (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 64))))"""
    assert len(shared.run(command(body)).stdout) == 64 * 65536


def test_failed_calls_are_in_the_notes(shared: Host) -> None:
    done = shared.run(_load("nope"))
    assert done.exit_code == abi.NnErrno.NOT_FOUND
    (note,) = done.notes
    assert note.startswith(f"load_by_name -> {abi.NnErrno.NOT_FOUND.value} not_found: ")


def test_notes_are_bounded(shared: Host) -> None:
    many = f"""(local $n i32) (local.set $n (i32.const {NOTES_KEPT + 9}))
      (loop $l (drop (call $compute (i32.const 1)))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"""
    assert len(shared.run(command(many)).notes) == NOTES_KEPT


def test_models_by_name(shared: Host) -> None:
    assert shared.run(_load("net")).exit_code == abi.NnErrno.SUCCESS
    assert host.run(_load("net")).exit_code == abi.NnErrno.NOT_FOUND


def test_graphs_from_everywhere(tmp_path: Path, pair: models.IR) -> None:
    for name in ("one", "two", "folder/three"):
        path = tmp_path / f"{name}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pair[0])
        path.with_suffix(".bin").write_bytes(pair[1])
    (tmp_path / "graphs.toml").write_text('[graphs.four]\npath = "one.xml"\n')
    graphs = host.Graphs({"one": tmp_path / "one.xml"}).add("two", str(tmp_path / "two.xml"), threads=1)
    own = Host(graphs.add_folder(tmp_path / "folder").add_manifest(tmp_path / "graphs.toml"))
    assert [own.run(_load(name)).exit_code for name in ("one", "two", "three", "four", "five")] == [
        *[abi.NnErrno.SUCCESS] * 4, abi.NnErrno.NOT_FOUND
    ]  # fmt: skip


def test_graphs_that_cannot_be(tmp_path: Path, pair: models.IR) -> None:
    path = tmp_path / "net.xml"
    path.write_bytes(pair[0])
    path.with_suffix(".bin").write_bytes(pair[1])
    with pytest.raises(host.RegistrationError, match="does not exist"):
        host.Graphs({"net": tmp_path / "nowhere.xml"})
    with pytest.raises(host.RegistrationError, match="precision"):
        host.Graphs().add("net", path, precision="f8")
    with pytest.raises(host.RegistrationError, match="two models are named"):
        Host(host.Graphs({"net": path}).add("net", path))


def test_limits_of_the_host_and_of_one_run(shared: Host) -> None:
    none = host.Limits(graphs=0)
    assert Host(limits=none).run(_load("net")).exit_code == abi.NnErrno.BUSY
    assert shared.run(_load("net"), limits=none).exit_code == abi.NnErrno.BUSY
    assert shared.run(_load("net")).exit_code == abi.NnErrno.SUCCESS


@pytest.mark.parametrize("name", ["graphs", "contexts", "builders", "model_bytes", "rank", "tensor_bytes"])
def test_negative_limit_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` is from 0 on, not -1"):
        host.Limits(**{name: -1})  # type: ignore[arg-type]  # one is a bool, and not among these


def test_stats_and_trace_when_asked_for(shared: Host) -> None:
    done = shared.run(_load("net"), stats=True, trace=True)
    assert done.stats
    assert [(each.function, each.calls, each.errors) for each in done.stats.functions] == [
        ("load_by_name", 1, 0)
    ]
    assert done.trace
    assert [(call.function.name, call.errno) for call in done.trace] == [("load_by_name", 0)]


def test_trap_has_what_was_written_before(shared: Host) -> None:
    with pytest.raises(host.GuestTrapError, match="unreachable") as caught:
        shared.run(command(f"(drop (call $compute (i32.const 1))) {say('out')} {say('err', 2)} unreachable"))
    assert (caught.value.stdout, caught.value.stderr) == (b"out", b"err")
    assert len(caught.value.notes) == 1


def test_run_that_fails_has_its_stats_and_trace_when_asked_for(shared: Host) -> None:
    compute = "(drop (call $compute (i32.const 1)))"
    with pytest.raises(host.GuestTrapError) as trapped:
        shared.run(command(f"{compute} unreachable"), stats=True, trace=True)
    with pytest.raises(host.LimitError) as ended:
        shared.run(command(f"{compute} {SPIN}"), stats=True, trace=True, fuel=10_000)
    for error in (trapped.value, ended.value):
        assert error.stats
        assert error.trace
        assert [(each.function, each.calls) for each in error.stats.functions] == [("compute", 1)]
        assert [call.function.name for call in error.trace] == ["compute"]
    with pytest.raises(host.GuestTrapError) as unwatched:
        shared.run(command(f"{compute} unreachable"))
    assert (unwatched.value.stats, unwatched.value.trace) == (None, None)


@pytest.mark.parametrize("guest", [b"", b"not wasm", b"\0asm\x0d\0\x01\0", "nowhere.wasm", "."])
def test_bad_guest(shared: Host, guest: str | bytes) -> None:
    with pytest.raises(host.BadGuestError, match="guest"):
        shared.run(guest)


@pytest.mark.parametrize(
    "options",
    [
        {"arguments": ["a\0b"]},
        {"arguments": ["\ud800"]},
        {"env": {"A\0": "b"}},
        {"env": {"A": "b\0"}},
        {"env": {"A=B": "c"}},
        {"env": {"": "c"}},
        {"dirs": [".::a\0b"]},
        {"abi": "1999"},
    ],
)
def test_option_that_makes_no_sense(shared: Host, options: dict[str, object]) -> None:
    """Refused rather than cut off at the NUL, as C would."""
    with pytest.raises(ValueError, match=r"NUL|surrogates|dialect|variable"):
        shared.run(command(""), **options)  # type: ignore[arg-type]  # whatever it is


@pytest.mark.parametrize("options", [{"arguments": "abc"}, {"arguments": ""}, {"dirs": "/"}, {"dirs": [7]}])
def test_option_of_the_wrong_type(shared: Host, options: dict[str, object]) -> None:
    """A text is not taken for the list of its characters."""
    with pytest.raises(TypeError, match=r"not (a str|7)$"):
        shared.run(command(""), **options)  # type: ignore[arg-type]  # that is what is tested


def test_names_are_there_and_nothing_is_loaded_for_them() -> None:
    assert set(host.__all__) <= set(dir(host))
    assert all(getattr(host, name).__doc__ for name in host.__all__)
    with pytest.raises(AttributeError, match="frobnicate"):
        host.frobnicate  # noqa: B018 - that it raises is the point
    heavy = ("wasmtime", "openvino", "host.api", "host.abi")
    code = f"import sys, host; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


def test_the_page_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its examples run one after another, as in a notebook, and print what it says."""
    needed = [ROOT / "build/guest/photo.wasm", ROOT / "build/models/squeezenet/model.xml"]
    if not all(path.exists() for path in needed):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no example guest or model: run `make demo`")
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    examples = re.findall(r"^```python\n(.*?)^```\n```text\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert len(examples) == PAGE.count("```python")
    for code, output in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "docs/python.md", "exec"), names)  # noqa: S102 - our own page
        assert printed.getvalue() == output
