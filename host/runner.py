"""Run one guest: engine, WASI, linker, start, exit code; prints nothing and reads no argv."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from wasmtime import (
    Caller,
    Engine,
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
from host.bindings import FUNCTIONS, Bindings
from host.dialects import Dialect
from host.job import BadGuestError, GuestExit, GuestTrapError
from host.memory import GuestMemory, u32
from host.nn import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends import Backend
    from host.job import Job, Listener

WASI: Final = "wasi_snapshot_preview1"
MEMORY: Final = "memory"
"""The export that holds a guest's memory: WASI's convention, the interface text only assumes it."""

_TYPES: Final = {"i32": ValType.i32, "i64": ValType.i64, "f32": ValType.f32, "f64": ValType.f64}


def run(job: Job, listener: Listener) -> int:
    """Run the guest to its end and return its exit code, a u32.

    Raises BadGuestError when the guest or what it was to be given cannot be used, before any of its code
    runs; GuestTrapError when it traps or a WASI call fails in a way that ends it.
    """
    engine = Engine()
    module = guests.read(job.guest, engine)
    guests.check_start(job.guest, module)
    linker, store = Linker(engine), Store(engine)
    linker.define_wasi()
    _define_exit(linker)
    dialect = Dialect(job.abi, listener.warn)
    session = Session(cache(openvino), job.registry, listener.notice, job.limits, dialect, job.serving)
    define_nn(linker, Bindings(session, listener.report))
    store.set_wasi(_wasi(job))
    guests.check_imports(job.guest, module, linker, store)
    try:
        prepared = linker.instantiate_pre(module)
    except WasmtimeError as error:  # an import of another type than the host's
        raise BadGuestError(f"guest `{job.guest}`: {guests.one_line(str(error))}") from error
    try:
        instance = prepared.instantiate(store)  # runs the module's start function, if it has one
        start = instance.exports(store)[guests.START]
        assert isinstance(start, Func)  # noqa: S101 - `check_start` has seen to it
        start(store)
    except GuestExit as exit_:
        return exit_.code
    except Trap as trap:
        raise GuestTrapError(describe(trap)) from trap
    except WasmtimeError as error:  # a WASI call that cannot even fail, such as one without a memory
        raise GuestTrapError(_cause(str(error))) from error
    return 0


def _define_exit(linker: Linker) -> None:
    """Put our `proc_exit` in place of wasmtime's, which refuses codes from 126 on."""

    def proc_exit(code: int) -> None:
        raise GuestExit(u32(code))

    linker.allow_shadowing = True
    linker.define_func(WASI, "proc_exit", FuncType([ValType.i32()], []), proc_exit)
    linker.allow_shadowing = False


def define_nn(linker: Linker, bindings: Bindings) -> None:
    """Define every function of the interface, and the extension functions of other hosts, in `linker`."""
    for function in FUNCTIONS:
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
    cause = _cause(trap.message)
    frames = trap.frames
    if not frames:
        return cause
    top = frames[0]
    where = f"`{top.func_name}`" if top.func_name else f"function {top.func_index}"
    return f"{cause}, in {where}"


def _cause(message: str) -> str:
    """Return a message of wasmtime's as one line, without the backtrace of addresses before its cause."""
    return guests.one_line(message.partition("Caused by:")[2] or message)


def _handler(bindings: Bindings, function: abi.Function) -> Callable[..., int]:
    def handle(caller: Caller, *arguments: int) -> int:
        return bindings.call(function, lambda: _memory(caller), arguments)

    return handle


def _memory(caller: Caller) -> GuestMemory | None:
    memory = caller.get(MEMORY)
    return GuestMemory(memory, caller) if isinstance(memory, Memory) else None


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
