"""This host passes every conformance guest; hosts that deserve it fail them; Wasmtime passes plain ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from wasmtime import (
    Engine,
    ExitTrap,
    Func,
    FuncType,
    Linker,
    Module,
    Store,
    ValType,
    WasiConfig,
    WasmtimeError,
)

from host import Host
from host.abi import MODULE, ExecutionTarget
from host.bindings import FUNCTIONS
from host.models.options import DEVICES
from host.nn import Serving
from tests.conformance import runtimes
from tests.conformance.build import GRAPHS, OUT, Guest, build, compiler, guests
from tests.conformance.runtimes import Verdict, judge, judge_silent

if TYPE_CHECKING:
    from pathlib import Path

PASS = Verdict("pass", "")
PLAIN = (
    "infer",
    "type_f16",
    "type_f32",
    "type_u8",
    "type_i32",
    "several_inputs",
    "several_contexts",
    "weights",
)
"""Calls that no host could get wrong and be of use."""

MUST_WORK = tuple(guest for guest in guests() if guest.name.startswith("calls/"))
NEEDY = tuple(guest for guest in guests() if guest.name != "extensions/bench_stubs")
"""Guests that need more of a host than that its functions can be called."""


def missing(what: str) -> None:
    """Skip, or fail where `CI` is set."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


@pytest.fixture(scope="module")
def out() -> Path:
    """Return the folder with all guests, built where they were not: the slow part."""
    if not compiler().exists():
        missing("no compiler for wasm32: run `make toolchain`")
    build(OUT)
    return OUT


@pytest.fixture(scope="module")
def host(out: Path) -> Host:
    """Return one host for all guests; on no machine it has a TPU."""
    serving = Serving(devices={**DEVICES, ExecutionTarget.TPU: "NONE"})
    return Host({"double": out / GRAPHS / "double"}, serving=serving)


@pytest.mark.parametrize("guest", guests(), ids=lambda guest: guest.name)
def test_this_host_passes(host: Host, out: Path, guest: Guest) -> None:
    """Each guest's own verdict; where it is another than `pass` its stdout is shown."""
    done = host.run(guest.wasm(out))
    stdout, stderr = done.stdout.decode(), done.stderr.decode()
    verdict = (judge_silent if guest.is_silent else judge)(done.exit_code, stdout, stderr)
    assert verdict == PASS, (stdout, stderr)


def test_guests_that_any_host_passes_pass_on_wasmtime(out: Path) -> None:
    """So it is not this host alone that the guests agree with; what else Wasmtime does is for the matrix."""
    wasmtime = runtimes.wasmtime(out / "openvino")
    if wasmtime is None:
        missing("no Wasmtime command and OpenVINO: run `make setup`")
        return
    plain = [guest for guest in guests() if guest.name in {f"calls/{name}" for name in PLAIN}]
    assert {guest.name: wasmtime.run(guest, out) for guest in plain} == {guest.name: PASS for guest in plain}


def _on_a_host_that_answers(errno: int, guest: Guest, out: Path, stdout: Path) -> Verdict:
    """Run a guest on a host whose every call gives this number and does nothing."""
    engine = Engine()
    linker, store, wasi = Linker(engine), Store(engine), WasiConfig()
    wasi.stdout_file = str(stdout)
    store.set_wasi(wasi)
    linker.define_wasi()
    for function in FUNCTIONS:
        kind = FuncType([ValType.i32()] * len(function.params), [ValType.i32()])
        linker.define_func(MODULE, function.name, kind, lambda *_: errno)
    start = linker.instantiate(store, Module.from_file(engine, str(guest.wasm(out)))).exports(store)["_start"]
    assert isinstance(start, Func)
    code = 0
    try:
        start(store)
    except ExitTrap as exit_:
        code = exit_.code
    except WasmtimeError as error:  # Wasmtime's own `proc_exit` wants a memory, as all its WASI does
        return Verdict("trap", str(error))
    store.close()  # flushes what was written
    said = stdout.read_text(encoding="utf-8")
    return judge_silent(code, said, "") if guest.is_silent else judge(code, said, "")


