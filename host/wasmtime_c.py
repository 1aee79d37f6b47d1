"""Host functions by Wasmtime's C API, through cffi: a call costs 2 µs, by wasmtime-py 20; knows no wasi-nn.

An exception in a host function is kept for the run it happened in; wasmtime-py has one place for those of all
threads, where one thread's exit can end another's guest.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from wasmtime import FuncType, Trap, ValType, WasmtimeError
from wasmtime import _ffi as wasmtime_py  # private: where its library is, and what its structures measure

from host import wasmtime_ffi
from host.memory import GuestMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from wasmtime import Config, Func, Linker, Memory, Store

CData: TypeAlias = Any
"""What cffi makes: a pointer, an array, a library. It has the members that the C type has."""

ffi: Final[CData] = wasmtime_ffi.ffi

MEMORY: Final = "memory"
"""The export that holds a guest's memory: WASI's convention, the interface text only assumes it."""

_TYPES: Final = {"i32": ValType.i32, "i64": ValType.i64, "f32": ValType.f32, "f64": ValType.f64}
_MEMORY: Final = MEMORY.encode()
_TRAP: Final = b"a host function ended the guest"


class WasmtimeMismatchError(Exception):
    """The installed Wasmtime is not one this host was made for; the message is one line."""


@cache
def library() -> CData:
    """Return Wasmtime's library, the copy that wasmtime-py has loaded.

    Raises:
        WasmtimeMismatchError: it lacks a function, or its structures are not those declared here.
    """
    try:
        is_known = _our_structures() == _their_structures()
    except AttributeError:
        is_known = False
    if not is_known:
        raise WasmtimeMismatchError(
            "the package `wasmtime` has other structures: this host was made for another version"
        )
    lib = ffi.dlopen(str(wasmtime_py.filename))
    for name in dir(lib):
        try:
            getattr(lib, name)
        except (AttributeError, ffi.error) as error:
            raise WasmtimeMismatchError(
                f"the package `wasmtime` has no `{name}`: this host was made for another version"
            ) from error
    return lib


def build() -> str:
    """Return what tells this build of Wasmtime from others, without reading its many megabytes."""
    status = wasmtime_py.filename.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def keep_memories_in_place(config: Config) -> None:
    """Have no guest's memory ever move when it grows: where it lies can then be remembered.

    Wasmtime reserves the addresses of all that a 32-bit memory can grow to; elsewhere growth fails.
    """
    library().wasmtime_config_memory_may_move_set(_pointer(config), False)  # noqa: FBT003 - positional only


def _our_structures() -> tuple[int, ...]:
    names = ("wasmtime_extern_t", "wasmtime_val_raw_t", "wasmtime_func_t", "wasmtime_memory_t")
    members = (ffi.offsetof("wasmtime_memory_t", name) for name in ("store_id", "a", "b"))
    return (*map(ffi.sizeof, names), ffi.offsetof("wasmtime_extern_t", "of"), *members)


def _their_structures() -> tuple[int, ...]:
    extern, memory = wasmtime_py.wasmtime_extern_t, wasmtime_py.wasmtime_memory_t
    others = wasmtime_py.wasmtime_val_raw_t, wasmtime_py.wasmtime_func_t
    sizes = (ctypes.sizeof(each) for each in (extern, *others, memory))
    return (*sizes, extern.of.offset, *_offsets(memory))


def _offsets(structure: Any, start: int = 0) -> Iterator[int]:  # noqa: ANN401 - a class of ctypes'
    """Yield where the members are that are no structures themselves: their names are private."""
    for name, kind, *_ in structure._fields_:
        at = start + getattr(structure, name).offset
        if issubclass(kind, ctypes.Structure):
            yield from _offsets(kind, at)
        else:
            yield at


class HostFunctions:
    """The functions of the host that a guest imports; has to live as long as the guest's store."""

    def __init__(self, linker: Linker) -> None:
        """Start without any; they will be defined in `linker`, for one store."""
        self._linker = linker
        self._lib = library()
        self._alive: list[CData] = []
        self._memory: CData = None
        self._has_no_memory = False
        self._raised_last: BaseException | None = None
        # What cffi returns when not even `_raised` comes to its end, as with two signals; by itself it would
        # be 0, success. Wasmtime shows names of the guest's with the text, which must not look like it.
        self._last_text = f"a host function was interrupted twice, {os.urandom(8).hex()}"
        text = self._last_text.encode()
        self._last_trap: CData = self._lib.wasmtime_trap_new(text, len(text))

    def define(
        self,
        module: str,
        name: str,
        params: Iterable[str],
        results: Iterable[str],
        function: Callable[[CData, CData], None],
    ) -> None:
        """Define one import.

        Args:
            module: of the import.
            name: of the import.
            params: core types of the parameters.
            results: core types of the results.
            function: gets the caller, and the values as wasm has them: `values[i].u32` is argument `i`, and
                the result goes into `values[0]`. What it raises ends the guest: `cause` tells.

        Raises:
            WasmtimeError: the import is defined already.
        """

        def call(_environment: CData, caller: CData, values: CData, _count: int) -> CData:
            function(caller, values)
            return ffi.NULL

        # Not a `try` in `call`: a signal can raise before its first line, and cffi would then return success.
        callback = ffi.callback("function_t", call, error=self._last_trap, onerror=self._raised)
        kind = FuncType([_TYPES[param]() for param in params], [_TYPES[result]() for result in results])
        names = [word for text in (module.encode(), name.encode()) for word in (text, len(text))]
        error = self._lib.wasmtime_linker_define_func_unchecked(
            _pointer(self._linker), *names, _pointer(kind), callback, ffi.NULL, ffi.NULL
        )
        if error:
            self._lib.wasmtime_error_delete(error)
            raise WasmtimeError(f"`{module}`.`{name}` is defined twice")
        self._alive.append(callback)

    def _raised(self, _kind: object, error: BaseException, _traceback: object) -> CData:
        """Keep what a function raised and return the trap that ends the guest."""
        self._raised_last = error
        return self._lib.wasmtime_trap_new(_TRAP, len(_TRAP))

    def cause(self, problem: Trap | WasmtimeError) -> BaseException | None:
        """Return what a function raised, if that is why the guest ended; to be asked of each such end."""
        if self._last_text in str(problem):
            self._last_trap = None  # it was Wasmtime's to delete
            return self._raised_last or KeyboardInterrupt()
        return self._raised_last

    def close(self) -> None:
        """Free what is left, after the guest's end."""
        if self._last_trap is not None:
            self._lib.wasm_trap_delete(self._last_trap)
            self._last_trap = None

    def memory(self, caller: CData) -> tuple[CData, int] | None:
        """Return the address (a `uint8_t *`) and the size in bytes of the guest's memory, as they are now.

        To be asked in every call: memory grows, and may move when it does. None when the guest exports none.
        """
        lib = self._lib
        if self._memory is None:
            if self._has_no_memory:
                return None
            found = ffi.new("wasmtime_extern_t *")
            is_found = lib.wasmtime_caller_export_get(caller, _MEMORY, len(_MEMORY), found)
            if not is_found or found.kind != wasmtime_py.WASMTIME_EXTERN_MEMORY.value:
                self._has_no_memory = True  # what a guest exports does not change
                return None
            self._memory = ffi.addressof(found.of, "memory")
            self._alive.append(found)
        memory = self._memory
        context = lib.wasmtime_caller_context(caller)
        return lib.wasmtime_memory_data(context, memory), lib.wasmtime_memory_data_size(context, memory)

    def guest_memory(self, caller: CData) -> GuestMemory | None:
        """Return access to the guest's memory for the length of one call; None when it exports none."""
        found = self.memory(caller)
        return None if found is None else GuestMemory(memoryview(ffi.buffer(*found)))


