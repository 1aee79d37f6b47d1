"""Run one guest: engine, WASI, linker, start, exit code; prints nothing and reads no argv."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final

from host import abi, guests, wasi
from host.bindings import FUNCTIONS, LEGACY_FUNCTIONS, Bindings
from host.dialects import Dialect
from host.engines import ticks
from host.host_functions import MEMORY, HostFunctions
from host.hot_calls import HotCalls
from host.import_families import WASI
from host.job import MEMORY_BYTES, BadGuestError, GuestTrapError, LimitError
from host.nn import Session
from host.quantities import shown_size
from host.wasmtime_c import Trap, WasmtimeError, library
from host.wasmtime_objects import Linker, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from host.backends import Backend
    from host.cache import Cache
    from host.engines import Clock, Compiled
    from host.job import Bounds, Job, Listener
    from host.tracing.observe import Recorder
    from host.wasmtime_c import CData
    from host.wasmtime_objects import Instance, Module, Prepared

BENCH: Final = "bench"
"""Where guests written for a benchmark's harness import `start` and `end` from, and run without one too."""

TABLE_ELEMENTS: Final = 1 << 20
TABLES: Final = 16
"""What any guest may have: a table holds its functions, and compilers make one or two."""


_BACKTRACE: Final = "wasm backtrace"
"""What an error has in it that comes from code of the guest's, or from a function it called."""


class ExitError(Exception):
    """The guest ended itself; `code` is the u32 it gave."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def run(job: Job, guest: Compiled, backend: Callable[[], Backend], listener: Listener, began: float) -> int:
    """Run the guest to its end and return its exit code, a u32.

    Args:
        job: What it is given.
        guest: The guest, compiled in for the bounds of the job.
        backend: Gives the backend; called only when a model has to be compiled.
        listener: Hears of what happens.
        began: The moment on the monotonic clock from which the time of the run counts.

    Raises:
        BadGuestError: The guest or what it was to be given cannot be used; none of its code has run.
        GuestTrapError: It trapped, or a WASI call failed in a way that ends it.
        LimitError: One of the bounds ended it.
        OSError: The process is short of memory or files for it, or those of `job.stdio` cannot be opened.
    """
    guests.check_command(job.guest, guest.module)
    with (
        linked(job, guest, backend, listener) as ready,
        bounded(ready.store, guest.workshop.clock, job.bounds, began),
    ):
        return _call(ready, job, listener)


@dataclass(frozen=True, slots=True)
class Linked:
    """A guest with all that it imports and is given; none of its code has run."""

    prepared: Prepared
    store: Store
    functions: HostFunctions


@contextmanager
def linked(job: Job, guest: Compiled, backend: Callable[[], Backend], listener: Listener) -> Iterator[Linked]:
    """Link a guest for the length of the block; the parameters, and BadGuestError, are those of `run`."""
    linker, store = Linker(guest.workshop.engine), Store(guest.workshop.engine)
    functions = HostFunctions(linker)
    try:
        store.set_limits(_memory_most(job.bounds), TABLE_ELEMENTS, instances=1, tables=TABLES, memories=1)
        linker.define_wasi()
        _define_exit(linker, functions)
        session = _define_session(functions, job, backend, listener)
        wasi.configure(store, job)
        with closing(session):
            yield Linked(_prepare(linker, store, job, guest.module), store, functions)
    finally:  # not left to the garbage collector: its files and its memory go with it
        store.close()
        linker.close()
        functions.close()


def _prepare(linker: Linker, store: Store, job: Job, module: Module) -> Prepared:
    try:
        return linker.prepare(module)
    except WasmtimeError as error:
        guests.check_imports(job.guest, module, linker, store)
        raise BadGuestError(f"guest `{job.guest}`: {guests.one_line(str(error))}") from error


@contextmanager
def bounded(store: Store, clock: Clock | None, bounds: Bounds, began: float) -> Iterator[None]:
    """Have the store end what runs in the block when its time or fuel is up."""
    if bounds.fuel is not None:
        store.set_fuel(bounds.fuel)
    if clock is None or bounds.timeout is None:
        yield
        return
    with clock.running():
        left = bounds.timeout - (monotonic() - began)
        if left <= 0:  # the first tick may come too late for a guest that is quick
            raise LimitError(bounds.out_of_time, "timeout")
        store.set_epoch_deadline(ticks(left))
        yield


def _call(ready: Linked, job: Job, listener: Listener) -> int:
    instance, store = None, ready.store
    try:
        instance = ready.prepared.instantiate(store)  # runs the module's start function, if it has one
        start = instance.function(guests.START)
        assert start is not None  # noqa: S101 - `check_command` has seen to it
        start()
    except (Trap, WasmtimeError) as problem:  # what a function raised is among them
        match failure(problem, ready, job, instance):
            case ExitError(code=code):
                note = _memory_note(instance, job.bounds)
                if code and note:
                    listener.warn(f"the guest exited with {code}{note}")
                return code
            case error:  # Ctrl-C, for one
                raise error from problem
    return 0


def failure(
    problem: Trap | WasmtimeError, ready: Linked, job: Job, instance: Instance | None
) -> BaseException:
    """Return what it comes to that a guest did not return, or, with no `instance`, did not become one.

    That is what a host function raised (ExitError, when the guest asked for its end), or an error of `run`.
    """
    raised = ready.functions.cause(problem)
    if raised is not None:
        return raised
    note = _memory_note(instance, job.bounds)
    return _ended(problem, job, note, has_begun=instance is not None)


def _ended(problem: Exception, job: Job, note: str, *, has_begun: bool) -> Exception:
    """Return what a trap that was no exit comes to."""
    lib = library()
    match problem:
        case Trap(code=lib.WASMTIME_TRAP_CODE_INTERRUPT):
            return LimitError(job.bounds.out_of_time, "timeout")
        case Trap(code=lib.WASMTIME_TRAP_CODE_OUT_OF_FUEL):
            fuel = job.bounds.fuel
            return LimitError(f"the guest has used up the {fuel} units that `--fuel` gives it", "fuel")
        case Trap():
            return GuestTrapError(describe(problem) + note)
        case _ if not has_begun:
            return _not_started(str(problem), job)
        case _:  # a WASI call that cannot even fail, such as one without a memory
            return GuestTrapError(_cause(str(problem)) + note)


def _not_started(message: str, job: Job) -> Exception:
    """Return what a failure to make the guest's memory and tables comes to."""
    text = guests.one_line(message)
    if "memory limits" in text:
        most = shown_size(_memory_most(job.bounds))
        reason = f"starts with more memory than the {most} that `--max-memory` allows: {text}"
        return LimitError(f"guest `{job.guest}` {reason}", "max_memory")
    if "limit" in text:
        return BadGuestError(f"guest `{job.guest}` wants more than this host gives to any: {text}")
    if _BACKTRACE not in message:  # none of its code has run
        return OSError(f"guest `{job.guest}` got no memory or files from the system: {text}")
    return GuestTrapError(_cause(message))