@pytest.mark.parametrize("guest", NEEDY, ids=lambda guest: guest.name)
def test_a_host_that_says_yes_to_everything_passes_nothing(guest: Guest, out: Path, tmp_path: Path) -> None:
    assert _on_a_host_that_answers(0, guest, out, tmp_path / "stdout") != PASS


@pytest.mark.parametrize("guest", MUST_WORK, ids=lambda guest: guest.name)
def test_a_host_that_refuses_everything_passes_no_call(guest: Guest, out: Path, tmp_path: Path) -> None:
    assert _on_a_host_that_answers(5, guest, out, tmp_path / "stdout").outcome == "fail"


@pytest.mark.parametrize(
    ("outcome", "code", "stdout", "stderr"),
    [
        ("pass", 0, "ok a\nok b # SKIP why\n1..2\n", "a note"),
        ("errno", 1, "ok a\nnot ok b: expected 1 invalid_argument, got 5 runtime_error\n1..2\n", ""),
        ("fail", 1, "not ok a: expected 1 invalid_argument, got 0 success\n1..1\n", ""),
        ("fail", 1, "not ok a: expected 0 success, got 5 runtime_error\n1..1\n", ""),
        ("fail", 1, "not ok a: not 8 but 0\n1..1\n", ""),
        ("fail", 0, "ok a\n1..2\n", ""),
        ("fail", 3, "ok a\n1..1\n", ""),
        ("fail", 0, "not ok a\n1..1\n", ""),
        ("no answer", 0, "", ""),
        ("no answer", 0, "ok a\n", ""),
        ("no answer", 2, "", "error: cannot read guest"),
        ("trap", 134, "ok a\n", "wasm trap: unreachable"),
        ("trap", 1, "", "error: the guest trapped: unreachable"),
        ("abort", 134, "", ""),
        ("abort", -6, "ok a\n", "thread 'main' panicked at x.rs:1:2:\nnot implemented"),
        ("abort", 101, "", "thread 'main' panicked at x.rs:1:2:\nnot implemented"),
        ("unlinked", 1, "", "Error: x\n\n 1: unknown import: `bench::start` has not been defined"),
    ],
)
def test_an_output_is_judged(outcome: str, code: int, stdout: str, stderr: str) -> None:
    assert judge(code, stdout, stderr).outcome == outcome


@pytest.mark.parametrize(
    ("outcome", "code", "stderr"),
    [("pass", 0, ""), ("errno", 21, ""), ("fail", 16, ""), ("no answer", 1, "error"), ("abort", -6, "")],
)
def test_an_exit_code_is_judged(outcome: str, code: int, stderr: str) -> None:
    assert judge_silent(code, "", stderr).outcome == outcome


def test_the_detail_is_one_printable_line() -> None:
    detail = judge(1, "", f"bad \x1b[31m{'x' * 1000}\n").detail
    assert detail.isprintable()
    assert len(detail) < 200


@pytest.mark.parametrize("guest", guests(), ids=lambda guest: guest.name)
def test_a_guest_imports_nothing_but_wasi_and_wasi_nn(guest: Guest, out: Path) -> None:
    modules = {item.module for item in Module.from_file(Engine(), str(guest.wasm(out))).imports}
    assert modules <= {"wasi_snapshot_preview1", MODULE, *(["bench"] if "bench" in guest.name else [])}


def test_a_runtime_s_command_must_name_the_guest() -> None:
    with pytest.raises(ValueError, match="does not say where"):
        runtimes.custom("mine", "myrt --nn")


def test_a_runtime_is_given_the_guest_and_the_models(out: Path) -> None:
    """A command that is no runtime at all shows what it was given."""
    shows = runtimes.custom(
        "shows", """sh -c 'test -s "{guest}" && test -f "{graphs}/double/model.xml" && echo 1..0'"""
    )
    assert shows.run(guests()[0], out) == PASS
