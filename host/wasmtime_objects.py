"""What a guest is compiled on, linked with and run in: Wasmtime's objects, as far as this host needs them.

Each is deleted when nobody has it any more, or by `close`. All but Engine and Module are for one thread at
a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.memory import U32_MASK, GuestMemory
from host.wasmtime_c import CData, WasmtimeError, bytes_from, check, check_trap, ffi, library, owned, words
from host.wasmtime_types import exports, function_type, imports, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Engine:
    """Compiles guests, and has them look at a clock or count what they execute."""

    def __init__(self, *, is_timed: bool = False, is_fueled: bool = False) -> None:
        """Make an engine no memory of which ever moves when it grows: where it lies can be remembered.

        Wasmtime reserves the addresses of all that a 32-bit memory can grow to; elsewhere growth fails.
        """
        lib = library()
        config = lib.wasm_config_new()  # which goes to the engine
        lib.wasmtime_config_epoch_interruption_set(config, is_timed)
        lib.wasmtime_config_consume_fuel_set(config, is_fueled)
        lib.wasmtime_config_memory_may_move_set(config, False)  # noqa: FBT003 - positional only
        self.pointer = owned(lib.wasm_engine_new_with_config(config), lib.wasm_engine_delete)

    def increment_epoch(self) -> None:
        """Have the clock go on by one tick."""
        library().wasmtime_engine_increment_epoch(self.pointer)

    def validate(self, code: bytes) -> None:
        """Raise WasmtimeError when `code` is no valid module."""
        check(library().wasmtime_module_validate(self.pointer, code, len(code)))


class Module:
    """A guest, compiled."""

    def __init__(self, engine: Engine, code: bytes) -> None:
        """Compile `code`, a binary; WasmtimeError."""
        self.pointer = _module(library().wasmtime_module_new, engine, code)

    @classmethod
    def deserialize(cls, engine: Engine, content: memoryview) -> Module:
        """Return the module that `serialize` gave, on an engine like that one; WasmtimeError.

        The content is trusted: it is code that gets executed.
        """
        module = cls.__new__(cls)
        module.pointer = _module(library().wasmtime_module_deserialize, engine, content)
        return module

    def serialize(self) -> bytes:
        """Return the compiled code; WasmtimeError."""
        return bytes_from(library().wasmtime_module_serialize, self.pointer)

    def exports(self) -> dict[str, str]:
        """Return the types of the exports by name, as `host.wasm.module.Export` has them."""
        return exports(self.pointer)

    def imports(self) -> list[tuple[str, str, str]]:
        """Return module, name and type of each import, as `host.wasm.module.Import` has them."""
        return imports(self.pointer)


class Store:
    """What an instance lives in."""

    def __init__(self, engine: Engine) -> None:
        lib = library()
        self._pointer = owned(
            lib.wasmtime_store_new(engine.pointer, ffi.NULL, ffi.NULL), lib.wasmtime_store_delete
        )
        self._context = lib.wasmtime_store_context(self._pointer)

    @property
    def context(self) -> CData:
        """What the calls of an instance take; ValueError when the store is closed."""
        if self._context is None:
            raise ValueError("the store is closed")
        return self._context

    def set_limits(self, memory: int, elements: int, *, instances: int, tables: int, memories: int) -> None:
        """Set the most bytes of a memory, elements of a table, and so on."""
        library().wasmtime_store_limiter(self._pointer, memory, elements, instances, tables, memories)

    def set_fuel(self, fuel: int) -> None:
        """Set how much may be executed; WasmtimeError when the engine does not count."""
        check(library().wasmtime_context_set_fuel(self.context, fuel))

    def set_epoch_deadline(self, ticks: int) -> None:
        """Set after how many ticks what runs is ended."""
        library().wasmtime_context_set_epoch_deadline(self.context, ticks)

    def close(self) -> None:
        """End what is in it; its memory and files go."""
        self._context = None
        ffi.release(self._pointer)


class Linker:
    """What guests can import."""

    def __init__(self, engine: Engine) -> None:
        """Begin without anything, for guests of this engine."""
        lib = library()
        self._pointer = owned(lib.wasmtime_linker_new(engine.pointer), lib.wasmtime_linker_delete)
        self._is_open = True

    def define_wasi(self) -> None:
        """Define the functions of WASI preview 1."""
        check(library().wasmtime_linker_define_wasi(self._open()))

    def define(
        self, name: tuple[str, str], types: tuple[Iterable[str], Iterable[str]], callback: CData
    ) -> None:
        """Define the function `name`, of a module and a name; WasmtimeError when that is defined.

        `types` are those of parameters and results; `callback`, a `function_t`, has to outlive all stores.
        """
        lib, pointer, kind = library(), self._open(), function_type(*types)
        error = lib.wasmtime_linker_define_func_unchecked(
            pointer, *words(*name), kind, callback, ffi.NULL, ffi.NULL
        )
        if error:
            lib.wasmtime_error_delete(error)
            raise WasmtimeError(f"`{name[0]}`.`{name[1]}` is defined twice")

    def allow_shadowing(self, *, is_allowed: bool) -> None:
        """Set whether what is defined may be defined again."""
        library().wasmtime_linker_allow_shadowing(self._open(), is_allowed)

    def type_of(self, store: Store, module: str, name: str) -> str | None:
        """Return the type of what is defined, or None."""
        lib = library()
        found = ffi.new("wasmtime_extern_t *")
        if not lib.wasmtime_linker_get(self._open(), store.context, *words(module, name), found):
            return None
        kind = owned(lib.wasmtime_extern_type(store.context, found), lib.wasm_externtype_delete)
        return type_of(kind)

    def prepare(self, module: Module) -> Prepared:
        """Return the module with all that it imports; WasmtimeError when something is not defined."""
        made = ffi.new("wasmtime_instance_pre_t **")
        lib = library()
        check(lib.wasmtime_linker_instantiate_pre(self._open(), module.pointer, made))
        return Prepared(owned(made[0], lib.wasmtime_instance_pre_delete))

    def close(self) -> None:
        """Delete it; what was prepared stays."""
        self._is_open = False
        ffi.release(self._pointer)

    def _open(self) -> CData:
        if not self._is_open:
            raise ValueError("the linker is closed")
        return self._pointer


class Prepared:
    """A module that is linked."""

    def __init__(self, pointer: CData) -> None:
        """Use `pointer`, a `wasmtime_instance_pre_t *`."""
        self._pointer = pointer

    def instantiate(self, store: Store) -> Instance:
        """Return an instance in `store`; runs the module's start function. WasmtimeError, Trap."""
        made, trap = ffi.new("wasmtime_instance_t *"), ffi.new("wasm_trap_t **")
        check(library().wasmtime_instance_pre_instantiate(self._pointer, store.context, made, trap))
        check_trap(trap)
        return Instance(store, made)


