"""Functions of the host end a guest by raising, whenever that happens, and nothing of it is lost."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from host import ffi_modules
from host.host_functions import HostFunctions
from host.wasmtime_c import Trap, WasmtimeError
from host.wasmtime_objects import Engine, Linker, Module, Store, wat2wasm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOOP = b"""(module (import "m" "f" (func $f (param i32) (result i32)))
  (func (export "run") (result i32) (local $n i32)
    (loop $again
      (drop (call $f (local.get $n)))
      (br_if $again (i32.ne (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100))))
    (local.get $n)))"""


def run(function: Callable[[Any, Any], None]) -> tuple[int | None, BaseException | None]:
    """Call `function` from wasm, a hundred times if it lets; return the result and what was raised."""
    engine = Engine()
    store, linker = Store(engine), Linker(engine)
    functions = HostFunctions(linker)
    functions.define("m", "f", ("i32",), ("i32",), function)
    start = linker.prepare(Module(engine, wat2wasm(_LOOP))).instantiate(store).function("run")
    assert start is not None
    try:
        return start(), None
    except (Trap, WasmtimeError) as problem:
        return None, functions.cause(problem)
    finally:
        store.close()
        linker.close()
        functions.close()


def test_function_gets_arguments_and_gives_results() -> None:
    seen = []

    def function(_caller: Any, values: Any) -> None:  # noqa: ANN401 - cffi's
        seen.append(values[0].u32)
        values[0].u32 = 7

    assert run(function) == (100, None)
    assert seen == list(range(100))


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_exception_ends_the_guest_and_is_kept(error: BaseException) -> None:
    calls = []

    def function(_caller: Any, _values: Any) -> None:  # noqa: ANN401 - cffi's
        calls.append(1)
        raise error

    assert run(function) == (None, error)
    assert calls == [1]


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Have SIGINT raise, also where these tests run as a shell's background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_signal_between_two_calls_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    """It is raised as the next function is entered, before any line of it: to cffi that is no result."""
    calls = []

    def function(_caller: Any, _values: Any) -> None:  # noqa: ANN401 - cffi's
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)

    result, raised = run(function)
    assert result is None
    assert isinstance(raised, KeyboardInterrupt)
    assert len(calls) == 3
    assert capfd.readouterr().err == ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("when", ["before", "after"])
def test_signal_while_a_signal_is_being_kept_is_no_success(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Then cffi returns what it was given for that."""
    keep = HostFunctions._raised  # noqa: SLF001 - what is to be interrupted

    def interrupted(self: HostFunctions, *given: Any) -> Any:  # noqa: ANN401 - cffi's
        if when == "after":
            keep(self, *given)
        raise KeyboardInterrupt

    monkeypatch.setattr(HostFunctions, "_raised", interrupted)
    calls = []

    def function(_caller: Any, _values: Any) -> None:  # noqa: ANN401 - cffi's
        calls.append(1)
        raise KeyboardInterrupt

    for _ in range(3):
        result, raised = run(function)
        assert result is None
        assert isinstance(raised, KeyboardInterrupt)
    assert len(calls) == 3


def test_import_cannot_be_defined_twice() -> None:
    linker = Linker(Engine())
    functions = HostFunctions(linker)
    functions.define("m", "f", (), (), lambda *_: None)
    with pytest.raises(WasmtimeError, match=r"`m`.`f` is defined twice"):
        functions.define("m", "f", (), (), lambda *_: None)


@pytest.mark.parametrize("name", ffi_modules.DECLARATIONS)
def test_modules_are_made_from_the_declarations(name: str) -> None:
    """Run `python -m host.ffi_modules` after a change of them."""
    assert ffi_modules.path(name).read_text() == ffi_modules.text(name, ffi_modules.DECLARATIONS[name])
