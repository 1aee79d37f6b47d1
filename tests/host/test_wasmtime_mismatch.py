"""Calls of Wasmtime itself: another version of it is told, and no NULL goes into it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from host.errors import Condition
from host.host_functions import HostFunctions
from host.models.registry import Registry
from host.nn import Session
from host.runner import openvino
from host.wasmtime_c import COMPARED, library
from host.wasmtime_check import difference
from host.wasmtime_objects import Engine, Linker, Module, Store, wat2wasm
from tests.host.guests import Guest, wat
from tests.host.wasi import command

if TYPE_CHECKING:
    from pathlib import Path

UNKNOWN = "wasmtime_c.COMPARED = frozenset()"
"""Has any version compared, as if none were known."""


def _other(name: str, *fields: str, base: str = "Structure") -> str:
    """Return a program that puts a structure with `fields` in the place of the package's own."""
    return f"class Other(ctypes.{base}): _fields_ = [{', '.join(fields)}]\n_ffi.{name} = Other"


WORDS = "('words', ctypes.c_uint64 * 9)"
OTHERS = {
    "a function is missing": ("wasmtime_c.find = lambda: Path(_cffi_backend.__file__)", "has no `was"),
    "an extern is larger": (
        _other("wasmtime_extern_t", "*_ffi.wasmtime_extern_t._fields_", WORDS),
        "other structures",
    ),
    "a value is larger": (_other("wasmtime_val_raw_t", WORDS, base="Union"), "other structures"),
    "a function is larger": (
        _other("wasmtime_func_t", "*_ffi.wasmtime_func_t._fields_", WORDS),
        "other structures",
    ),
    "a memory is larger": (
        _other("wasmtime_memory_t", "*_ffi.wasmtime_memory_t._fields_", WORDS),
        "other structures",
    ),
    "a memory has other members": (
        _other("wasmtime_memory_t", "('a', ctypes.c_uint32 * 2)", "('b', ctypes.c_uint64 * 2)"),
        "other structures",
    ),
    "a structure is not there": ("del _ffi.wasmtime_memory_t", "other structures"),
    "a function takes more": (
        "_bindings._wasi_config_preopen_dir.argtypes = [ctypes.c_void_p] * 5",  # until version 47
        "other functions",
    ),
    "a function gives more": (
        "_bindings._wasm_externtype_kind.restype = ctypes.c_uint64",
        "other functions",
    ),
    "a number is another": ("_ffi.WASMTIME_EXTERN_MEMORY = ctypes.c_uint8(4)", "other numbers"),
}


@pytest.mark.parametrize("command_name", ["run", "inspect"])
@pytest.mark.parametrize("other", OTHERS)
def test_another_wasmtime_is_told_in_one_line(tmp_path: Path, other: str, command_name: str) -> None:
    """Its functions would write where nothing is expected, or be called with what they do not take."""
    change, told = OTHERS[other]
    guest = tmp_path / "guest.wasm"
    guest.write_bytes(command(""))
    program = f"""import ctypes, sys, _cffi_backend
from pathlib import Path
from wasmtime import _bindings, _ffi
from host import wasmtime_c
{UNKNOWN}
{change}
from host.cli import main
sys.exit(main())"""
    words = [sys.executable, "-c", program, command_name, str(guest)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith("error: the package `wasmtime` has ")
    assert told in done.stderr
    assert "made for another version" in done.stderr


def test_this_wasmtime_is_the_one() -> None:
    """Its version is among those that are not compared at start, and rightly so."""
    assert version("wasmtime").partition(".")[0] in COMPARED
    assert difference(library()) == ""


@pytest.mark.parametrize(("change", "loaded"), [("", "False"), (UNKNOWN, "True")])
def test_package_is_loaded_only_to_be_compared(tmp_path: Path, change: str, loaded: str) -> None:
    guest = tmp_path / "guest.wasm"
    guest.write_bytes(command(""))
    program = f"""import sys
from host import wasmtime_c
{change}
from host.cli import main
code = main()
print(code, "wasmtime" in sys.modules)"""
    words = [sys.executable, "-c", program, "run", str(guest)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["0", loaded]


def test_types_are_those_that_the_package_tells() -> None:
    """The numbers of kinds are the one thing that the package has no right word of."""
    text = b"""(module
      (import "m" "f" (func (param i32 i64 f32 f64 externref) (result funcref)))
      (global (export "g") i32 (i32.const 0)) (table (export "t") 1 funcref)
      (memory (export "memory") 1) (func (export "run")))"""
    module = Module(Engine(), wat2wasm(text))
    assert module.imports() == [("m", "f", "(i32, i64, f32, f64, externref) -> funcref")]
    assert module.exports() == {"g": "global", "t": "table", "memory": "memory", "run": "() -> ()"}


def test_closed_linker_is_refused() -> None:
    linker = Linker(Engine())
    functions = HostFunctions(linker)
    linker.close()
    with pytest.raises(ValueError, match="closed"):
        functions.define("m", "n", (), (), lambda *_: None)


def test_closed_store_is_refused() -> None:
    """Wasmtime would read what is freed."""
    engine = Engine()
    store = Store(engine)
    text = b'(module (memory (export "memory") 1) (func (export "run")))'
    instance = Linker(engine).prepare(Module(engine, wat2wasm(text))).instantiate(store)
    run, memory = instance.function("run"), instance.memory("memory")
    assert run is not None
    assert memory is not None
    run()
    assert memory().size == 1 << 16
    store.close()
    for use in (run, memory, lambda: instance.function("run"), lambda: store.set_fuel(1)):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_export_of_another_kind_is_none() -> None:
    engine = Engine()
    store = Store(engine)
    text = b'(module (memory (export "run") 1) (func (export "memory")))'
    instance = Linker(engine).prepare(Module(engine, wat2wasm(text))).instantiate(store)
    assert instance.function("run") is None
    assert instance.memory("memory") is None
    assert instance.function("nothing") is None


@pytest.mark.parametrize("memory", ["", '(export "other")'])
def test_guest_without_a_memory_is_asked_once(memory: str) -> None:
    """It may call as often as it likes: nothing is allocated for each call."""
    session = Session(openvino, Registry({}), lambda _: None)
    guest = Guest(session, wat(memory=memory))
    kept = guest.functions._lib  # noqa: SLF001 - what is asked is to be counted
    asked = []

    class Counting:
        def __getattr__(self, name: str) -> object:
            asked.append(name)
            return getattr(kept, name)

    guest.functions._lib = Counting()  # noqa: SLF001 - see above
    for _ in range(3):
        guest.call("compute", 1)
        assert guest.condition is Condition.NO_MEMORY
    assert asked.count("wasmtime_caller_export_get") == 1