class Instance:
    """A guest in its store, for as long as that lives."""

    def __init__(self, store: Store, pointer: CData) -> None:
        """Use `pointer`, a `wasmtime_instance_t *`."""
        self._store = store
        self._pointer = pointer

    def function(self, name: str, params: int = 0) -> Callable[..., int] | None:
        """Return a call of the function exported as `name`, None when there is none.

        Its `params` parameters and its result, if it has one, have to be u32. Raises WasmtimeError, Trap.
        """
        lib = library()
        found = self._export(name, lib.WASMTIME_EXTERN_FUNC)
        if found is None:
            return None
        function, store = ffi.new("wasmtime_func_t *", found.of.func), self._store
        count = max(params, 1)
        values, trap = ffi.new("wasmtime_val_raw_t[]", count), ffi.new("wasm_trap_t **")

        def call(*arguments: int) -> int:
            for index, argument in enumerate(arguments):
                values[index].u64 = argument & U32_MASK
            check(lib.wasmtime_func_call_unchecked(store.context, function, values, count, trap))
            check_trap(trap)
            return int(values[0].u32)

        return call

    def memory(self, name: str) -> Callable[[], GuestMemory] | None:
        """Return what gives access to the memory exported as `name`, until the guest runs again, or None."""
        lib = library()
        found = self._export(name, lib.WASMTIME_EXTERN_MEMORY)
        if found is None:
            return None
        memory, store = ffi.new("wasmtime_memory_t *", found.of.memory), self._store

        def access() -> GuestMemory:
            context = store.context
            data = lib.wasmtime_memory_data(context, memory)
            return GuestMemory(memoryview(ffi.buffer(data, lib.wasmtime_memory_data_size(context, memory))))

        return access

    def _export(self, name: str, kind: int) -> CData | None:
        found = ffi.new("wasmtime_extern_t *")
        get = library().wasmtime_instance_export_get
        is_there = get(self._store.context, self._pointer, *words(name), found)
        return found if is_there and found.kind == kind else None


def wat2wasm(text: bytes) -> bytes:
    """Return the binary of a module in text; WasmtimeError."""
    return bytes_from(library().wasmtime_wat2wasm, text, len(text))


def _module(make: Callable[..., CData], engine: Engine, content: bytes | memoryview) -> CData:
    made = ffi.new("wasmtime_module_t **")
    data = ffi.from_buffer("uint8_t[]", content)
    check(make(engine.pointer, data, len(content), made))
    return owned(made[0], library().wasmtime_module_delete)
