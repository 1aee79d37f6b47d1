"""`set_input`, `compute` and `get_output` made again like before: some comparisons in place of all checks.

Nothing is decided here. What is not just like a call that `host.bindings` let through goes to it, and it
alone makes the errors.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from host import abi, legacy
from host.errors import Condition, NnError, unforeseen
from host.memory import U32
from host.wasmtime_c import ffi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from host.bindings import Bindings
    from host.host_functions import HostFunctions
    from host.nn import Session
    from host.wasmtime_c import CData

    Handler = Callable[[CData, CData], None]

_SUCCESS: Final = int(abi.NnErrno.SUCCESS)
_NOT_TOLD: Final = -1
_tensor_at: Final = abi.TENSOR.unpack_from
_legacy_tensor_at: Final = legacy.TENSOR.unpack_from
_dimensions_at: Final = abi.TENSOR_DIMENSIONS.unpack_from
_u32_at: Final = U32.unpack_from
_write_u32: Final = U32.pack_into


class Accepted(NamedTuple):
    """A tensor that was let through as an input; `data` is the input's own memory, as long as the data.

    `size` is what the guest said of that, or _NOT_TOLD: by which a tensor of one module, whose types have
    other numbers, is never taken for one of the other.
    """

    type: int
    rank: int
    dimensions: bytes
    size: int
    data: memoryview


class HotCalls:
    """The three functions that a guest calls for every inference, of one guest that nobody watches."""

    def __init__(
        self,
        functions: HostFunctions,
        bindings: Bindings,
        session: Session,
        described: Iterable[abi.Function],
    ) -> None:
        """Serve the guest of `functions` from `session`, which is that of `bindings`.

        `described` are the functions of one module, its own or WAMR's.
        """
        self._functions = functions
        self._bindings = bindings
        self._session = session
        self._by_name = {function.name: function for function in described}
        self._module = self._by_name["compute"].module
        self._memory = memoryview(b"")  # the guest's, as large as it was once: it never shrinks, nor moves
        self._tensor = _tensor_at if self._module == abi.MODULE else _legacy_tensor

    def handler(self, name: str) -> Handler | None:
        """Return what is to handle the calls of a function; None when that is not done here."""
        get_output = self._get_output if self._module == abi.MODULE else self._get_output_legacy
        handlers = {"set_input": self._set_input, "compute": self._compute, "get_output": get_output}
        return handlers.get(name)

    def _set_input(self, caller: CData, values: CData) -> None:
        """Copy the data of a tensor that differs from the last one in nothing else."""
        context, index, tensor = values[0].u32, values[1].u32, values[2].u32
        try:
            is_done = self._set_input_again(context, index, tensor)
        except Exception:  # noqa: BLE001 - whatever it is, the full call tells it as an errno
            is_done = False
        if is_done:
            values[0].u32 = _SUCCESS
            return
        values[0].u32 = errno = self._in_full("set_input", caller, context, index, tensor)
        if errno == _SUCCESS:
            with suppress(Exception):  # it is set; the next one will be made in full, too
                self._accept(context, index, tensor)

    def _compute(self, caller: CData, values: CData) -> None:
        """Run the inference of a context that has all its inputs."""
        context = values[0].u32
        try:
            self._session.compute(context)
            errno = _SUCCESS
        except NnError as error:  # not made again in full: the inference would run twice
            if error.condition is Condition.HANDLE_NOT_LIVE:  # there may not even be a memory
                errno = self._in_full("compute", caller, context)
            else:
                errno = self._fail("compute", error)
        except Exception as problem:  # noqa: BLE001 - an exception here would unwind through the guest
            errno = self._fail("compute", unforeseen(problem))
        values[0].u32 = errno

    def _get_output(self, caller: CData, values: CData) -> None:
        """Copy an output that fits."""
        context, index, buffer = values[0].u32, values[1].u32, values[2].u32
        room, written = values[3].u32, values[4].u32
        try:
            is_done = self._get_output_again(context, index, buffer, room, written)
        except Exception:  # noqa: BLE001 - see above
            is_done = False
        if is_done:
            values[0].u32 = _SUCCESS
        else:
            values[0].u32 = self._in_full("get_output", caller, context, index, buffer, room, written)

    def _get_output_legacy(self, caller: CData, values: CData) -> None:
        """Copy an output that fits; `count` is where its size in f32 goes, and that of the buffer is."""
        context, index, buffer, count = values[0].u32, values[1].u32, values[2].u32, values[3].u32
        memory = self._memory
        try:
            (room,) = _u32_at(memory, count)
            is_done = self._get_output_again(context, index, buffer, room * legacy.OUTPUT_UNIT, count)
        except Exception:  # noqa: BLE001 - see above
            is_done = False
        if is_done:
            (size,) = _u32_at(memory, count)
            _write_u32(memory, count, -(-size // legacy.OUTPUT_UNIT))
            values[0].u32 = _SUCCESS
        else:
            values[0].u32 = self._in_full("get_output", caller, context, index, buffer, count)

    def _fail(self, name: str, error: NnError) -> int:
        self._session.dialect.enter(self._module)  # the call before may have been another module's
        return self._bindings.fail(name, error)

    def _in_full(self, name: str, caller: CData, *arguments: int) -> int:
        errno = self._bindings.call(self._by_name[name], self._functions.guest_memory(caller), arguments)
        memory = self._functions.memory(caller)
        if memory is not None:
            self._memory = memoryview(ffi.buffer(*memory))
        return errno

    def _set_input_again(self, context: int, index: int, tensor: int) -> bool:
        live = self._session.context(context)
        accepted = None if live is None else live.accepted.get(index)
        if accepted is None:
            return False
        type_, rank, dimensions, size, data = accepted
        memory = self._memory
        shape_at, given_rank, given_type, data_at, given_size = self._tensor(memory, tensor)
        if given_type != type_ or given_rank != rank or given_size != size:
            return False
        if shape_at + len(dimensions) > len(memory) or data_at + len(data) > len(memory):
            return False
        if memory[shape_at : shape_at + len(dimensions)] != dimensions:
            return False
        data[:] = memory[data_at : data_at + len(data)]
        return True

    def _accept(self, context: int, index: int, tensor: int) -> None:
        live, memory = self._session.context(context), self._memory
        if live is not None:
            shape_at, rank, type_, _, size = self._tensor(memory, tensor)
            dimensions = bytes(memory[shape_at : shape_at + U32.size * rank])
            live.accepted[index] = Accepted(type_, rank, dimensions, size, live.request.input(index))

    def _get_output_again(self, context: int, index: int, buffer: int, room: int, written: int) -> bool:
        live = self._session.context(context)
        if live is None or not live.is_computed:
            return False
        data = live.request.output(index)
        size, memory = len(data), self._memory
        if size > room or size > self._session.limits.tensor_bytes:
            return False
        if buffer + room > len(memory) or written + U32.size > len(memory):
            return False
        _write_u32(memory, written, size)
        memory[buffer : buffer + size] = data
        return True


def _legacy_tensor(memory: memoryview, at: int) -> tuple[int, int, int, int, int]:
    """Return a tensor's fields as they are in the other module's; raises when it leaves the memory."""
    dimensions, type_, data_at = _legacy_tensor_at(memory, at)
    return *_dimensions_at(memory, dimensions), type_, data_at, _NOT_TOLD
