"""Calls of Wasmtime itself: another version of it is told, and no NULL goes into it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from wasmtime import Engine, Linker

from host.errors import Condition
from host.models.registry import Registry
from host.nn import Session
from host.runner import openvino
from host.wasmtime_c import HostFunctions, library
from tests.host.guests import Guest, wat
from tests.host.wasi import command

if TYPE_CHECKING:
    from pathlib import Path

OTHER_LIBRARY = "import _cffi_backend; _ffi.filename = _cffi_backend.__file__"
"""A library that is there, and has none of Wasmtime's functions."""


def _other(name: str, *fields: str, base: str = "Structure") -> str:
    """Return a program that puts a structure with `fields` in the place of wasmtime-py's own."""
    return f"class Other(ctypes.{base}): _fields_ = [{', '.join(fields)}]\n_ffi.{name} = Other"


WORDS = "('words', ctypes.c_uint64 * 9)"
OTHERS = {
    "a function is missing": (OTHER_LIBRARY, "has no `wasm"),
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
}


@pytest.mark.parametrize("command_name", ["run", "inspect"])
@pytest.mark.parametrize("other", OTHERS)
def test_another_wasmtime_is_told_in_one_line(tmp_path: Path, other: str, command_name: str) -> None:
    """Its functions would write where nothing is expected, or be called with what they do not take."""
    change, told = OTHERS[other]
    guest = tmp_path / "guest.wasm"
    guest.write_bytes(command(""))
    program = f"import ctypes, sys\nfrom wasmtime import _ffi\n{change}\n"
    program += "from host.cli import main\nsys.exit(main())"
    words = [sys.executable, "-c", program, command_name, str(guest)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith("error: the package `wasmtime` has ")
    assert told in done.stderr
    assert "made for another version" in done.stderr


def test_this_wasmtime_is_the_one() -> None:
    assert library().wasmtime_trap_new


def test_closed_linker_is_refused() -> None:
    linker = Linker(Engine())
    functions = HostFunctions(linker)
    linker.close()
    with pytest.raises(ValueError, match="closed"):
        functions.define("m", "n", (), (), lambda *_: None)


def test_pointer_that_is_null_is_refused() -> None:
    """Wasmtime would read through it."""
    linker = Linker(Engine())
    functions = HostFunctions(linker)
    functions._linker = _Null()  # type: ignore[assignment]  # noqa: SLF001 - nothing else hands one out
    with pytest.raises(ValueError, match="NULL"):
        functions.define("m", "n", (), (), lambda *_: None)


class _Null:
    def ptr(self) -> None:
        """Return a pointer to nothing, as ctypes has it."""


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
