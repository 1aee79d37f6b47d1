"""Run one guest: engine, WASI, linker, start, exit code; prints nothing and reads no argv."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from wasmtime import (
    Caller,
    Engine,
    ExitTrap,
    Func,
    FuncType,
    Linker,
    Memory,
    Store,
    Trap,
    ValType,
    WasiConfig,
    WasmtimeError,
)

from host import abi, guests
from host.bindings import Bindings
from host.job import BadGuestError, GuestTrapError
from host.memory import GuestMemory
from host.nn import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends import Backend
    from host.job import Job, Listener

MEMORY: Final = "memory"
"""The export that holds a guest's memory: WASI's convention, the interface text only assumes it."""

_TYPES: Final = {"i32": ValType.i32, "i64": ValType.i64, "f32": ValType.f32, "f64": ValType.f64}


def run(job: Job, listener: Listener) -> int:
    """Run the guest to its end and return its exit code.

    Raises BadGuestError when the guest or what it was to be given cannot be used, before any of its code
    runs; GuestTrapError when it traps.
    """
    engine = Engine()
    module = guests.read(job.guest, engine)
    guests.check_start(job.guest, module)
    linker, store = Linker(engine), Store(engine)
    linker.define_wasi()
    session = Session(cache(openvino), job.registry, listener.notice)
    define_nn(linker, Bindings(session, listener.report))
    store.set_wasi(_wasi(job))
    guests.check_imports(job.guest, module, linker, store)
    try:
        instance = linker.instantiate(store, module)
        start = instance.exports(store)[guests.START]
        assert isinstance(start, Func)  # noqa: S101 - `check_start` has seen to it
        start(store)
    except ExitTrap as exit_:
        return exit_.code
    except Trap as trap:
        raise GuestTrapError(describe(trap)) from trap
    except WasmtimeError as error:  # an import of another type than the host's
        raise BadGuestError(f"guest `{job.guest}`: {guests.one_line(str(error))}") from error
    return 0


def define_nn(linker: Linker, bindings: Bindings) -> None:
    """Define every function of the interface in `linker`."""
    for function in abi.FUNCTIONS:
        kind = FuncType(
            [_TYPES[param.type]() for param in function.params],
            [_TYPES[result]() for result in function.results],
        )
        linker.define_func(abi.MODULE, function.name, kind, _handler(bindings, function), access_caller=True)


def openvino() -> Backend:
    """Return a new OpenVINO backend; importing it here keeps it out of runs that need no model."""
    from host.backends.openvino import OpenVino  # noqa: PLC0415 - takes 0.3 s, see above

    return OpenVino()


def describe(trap: Trap) -> str:
    """Return one line: what trapped and in which function of the guest."""
    cause = guests.one_line(trap.message.partition("Caused by:")[2] or trap.message)
    frames = trap.frames
    if not frames:
        return cause
    top = frames[0]
    where = f"`{top.func_name}`" if top.func_name else f"function {top.func_index}"
    return f"{cause}, in {where}"


def _handler(bindings: Bindings, function: abi.Function) -> Callable[..., int]:
    def handle(caller: Caller, *arguments: int) -> int:
        memory = caller.get(MEMORY)
        guest = GuestMemory(memory, caller) if isinstance(memory, Memory) else None
        return bindings.call(function, guest, arguments)

    return handle


def _wasi(job: Job) -> WasiConfig:
    wasi = WasiConfig()
    wasi.argv = [job.guest.name, *job.arguments]
    wasi.env = job.environment
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    for preopen in job.preopens:
        try:
            wasi.preopen_dir(str(preopen.host), preopen.guest)
        except WasmtimeError as error:
            raise BadGuestError(f"cannot open `{preopen.host}` for the guest: {error}") from error
    return wasi
