"""`set_input`, `compute` and `get_output` made again like before: some comparisons in place of all checks.

Nothing is decided here. What is not just like a call that `host.bindings` let through goes to it, and it
alone makes the errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from host import abi
from host.errors import Condition, NnError, unforeseen
from host.memory import U32
from host.wasmtime_c import ffi

if TYPE_CHECKING:
    from host.bindings import Bindings
    from host.nn import Session
    from host.wasmtime_c import CData, HostFunctions

_BY_NAME: Final = {function.name: function for function in abi.FUNCTIONS}
_TENSOR: Final = ffi.typeof("guest_tensor *")
_U32: Final = ffi.typeof("uint32_t *")
_SUCCESS: Final = int(abi.NnErrno.SUCCESS)
_TENSOR_SIZE: Final = abi.TENSOR.size


class Accepted(NamedTuple):
    """A tensor that was let through as an input; `data` is the input's own memory, as long as the data."""

    type: int
    rank: int
    dimensions: bytes
    size: int
    data: CData


class HotCalls:
    """The three functions that a guest calls for every inference, of one guest that nobody watches."""

    def __init__(self, functions: HostFunctions, bindings: Bindings, session: Session) -> None:
        """Serve the guest of `functions` from `session`, which is that of `bindings`."""
        self._functions = functions
        self._bindings = bindings
        self._session = session

    def set_input(self, caller: CData, values: CData) -> None:
        """Copy the data of a tensor that differs from the last one in nothing else."""
        context, index, tensor = values[0].u32, values[1].u32, values[2].u32
        if self._set_input_again(caller, context, index, tensor):
            values[0].u32 = _SUCCESS
            return
        errno = self._in_full("set_input", caller, context, index, tensor)
        if errno == _SUCCESS:
            self._accept(caller, context, index, tensor)
        values[0].u32 = errno

    def compute(self, caller: CData, values: CData) -> None:
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

    def get_output(self, caller: CData, values: CData) -> None:
        """Copy an output that fits."""
        context, index, buffer = values[0].u32, values[1].u32, values[2].u32
        room, written = values[3].u32, values[4].u32
        if self._get_output_again(caller, context, index, buffer, room, written):
            values[0].u32 = _SUCCESS
        else:
            values[0].u32 = self._in_full("get_output", caller, context, index, buffer, room, written)

    def _fail(self, name: str, error: NnError) -> int:
        self._session.dialect.enter(abi.MODULE)  # the call before may have been another module's
        return self._bindings.fail(name, error)

    def _in_full(self, name: str, caller: CData, *arguments: int) -> int:
        return self._bindings.call(_BY_NAME[name], self._functions.guest_memory(caller), arguments)

    def _set_input_again(self, caller: CData, context: int, index: int, tensor: int) -> bool:
        live = self._session.context(context)
        accepted = None if live is None else live.accepted.get(index)
        memory = self._functions.memory(caller)
        if accepted is None or memory is None:
            return False
        base, end = memory
        if tensor + _TENSOR_SIZE > end:
            return False
        type_, rank, dimensions, size, data = accepted
        given: Any = ffi.cast(_TENSOR, base + tensor)
        if given.type != type_ or given.dimensions_len != rank or given.data_len != size:
            return False
        shape_at, data_at, shape_size = given.dimensions_ptr, given.data_ptr, len(dimensions)
        if shape_at + shape_size > end or data_at + size > end:
            return False
        if ffi.buffer(base + shape_at, shape_size)[:] != dimensions:
            return False
        ffi.memmove(data, base + data_at, size)
        return True

    def _accept(self, caller: CData, context: int, index: int, tensor: int) -> None:
        live, memory = self._session.context(context), self._functions.guest_memory(caller)
        if live is None or memory is None:
            return
        given = abi.Tensor._make(abi.TENSOR.unpack(memory.read(tensor, _TENSOR_SIZE, "tensor")))
        rank = given.dimensions_len
        dimensions = memory.read(given.dimensions_ptr, U32.size * rank, "tensor.dimensions")
        data = ffi.from_buffer(live.request.input(index))
        live.accepted[index] = Accepted(given.type, rank, dimensions, given.data_len, data)

    def _get_output_again(  # noqa: PLR0913, PLR0917 - the function's own parameters
        self, caller: CData, context: int, index: int, buffer: int, room: int, written: int
    ) -> bool:
        live, memory = self._session.context(context), self._functions.memory(caller)
        if live is None or memory is None or not live.is_computed:
            return False
        base, end = memory
        if buffer + room > end or written + U32.size > end:
            return False
        try:
            data = live.request.output(index)
        except Exception:  # noqa: BLE001 - looked for again in full, and explained there
            return False
        size = len(data)
        if size > room or size > self._session.limits.tensor_bytes:
            return False
        ffi.cast(_U32, base + written)[0] = size
        ffi.memmove(base + buffer, data, size)
        return True
