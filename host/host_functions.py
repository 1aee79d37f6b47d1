"""Host functions by Wasmtime's C API: a call costs 2 µs, by the package `wasmtime` 20; knows no wasi-nn.

An exception in a host function is kept for the run it happened in.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from host.memory import GuestMemory
from host.wasmtime_c import CData, Trap, WasmtimeError, ffi, library, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from host.wasmtime_objects import Linker

MEMORY: Final = "memory"
"""The export that holds a guest's memory: WASI's convention, the interface text only assumes it."""

_MEMORY: Final = words(MEMORY)
_TRAP: Final = b"a host function ended the guest"


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
        self._linker.define((module, name), (params, results), callback)
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
            is_found = lib.wasmtime_caller_export_get(caller, *_MEMORY, found)
            if not is_found or found.kind != lib.WASMTIME_EXTERN_MEMORY:
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
