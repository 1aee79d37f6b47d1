"""A guest that cannot be linked: every import it lacks is told, with who has it and what to do."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from wasmtime import wat2wasm

from host import abi, cli
from host.import_families import FAMILIES, WASI, WASMEDGE, WASMTIME
from host.imports import RUNTIMES, Unmet, lacks, lines, unmet
from host.inspection import guest as inspect_guest
from host.wasm.header import signature
from host.wasm.module import Import

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.capture import CaptureFixture

LEGACY = abi.EPOCHS["wamr-legacy"].module
NOTHING = "() -> ()"


@pytest.fixture
def run(tmp_path: Path, capsys: CaptureFixture[str]) -> Run:
    """Return what runs a guest with given imports."""
    return Run(tmp_path / "guest.wasm", capsys)


class Run:
    """Runs a guest of nothing but imports."""

    def __init__(self, path: Path, capsys: CaptureFixture[str]) -> None:
        self.path = path
        self.capsys = capsys

    def __call__(self, imports: str) -> list[str]:
        """Return the lines on stderr; the host must refuse the guest."""
        self.path.write_bytes(bytes(wat2wasm(f'(module {imports} (func (export "_start")))')))
        assert cli.main(["run", str(self.path)]) == 2
        out, err = self.capsys.readouterr()
        assert out == ""
        return err.splitlines()


def _explain(module: str, name: str, type_: str = NOTHING, here: str | None = None) -> Unmet:
    (found,) = unmet([Import(module, name, type_)], lambda *_: here)
    return found


def test_every_import_is_told_with_a_line_of_its_own(run: Run) -> None:
    told = run(
        '(import "env" "cos" (func (param f64) (result f64))) (import "wasix_32v1" "fd_dup2" (func))'
        f'(import "{WASI}" "fd_close" (func (param i32) (result i32)))'
        f'(import "{abi.MODULE}" "frobnicate" (func)) (import "env" "table" (table 1 funcref))'
    )
    assert told[0].startswith("error: guest `")
    assert "4 imports that this host does not have" in told[0]
    missing = [line for line in told if line.startswith("missing: ")]
    assert [re.findall(r"`([^`]*)`", line)[:2] for line in missing] == [
        ["env", "cos"], ["env", "table"], ["wasix_32v1", "fd_dup2"], [abi.MODULE, "frobnicate"],
    ]  # fmt: skip
    assert "(f64) -> f64" in missing[0]
    assert "Wasmer" in missing[2]


def test_imports_with_the_same_remedy_share_it(run: Run) -> None:
    told = run('(import "env" "a" (func)) (import "wbg" "b" (func)) (import "env" "c" (func))')
    assert [line.split(":")[0] for line in told] == ["error", "missing", "missing", "help", "missing", "help"]
    assert "link the library" in told[3]


def test_another_type_is_told_with_both(run: Run) -> None:
    told = run(f'(import "{abi.MODULE}" "compute" (func (param i64)))')
    assert "1 import of another type" in told[0]
    assert told[1].startswith(f"differs: `{abi.MODULE}`.`compute` (i64) -> (), here (i32) -> i32: ")


def test_function_that_is_imported_as_a_memory_differs(run: Run) -> None:
    told = run(f'(import "{WASI}" "fd_close" (memory 1))')
    assert told[1].startswith(f"differs: `{WASI}`.`fd_close` memory, here (i32) -> i32: ")


def test_names_of_the_guest_cannot_steer_the_terminal(run: Run) -> None:
    told = run(r'(import "env" "\1b[2Jx\0ay" (func))')
    assert told[1].startswith(r"missing: `env`.`\x1b[2Jx\ny`")


def test_help_names_the_functions_there_are(run: Run) -> None:
    assert "set_input" in run(f'(import "{abi.MODULE}" "frobnicate" (func))')[2]


def test_very_many_are_cut_with_a_count() -> None:
    found = unmet([Import("env", f"f{number}", NOTHING) for number in range(700)], lambda *_: None)
    told = lines(found)
    assert sum(kind == "missing" for kind, _ in told) == 501
    assert told[-1] == ("missing", "and 200 more imports")


def test_very_long_names_take_no_time() -> None:
    """The patterns of the families would, with the square of the length."""
    before = time.monotonic()
    for name in ("/" * 100_000, "nn" * 50_000, "wasi" * 25_000):
        assert _explain(name, name).help
    assert time.monotonic() - before < 1


def test_guest_that_links_here_lacks_nothing() -> None:
    here = inspect_guest.interface()
    wanted = [
        Import(f.module, f.name, signature([p.type for p in f.params], f.results)) for f in abi.FUNCTIONS
    ]
    assert unmet([*wanted, Import(WASI, "fd_close", "(i32) -> i32")], here) == ()


CASES = [
    ("env", "cos", "link the library", ""),
    ("env", "memory", "--import-memory", ""),
    ("env", "__memory_base", "-shared", ""),
    ("GOT.mem", "__stack_pointer", "-shared", ""),
    ("env", "emscripten_resize_heap", "wasi-sdk in place of emcc", "JavaScript"),
    ("env", "invoke_vii", "wasi-sdk in place of emcc", "JavaScript"),
    ("a", "bA", "wasi-sdk in place of emcc", "JavaScript"),
    ("env", "__cxa_throw", "-fno-exceptions", ""),
    ("env", "abort", "wasi-shim", "JavaScript"),
    (WASI, "sock_getaddrinfo", "no network", "WasmEdge, WAMR"),
    (WASI, "fd_frob", "unpatched", ""),
    ("wasi_unstable", "fd_write", "from 2020 or later", "Wasmtime"),
    ("wasi", "thread-spawn", "not wasm32-wasip1-threads", "WAMR"),
    ("wasi_ephemeral_crypto_common", "options_open", "compiled into the guest", "WasmEdge"),
    ("wasmedge_tensorflowlite", "wasmedge_tensorflowlite_load", "use wasi-nn", "WasmEdge"),
    ("wasmedge_process", "wasmedge_process_run", "without it", "WasmEdge"),
    ("wasix_32v1", "thread_spawn_v2", "not wasm32-wasix", "Wasmer"),
    ("extism:host/env", "input_length", "without that kit", "Extism"),
    ("wasi:nn/graph@0.2.0-rc-2024-10-28", "load", "not wasm32-wasip2", "components"),
    ("wasi:cli/stdout@0.2.0", "get-stdout", "not wasm32-wasip2", "components"),
    ("gojs", "runtime.wasmExit", "GOOS=wasip1", "JavaScript"),
    ("go", "debug", "GOOS=wasip1", "JavaScript"),
    ("__wbindgen_placeholder__", "__wbindgen_throw", "not wasm32-unknown-unknown", "JavaScript"),
    ("wbg", "__wbg_log", "not wasm32-unknown-unknown", "JavaScript"),
    ("./net_bg.js", "__wbg_log", "not wasm32-unknown-unknown", "JavaScript"),
    ("bench", "pause", "only `start` and `end`", "Sightglass"),
    ("my_host", "log", "provide it", ""),
    ("wasi-nn", "load", abi.MODULE, ""),
    ("wasi_ephemeral_nn_v2", "load", abi.MODULE, ""),
    (LEGACY, "frob", "is known to have load", ""),
]


@pytest.mark.parametrize(("module", "name", "help_", "host"), CASES, ids=[f"{c[0]}.{c[1]}" for c in CASES])
def test_what_to_do(module: str, name: str, help_: str, host: str) -> None:
    found = _explain(module, name)
    assert help_ in found.help
    assert host in ", ".join(found.hosts)
    assert bool(host) == bool(found.hosts)


def test_every_row_of_the_table_is_meant_by_something() -> None:
    """None is behind one that matches all it does."""
    told = {_explain(module, name).help for module, name, _, _ in CASES}
    assert {family.help for family in FAMILIES} <= told


@pytest.mark.parametrize(("runtime", "epoch"), RUNTIMES.items())
def test_hosts_of_wasi_nn_follow_the_epochs(runtime: str, epoch: str) -> None:
    """A host has each function its dialect has; another signature of the same name it has not."""
    spoken = abi.EPOCHS[epoch]
    for name, params in spoken.functions.items():
        wanted = Import(spoken.module, name, signature(params.split(), ["i32"]))
        assert runtime in _explain(wanted.module, wanted.name, wanted.type).hosts
        assert not lacks(runtime, wanted, lambda *_: None)
        assert lacks(runtime, Import(wanted.module, wanted.name, NOTHING), lambda *_: None)


def test_extension_is_told_with_the_hosts_that_have_it() -> None:
    found = _explain(abi.MODULE, "unload", "(i32) -> i32")
    assert found.hosts == (WASMEDGE,)
    assert WASMTIME not in found.hosts


def test_signature_of_another_host_is_told_with_that_host() -> None:
    load = signature(abi.EPOCHS["wamr-legacy"].functions["load"].split(), ["i32"])
    assert "before" in " ".join(_explain(LEGACY, "load", load, here=NOTHING).hosts)
    assert _explain(abi.MODULE, "load", load, here=NOTHING).hosts == ()