class GuestCalls:
    """A guest's functions and memory, used by the host: a call costs 2 µs, by wasmtime-py 60.

    For as long as the guest's store lives.
    """

    def __init__(self, store: Store, memory: Memory) -> None:
        """Give access to `memory`, and to functions beside it."""
        self._lib = library()
        self._context = self._lib.wasmtime_store_context(_pointer(store))
        self._memory = ffi.new("wasmtime_memory_t *")
        theirs = bytes(memory._memory)  # noqa: SLF001 - wasmtime-py has no other way
        ffi.memmove(self._memory, theirs, ffi.sizeof("wasmtime_memory_t"))
        self._trap = ffi.new("wasm_trap_t **")

    def memory(self) -> GuestMemory:
        """Return access to the memory until the guest runs again."""
        lib, context, memory = self._lib, self._context, self._memory
        size = lib.wasmtime_memory_data_size(context, memory)
        return GuestMemory(memoryview(ffi.buffer(lib.wasmtime_memory_data(context, memory), size)))

    def function(self, function: Func, params: int) -> Callable[..., int]:
        """Return a call of `function`, whose `params` parameters and one result are u32.

        It raises Trap and WasmtimeError as `function` does.
        """
        called = ffi.new("wasmtime_func_t *")
        ffi.memmove(called, bytes(function._func), ffi.sizeof("wasmtime_func_t"))  # noqa: SLF001 - see above
        count = max(params, 1)
        values = ffi.new("wasmtime_val_raw_t[]", count)

        def call(*arguments: int) -> int:
            for index, argument in enumerate(arguments):
                values[index].u64 = argument
            error = self._lib.wasmtime_func_call_unchecked(self._context, called, values, count, self._trap)
            if error:
                told = _for_wasmtime_py(error, wasmtime_py.wasmtime_error_t)
                raise WasmtimeError._from_ptr(told)  # noqa: SLF001 - see above
            trap = self._trap[0]
            if trap:
                self._trap[0] = ffi.NULL
                raise Trap._from_ptr(_for_wasmtime_py(trap, wasmtime_py.wasm_trap_t))  # noqa: SLF001 - see above
            result: int = values[0].u32
            return result

        return call


def _for_wasmtime_py(pointer: CData, kind: type[ctypes.Structure]) -> Any:  # noqa: ANN401 - a pointer of ctypes'
    return ctypes.cast(int(ffi.cast("uintptr_t", pointer)), ctypes.POINTER(kind))


def _pointer(owner: Any) -> CData:  # noqa: ANN401 - whatever wasmtime-py wraps a pointer in
    address = ctypes.cast(owner.ptr(), ctypes.c_void_p).value
    if address is None:
        raise ValueError(f"{type(owner).__name__} has a pointer that is NULL")
    return ffi.cast("void *", address)
