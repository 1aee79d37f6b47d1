"""Between guest memory and wasi-nn: unpack arguments, call the session, write results, make errors errnos.

The handlers have the spec's names and parameters, which `host.abi` lists; all their arguments are unsigned.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Final

from host import abi, legacy
from host.errors import Condition, NnError, unforeseen
from host.memory import U32, OutsideMemoryError
from host.nn import TensorView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from host.memory import GuestMemory
    from host.nn import Session
    from host.tracing.observe import WatchedSession


@dataclass(frozen=True, slots=True)
class Bindings:
    """The wasi-nn functions of one guest.

    `report` hears of every call that fails: the function's name and the error.
    """

    session: Session | WatchedSession
    report: Callable[[str, NnError], None]

    def call(self, function: abi.Function, memory: GuestMemory | None, arguments: tuple[int, ...]) -> int:
        """Run one wasi-nn call and return its errno; never raises.

        `memory` is None when the guest exports none; `arguments` are unsigned.
        """
        try:
            self.session.dialect.enter(function.module)
            self._dispatch(function, memory, arguments)
        except NnError as problem:
            error = problem
        except OutsideMemoryError as problem:
            error = NnError(Condition.OUTSIDE_MEMORY, str(problem))
        except Exception as problem:  # noqa: BLE001 - an exception here would unwind through the guest
            error = unforeseen(problem)
        else:
            return abi.NnErrno.SUCCESS
        return self.fail(function.name, error)

    def fail(self, name: str, error: NnError) -> int:
        """Report that the function `name` failed, and return the errno in the guest's dialect."""
        self.report(name, error)
        return self.session.dialect.nn_errno(error.errno)

    def _dispatch(
        self, function: abi.Function, memory: GuestMemory | None, arguments: tuple[int, ...]
    ) -> None:
        if memory is None:
            raise NnError(Condition.NO_MEMORY, "the guest exports no memory")
        # Before anything has an effect: a result that cannot be written must not leave a graph behind.
        for param, value in zip(function.params, arguments, strict=True):
            if param.size:
                memory.check(value, param.size, param.name)
        handler = _handler(function.module, function.name)
        if handler is None:
            raise NnError(Condition.NOT_PROVIDED, f"this host does not have `{function.name}`")
        handler(self, memory, *arguments)

    def load(  # noqa: PLR0913, PLR0917 - the spec's parameters
        self,
        memory: GuestMemory,
        builder_ptr: int,
        builder_len: int,
        encoding: int,
        target: int,
        graph_out: int,
    ) -> None:
        """Unpack the builders, an array of (pointer, bytes), and load them."""
        limits = self.session.limits
        entry = abi.GRAPH_BUILDER
        memory.check(builder_ptr, builder_len * entry.size, "builder")
        if builder_len > limits.builders:
            raise NnError(Condition.ABSURD_SIZE, f"{builder_len} builders; {limits.builders} is the most")
        ranges = list(entry.iter_unpack(memory.read(builder_ptr, builder_len * entry.size, "builder")))
        for number, (ptr, length) in enumerate(ranges):
            memory.check(ptr, length, f"builder[{number}]")
        total = sum(length for _, length in ranges)
        if total > limits.model_bytes:  # builders may overlap: the sum can be far beyond the guest's memory
            reason = f"{total} bytes of model; {limits.model_bytes} is the most"
            raise NnError(Condition.ABSURD_SIZE, reason, "model_bytes")
        builders = tuple(memory.read(ptr, length, "builder") for ptr, length in ranges)
        memory.write_u32(graph_out, self.session.load(builders, encoding, target), "graph_out")

    def load_by_name(self, memory: GuestMemory, name_ptr: int, name_len: int, graph_out: int) -> None:
        """Read the name and load the model registered under it."""
        name = _text(memory, name_ptr, name_len, "name", self.session.limits.name_bytes)
        memory.write_u32(graph_out, self.session.load_by_name(name), "graph_out")

    def load_by_name_with_config(  # noqa: PLR0913, PLR0917 - the dialects' parameters
        self,
        memory: GuestMemory,
        name_ptr: int,
        name_len: int,
        config_ptr: int,
        config_len: int,
        graph_out: int,
    ) -> None:
        """Read the name and the configuration and load the model registered under the name."""
        memory.check(config_ptr, config_len, "config")
        name = _text(memory, name_ptr, name_len, "name", self.session.limits.name_bytes)
        config = _text(memory, config_ptr, config_len, "config", self.session.limits.config_bytes)
        graph = self.session.load_by_name_with_config(name, config)
        memory.write_u32(graph_out, graph, "graph_out")

    def init_execution_context(
        self, memory: GuestMemory, graph: int, graph_execution_context_out: int
    ) -> None:
        """Make a context."""
        context = self.session.init_execution_context(graph)
        memory.write_u32(graph_execution_context_out, context, "graph_execution_context_out")

    def set_input(self, memory: GuestMemory, context: int, index: int, tensor: int) -> None:
        """Unpack the tensor and copy it in."""
        packed = memory.read(tensor, abi.TENSOR.size, "tensor")
        fields = abi.Tensor._make(abi.TENSOR.unpack(packed))
        shape = self.shape(memory, fields.dimensions_ptr, fields.dimensions_len)
        data = memory.view(fields.data_ptr, fields.data_len, "tensor.data")
        self.session.set_input(context, index, TensorView(shape, fields.type, data))

    def shape(self, memory: GuestMemory, ptr: int, rank: int) -> tuple[int, ...]:
        """Return the `rank` dimensions at `ptr`."""
        size = U32.size * rank
        memory.check(ptr, size, "tensor.dimensions")
        most = self.session.limits.rank
        if rank > most:
            raise NnError(Condition.ABSURD_SIZE, f"{rank} dimensions; {most} is the most")
        return tuple(length for (length,) in U32.iter_unpack(memory.read(ptr, size, "tensor.dimensions")))

    def compute(self, memory: GuestMemory, context: int) -> None:  # noqa: ARG002 - every handler has it
        """Run the inference."""
        self.session.compute(context)

    def get_output(  # noqa: PLR0913, PLR0917 - the spec's parameters
        self,
        memory: GuestMemory,
        context: int,
        index: int,
        out_buffer: int,
        out_buffer_max_size: int,
        buffer_size_out: int,
    ) -> None:
        """Write an output and its size; only the size when it does not fit, so a buffer of 0 asks."""
        memory.check(out_buffer, out_buffer_max_size, "out_buffer")
        size = self.session.output_size(context, index)
        memory.write_u32(buffer_size_out, size, "buffer_size_out")
        if size > out_buffer_max_size:
            raise NnError(
                Condition.BUFFER_TOO_SMALL,
                f"output {index} has {size} bytes, the buffer {out_buffer_max_size}",
            )
        self.session.get_output(context, index, memory.view(out_buffer, size, "out_buffer"))

    def unload(self, memory: GuestMemory, graph: int) -> None:  # noqa: ARG002 - every handler has it
        """Let go of a graph."""
        self.session.unload(graph)

    def finalize_execution_context(
        self,
        memory: GuestMemory,  # noqa: ARG002 - every handler has it
        context: int,
    ) -> None:
        """Let go of a context."""
        self.session.finalize_execution_context(context)


