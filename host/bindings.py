"""Between guest memory and wasi-nn: unpack arguments, call the session, write results, make errors errnos.

The handlers have the spec's names and parameters, which `host.abi` lists; all their arguments are unsigned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from host import abi
from host.errors import Condition, NnError
from host.memory import U32, OutsideMemoryError, u32
from host.nn import TensorView

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.memory import GuestMemory
    from host.nn import Session


_WIDEST: Final = "wasmedge"
"""The epoch with every extension function that any host has."""


def _extensions() -> tuple[abi.Function, ...]:
    own = {function.name for function in abi.FUNCTIONS}
    results = abi.FUNCTIONS[0].results  # the errno, of every function
    return tuple(
        abi.Function(abi.MODULE, name, tuple(abi.Param("", type_) for type_ in types.split()), results)
        for name, types in abi.EPOCHS[_WIDEST].functions.items()
        if name not in own
    )


FUNCTIONS: Final = (*abi.FUNCTIONS, *_extensions())
"""What a guest can link: the interface, and the extension functions of other hosts."""


@dataclass(frozen=True, slots=True)
class Bindings:
    """The wasi-nn functions of one guest.

    `report` hears of every call that fails: the function's name and the error.
    """

    session: Session
    report: Callable[[str, NnError], None]

    def call(
        self, function: abi.Function, memory: Callable[[], GuestMemory | None], arguments: tuple[int, ...]
    ) -> int:
        """Run one wasi-nn call and return its errno; never raises.

        `memory` gives None when the guest exports none; `arguments` are as core wasm gives them, signed.
        """
        try:
            self._dispatch(function, memory(), tuple(map(u32, arguments)))
        except NnError as problem:
            error = problem
        except OutsideMemoryError as problem:
            error = NnError(Condition.OUTSIDE_MEMORY, str(problem))
        except Exception as problem:  # noqa: BLE001 - an exception here would unwind through the guest
            error = NnError(Condition.UNFORESEEN, f"{type(problem).__name__}: {problem}")
        else:
            return abi.NnErrno.SUCCESS
        self.report(function.name, error)
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
        handler = getattr(self, function.name, None)
        if handler is None:
            raise NnError(Condition.NOT_PROVIDED, f"this host does not have `{function.name}`")
        handler(memory, *arguments)

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
            raise NnError(Condition.ABSURD_SIZE, f"{total} bytes of model; {limits.model_bytes} is the most")
        builders = tuple(memory.read(ptr, length, "builder") for ptr, length in ranges)
        memory.write_u32(graph_out, self.session.load(builders, encoding, target), "graph_out")

    def load_by_name(self, memory: GuestMemory, name_ptr: int, name_len: int, graph_out: int) -> None:
        """Read the name and load the model registered under it."""
        memory.check(name_ptr, name_len, "name")
        most = self.session.limits.name_bytes
        if name_len > most:
            raise NnError(Condition.ABSURD_SIZE, f"a name of {name_len} bytes; {most} is the most")
        name = memory.read(name_ptr, name_len, "name")
        memory.write_u32(graph_out, self.session.load_by_name(name), "graph_out")

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
        size = U32.size * fields.dimensions_len
        memory.check(fields.dimensions_ptr, size, "tensor.dimensions")
        memory.check(fields.data_ptr, fields.data_len, "tensor.data")
        most = self.session.limits.rank
        if fields.dimensions_len > most:
            raise NnError(Condition.ABSURD_SIZE, f"{fields.dimensions_len} dimensions; {most} is the most")
        dimensions = memory.read(fields.dimensions_ptr, size, "tensor.dimensions")
        data = memory.read(fields.data_ptr, fields.data_len, "tensor.data")
        shape = tuple(length for (length,) in U32.iter_unpack(dimensions))
        self.session.set_input(context, index, TensorView(shape, fields.type, data))

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
        output = self.session.get_output(context, index)
        if len(output) != size:  # the buffer was measured against `size`
            raise NnError(Condition.UNFORESEEN, f"output {index} has {len(output)} bytes, not {size}")
        memory.write(out_buffer, output, "out_buffer")

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