def _memory_most(bounds: Bounds) -> int:
    return MEMORY_BYTES if bounds.memory_bytes is None else bounds.memory_bytes


def _memory_note(instance: Instance | None, bounds: Bounds) -> str:
    """Return how full the guest's memory was, if that may be why it failed.

    Nobody tells that the guest asked for more and did not get it: all that is known is what it had.
    """
    memory = instance.memory(MEMORY) if instance else None
    if memory is None:
        return ""
    size, most = memory().size, _memory_most(bounds)
    if bounds.memory_bytes is None and size < most // 2:
        return ""
    return f"; its memory stood at {shown_size(size)} of the {shown_size(most)} that `--max-memory` allows"


def _define_exit(linker: Linker, functions: HostFunctions) -> None:
    """Put our `proc_exit` in place of wasmtime's, which refuses codes from 126 on."""

    def proc_exit(_caller: CData, values: CData) -> None:
        raise ExitError(values[0].u32)

    linker.allow_shadowing(is_allowed=True)
    functions.define(WASI, "proc_exit", ("i32",), (), proc_exit)
    linker.allow_shadowing(is_allowed=False)


def _define_session(
    functions: HostFunctions, job: Job, backend: Callable[[], Backend], listener: Listener
) -> Session:
    recorder = None
    if listener.watch is not None:
        from host.tracing.observe import Recorder  # noqa: PLC0415 - few runs are watched

        recorder = Recorder(listener.watch, listener)
    dialect = Dialect(job.abi, (recorder or listener).warn)
    session = Session(backend, job.registry, listener.notice, job.limits, dialect, job.serving)
    if recorder is None:
        define_nn(functions, Bindings(session, listener.report))
    else:
        recorder.attach(session)
        define_nn(functions, recorder)
    return session


def define_nn(functions: HostFunctions, bindings: Bindings | Recorder) -> None:
    """Define the functions of the interface, its extensions, WAMR's own module and BENCH."""
    for mark in ("start", "end"):
        functions.define(BENCH, mark, (), (), _no_operation)
    for described in (FUNCTIONS, LEGACY_FUNCTIONS):
        hot = None
        if isinstance(bindings, Bindings) and isinstance(bindings.session, Session):
            hot = HotCalls(functions, bindings, bindings.session, described)
        for function in described:
            types = [param.type for param in function.params]
            handler = (hot and hot.handler(function.name)) or _handler(functions, bindings, function)
            functions.define(function.module, function.name, types, function.results, handler)


def openvino(kept: Cache | None = None) -> Backend:
    """Return a new OpenVINO backend with what is `kept` of earlier runs.

    Importing it here keeps it out of runs that need no model.
    """
    from host.backends.openvino import OpenVino  # noqa: PLC0415 - takes a while, see above

    return OpenVino(kept)


def describe(trap: Trap) -> str:
    """Return one line: what trapped and in which function of the guest."""
    cause = _cause(str(trap))
    return cause if trap.function is None else f"{cause}, in {trap.function}"


def _cause(message: str) -> str:
    """Return a message of wasmtime's as one line, without the backtrace of addresses before its cause."""
    return guests.one_line(message.partition("Caused by:")[2] or message)


def _no_operation(_caller: CData, _values: CData) -> None:
    """Do nothing, in the place of a harness that takes the time between two marks."""


def _handler(
    functions: HostFunctions, bindings: Bindings | Recorder, function: abi.Function
) -> Callable[[CData, CData], None]:
    indexes = range(len(function.params))

    def handle(caller: CData, values: CData) -> None:
        arguments = tuple([values[index].u32 for index in indexes])
        values[0].u32 = bindings.call(function, functions.guest_memory(caller), arguments)

    return handle