def _text(memory: GuestMemory, ptr: int, length: int, what: str, most: int) -> bytes:
    memory.check(ptr, length, what)
    if length > most:
        raise NnError(Condition.ABSURD_SIZE, f"a {what} of {length} bytes; {most} is the most")
    return memory.read(ptr, length, what)


def _handler(module: str, name: str) -> Callable[..., None] | None:
    """Return the handler of a function: (bindings, memory, *arguments)."""
    found: Callable[..., None] | None = getattr(Bindings, name, None)
    return legacy.HANDLERS.get(name, found) if module == legacy.EPOCH.module else found


_WIDEST: Final = "wasmedge"
"""The epoch with every extension function that any host has."""


def _described(epoch: abi.Epoch, pointers: Iterable[abi.Param] = ()) -> tuple[abi.Function, ...]:
    """Return the functions of an epoch, their parameters named as those of their handlers.

    A parameter that points to something points to the same in all functions that have it; `pointers` are
    those that the interface has not, or has otherwise.
    """
    known = {param.name: param for function in abi.FUNCTIONS for param in function.params if param.size}
    known |= {param.name: param for param in pointers}
    found = []
    for name, types in epoch.functions.items():
        handler = _handler(epoch.module, name)
        names = list(signature(handler).parameters)[2:] if handler else [""] * len(types.split())
        params = (
            known.get(param, abi.Param(param, type_))
            for param, type_ in zip(names, types.split(), strict=True)
        )
        found.append(abi.Function(epoch.module, name, tuple(params), abi.FUNCTIONS[0].results))
    return tuple(found)


FUNCTIONS: Final = _described(abi.EPOCHS[_WIDEST])
"""The functions of the interface, and the extension functions of other hosts."""

LEGACY_FUNCTIONS: Final = _described(legacy.EPOCH, legacy.POINTERS)
"""The functions of WAMR's own module, of which a guest may import some besides."""
