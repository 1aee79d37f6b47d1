"""A guest to test with: real wasm that passes every wasi-nn call through, driven from Python."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from host import abi
from host.bindings import FUNCTIONS, Bindings
from host.host_functions import MEMORY, HostFunctions
from host.runner import define_nn
from host.wasmtime_objects import Engine, Linker, Module, Store, wat2wasm

if TYPE_CHECKING:
    from host.errors import Condition, NnError
    from host.memory import GuestMemory
    from host.nn import Session

OUT = 64
"""Where results go."""
TENSOR, DIMENSIONS, DATA = 128, 192, 1024
PAGE = 65536
CANARY = 0xA5A5A5A5

_PAGES = 4


def wat(
    pages: int = _PAGES,
    memory: str = '(export "memory")',
    functions: tuple[abi.Function, ...] = FUNCTIONS,
) -> str:
    """Return a module that imports wasi-nn functions and exports each again, called from inside.

    The exports are named as the imports are, those of another module than the usual one `module.name`.
    """
    imports, wrappers = [], []
    for function in functions:
        params = " ".join(param.type for param in function.params)
        kind = f"(param {params}) (result {' '.join(function.results)})"
        name = function.name if function.module == abi.MODULE else f"{function.module}.{function.name}"
        imports.append(f'(import "{function.module}" "{function.name}" (func ${name} {kind}))')
        pushes = " ".join(f"local.get {number}" for number in range(len(function.params)))
        wrappers.append(f'(func (export "{name}") {kind} {pushes} call ${name})')
    grow = '(func (export "grow") (result i32) i32.const 1 memory.grow)' if pages else ""
    body = "\n".join([*imports, f"(memory {memory} {pages})", *wrappers, grow])
    return f"(module {body})"


def f32(*values: float) -> bytes:
    """Return the values as f32 in memory."""
    return struct.pack(f"<{len(values)}f", *values)


@dataclass
class Guest:
    """A running guest, its memory and what its host reported."""

    session: Session
    text: str = field(default_factory=wat)
    reports: list[tuple[str, NnError]] = field(default_factory=list)

    def __post_init__(self) -> None:
        engine = Engine()
        self.store = Store(engine)
        linker = Linker(engine)
        self.functions = HostFunctions(linker)
        define_nn(
            self.functions, Bindings(self.session, lambda name, error: self.reports.append((name, error)))
        )
        module = Module(engine, wat2wasm(self.text.encode()))
        self.instance = linker.prepare(module).instantiate(self.store)

    @property
    def condition(self) -> Condition:
        """The condition of the last call that failed."""
        return self.reports[-1][1].condition

    @property
    def memory(self) -> GuestMemory:
        """The exported memory, until the guest runs again."""
        memory = self.instance.memory(MEMORY)
        assert memory is not None
        return memory()

    def call(self, name: str, *arguments: int) -> int:
        """Call a wasi-nn function; arguments may be given as u32."""
        function = self.instance.function(name, len(arguments))
        assert function is not None
        return function(*arguments)

    def put(self, at: int, data: bytes) -> None:
        """Write to the guest's memory."""
        if data:
            self.memory.write(at, data, "data")

    def get(self, at: int, length: int) -> bytes:
        """Read from the guest's memory."""
        return self.memory.read(at, length, "data")

    def u32(self, at: int = OUT) -> int:
        """Read a u32."""
        return int.from_bytes(self.get(at, 4), "little")

    def put_u32(self, at: int, value: int) -> None:
        """Write a u32."""
        self.put(at, value.to_bytes(4, "little"))

    def load(
        self,
        builders: tuple[bytes, ...],
        encoding: int = abi.GraphEncoding.OPENVINO,
        target: int = abi.ExecutionTarget.CPU,
    ) -> int:
        """Lay the builders out and load them; the handle is at OUT."""
        at = DATA
        for number, builder in enumerate(builders):
            self.put(at, builder)
            self.put(TENSOR + abi.GRAPH_BUILDER.size * number, abi.GRAPH_BUILDER.pack(at, len(builder)))
            at += len(builder)
        return self.call("load", TENSOR, len(builders), encoding, target, OUT)

    def load_by_name(self, name: bytes) -> int:
        """Load a named model; the handle is at OUT."""
        self.put(DATA, name)
        return self.call("load_by_name", DATA, len(name), OUT)

    def load_by_name_with_config(self, name: bytes, config: bytes) -> int:
        """Load a named model as `config` asks; the handle is at OUT."""
        self.put(DATA, name + config)
        return self.call("load_by_name_with_config", DATA, len(name), DATA + len(name), len(config), OUT)

    def context(self, builders: tuple[bytes, ...], encoding: int = abi.GraphEncoding.OPENVINO) -> int:
        """Load a model and return a new context of it."""
        assert self.load(builders, encoding) == abi.NnErrno.SUCCESS, self.reports
        return self.context_of(self.u32())

    def context_of(self, graph: int) -> int:
        """Return a new context of a graph."""
        assert self.call("init_execution_context", graph, OUT) == abi.NnErrno.SUCCESS, self.reports
        return self.u32()

    def set_input(  # noqa: PLR0913, PLR0917 - what a tensor has
        self,
        context: int,
        data: bytes,
        dimensions: tuple[int, ...],
        kind: int = abi.TensorType.F32,
        index: int = 0,
        at: int = DATA,
    ) -> int:
        """Lay a tensor out and set it."""
        self.put(at, data)
        self.put(DIMENSIONS, b"".join(length.to_bytes(4, "little") for length in dimensions))
        self.put(TENSOR, abi.TENSOR.pack(DIMENSIONS, len(dimensions), kind, at, len(data)))
        return self.call("set_input", context, index, TENSOR)

    def output(self, context: int, index: int = 0, size: int = 4096) -> bytes:
        """Return an output; the call must succeed."""
        errno = self.call("get_output", context, index, DATA, size, OUT)
        assert errno == abi.NnErrno.SUCCESS, self.reports
        return self.get(DATA, self.u32())

    def infer(
        self,
        context: int,
        data: bytes,
        dimensions: tuple[int, ...],
        kind: int = abi.TensorType.F32,
    ) -> bytes:
        """Set input 0, compute, and return output 0."""
        assert self.set_input(context, data, dimensions, kind) == abi.NnErrno.SUCCESS, self.reports
        assert self.call("compute", context) == abi.NnErrno.SUCCESS, self.reports
        return self.output(context)
