"""The functions of WAMR's own module that differ from the common ones in more than their numbers.

They unpack what they are given and go on to the handlers of `host.bindings`, so that the checks, the session
and the errors are the same. What their numbers mean is `host.dialects`.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host import abi
from host.dialects import ELEMENT_BYTES, LEGACY
from host.errors import Condition, NnError
from host.memory import U32
from host.nn import TensorView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from host.bindings import Bindings
    from host.memory import GuestMemory

EPOCH: Final = abi.EPOCHS[LEGACY]

_BUILDERS: Final = EPOCH.structs["graph_builder_array"]
TENSOR: Final = EPOCH.structs["tensor"]
OUTPUT_UNIT: Final = ELEMENT_BYTES["f32"]
"""What the size of an output is counted in, whatever its type."""


def load(  # noqa: PLR0913, PLR0917 - the interface's parameters
    bindings: Bindings, memory: GuestMemory, builder: int, encoding: int, target: int, graph_out: int
) -> None:
    """Find the builders, an array of (pointer, bytes), where `builder` says, and load them."""
    builder_ptr, builder_len = _BUILDERS.unpack(memory.read(builder, _BUILDERS.size, "builder"))
    bindings.load(memory, builder_ptr, builder_len, encoding, target, graph_out)


def set_input(bindings: Bindings, memory: GuestMemory, context: int, index: int, tensor: int) -> None:
    """Unpack the tensor, whose data is as long as its shape and type say, and copy it in."""
    session = bindings.session
    dimensions_ptr, type_, data_ptr = TENSOR.unpack(memory.read(tensor, TENSOR.size, "tensor"))
    packed = memory.read(dimensions_ptr, abi.TENSOR_DIMENSIONS.size, "tensor.dimensions")
    shape = bindings.shape(memory, *abi.TENSOR_DIMENSIONS.unpack(packed))
    meaning = session.dialect.tensor_type(type_, shape, 0)
    size = math.prod(shape) * ELEMENT_BYTES[meaning.name.lower()]
    most = session.limits.tensor_bytes
    if size > most:
        reason = f"tensor of {size} bytes; {most} is the most"
        raise NnError(Condition.ABSURD_SIZE, reason, "tensor_bytes")
    data = memory.view(data_ptr, size, "tensor.data")
    session.set_input(context, index, TensorView(shape, type_, data))


def get_output(  # noqa: PLR0913, PLR0917 - the interface's parameters
    bindings: Bindings,
    memory: GuestMemory,
    context: int,
    index: int,
    output_tensor: int,
    output_tensor_size: int,
) -> None:
    """Write an output, and how many f32 would be as long in place of how many the guest has room for."""
    (most,) = U32.unpack(memory.read(output_tensor_size, U32.size, "output_tensor_size"))
    room = most * OUTPUT_UNIT
    memory.check(output_tensor, room, "output_tensor")
    size = bindings.session.output_size(context, index)
    try:
        bindings.get_output(memory, context, index, output_tensor, room, output_tensor_size)
    finally:  # whether it fits or not, that has said how many bytes there are
        memory.write_u32(output_tensor_size, -(-size // OUTPUT_UNIT), "output_tensor_size")


HANDLERS: Final[Mapping[str, Callable[..., None]]] = MappingProxyType(
    {handler.__name__: handler for handler in (load, set_input, get_output)}
)
"""By name; the module's other functions are those of `host.bindings`."""

POINTERS: Final = (
    abi.Param("builder", "i32", _BUILDERS.size),
    abi.Param("tensor", "i32", TENSOR.size),
    abi.Param("output_tensor_size", "i32", U32.size),
)
"""The parameters that point to something of a size that is known, and are nowhere else."""
