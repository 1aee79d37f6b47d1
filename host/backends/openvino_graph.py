"""A model that OpenVINO compiled, its inputs and outputs, and the requests that run it.

How it is read and compiled is in `host.backends.openvino`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from host.abi import TensorType
from host.backends import Dimension, Port
from host.backends.openvino_c import CData, Library, OpenVinoError, ffi
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_ELEMENT_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {int(number): name.lower() for number, name in ffi.typeof("ov_element_type_e").elements.items()}
)
ELEMENTS: Final[Mapping[str, int]] = MappingProxyType(
    {name: number for number, name in _ELEMENT_NAMES.items()}
)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class OpenVinoGraph:
    """A compiled model; `compiled` is an `ov_compiled_model_t *`."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    ov: Library
    compiled: CData
    remark: str = ""

    def request(self) -> OpenVinoRequest:
        """Return a new request."""
        lib = self.ov.lib

        def free(request: CData, _compiled: CData = self.compiled) -> None:  # which outlives it
            lib.ov_infer_request_free(request)

        create = lib.ov_compiled_model_create_infer_request
        return OpenVinoRequest(self, self.ov.make("ov_infer_request_t", create, self.compiled, free=free))


class _Tensor(NamedTuple):
    """A tensor of the request's own, and its data, which lives as long as the tensor, and where that is."""

    tensor: CData
    dimensions: tuple[int, ...]
    data: memoryview
    address: int

    def overlaps(self, other: _Tensor) -> bool:
        """Whether the two have memory in common."""
        begin, its = self.address, other.address
        return begin < its + len(other.data) and its < begin + len(self.data)


class OpenVinoRequest:
    """An inference request with input tensors of its own, and output tensors where their shape is known.

    They are OpenVINO's, never lent: with dynamic shapes OpenVINO writes one request's input into memory that
    was lent to another. An output of dynamic shape is looked up anew after each inference, since it may move;
    where a model passes an input through it is the input's own tensor, and copied before that is set again.
    """

    def __init__(self, graph: OpenVinoGraph, request: CData) -> None:
        """Use `request`, an `ov_infer_request_t *`."""
        self.graph = graph
        self._request = request
        self._lib = graph.ov.lib
        self._infer = self._lib.ov_infer_request_infer
        self._inputs: dict[int, _Tensor] = {}
        self._outputs: dict[int, _Tensor] = {}
        self._address, self._size = ffi.new("void **"), ffi.new("size_t *")
        self._found = ffi.new("ov_tensor_t **")
        self._dynamic: list[int] = []
        for index, port in enumerate(graph.outputs):
            shape = port.static_shape
            if shape is not None and 0 not in shape:
                self._outputs[index] = self._new_output(index, port, shape)
            else:
                self._dynamic.append(index)

    def set_input(self, index: int, dimensions: tuple[int, ...], data: bytes | memoryview) -> None:
        """Copy `data` in: into the same tensor as before when the dimensions are the same."""
        held = self._inputs.get(index)
        if held is None or held.dimensions != dimensions:
            held = self._new_input(index, dimensions)
        if len(data) != len(held.data):
            raise NnError(
                Condition.UNFORESEEN, f"input {index} of {len(held.data)} bytes was given {len(data)} bytes"
            )
        ffi.memmove(held.data, data, len(data))

    def clear_input(self, index: int, dimensions: tuple[int, ...]) -> None:
        """Set input `index` to zeros."""
        data = self._new_input(index, dimensions).data
        ffi.memmove(data, bytes(len(data)), len(data))

    def input(self, index: int) -> memoryview:
        """Return the data of the input's tensor."""
        return self._inputs[index].data

    def infer(self) -> None:
        """Run the inference."""
        try:
            status = self._infer(self._request)
            if status:
                self.graph.ov.check(status)
            for index in self._dynamic:
                self._outputs[index] = self._found_output(index)
        except OpenVinoError as error:
            raise NnError(Condition.COMPUTE_FAILED, str(error)) from error

    def output(self, index: int) -> memoryview:
        """Return the output's data; the request keeps it alive until the next inference."""
        return self._outputs[index].data

    def _new_input(self, index: int, dimensions: tuple[int, ...]) -> _Tensor:
        port = self.graph.inputs[index]
        if port.type is None:
            raise NnError(Condition.TYPE_DIFFERS, f"input {index} is {port.type_name}")
        ov = self.graph.ov
        tensor = new_tensor(ov, ELEMENTS[port.type_name], dimensions)
        ov.check(self._lib.ov_infer_request_set_input_tensor_by_index(self._request, index, tensor))
        held = self._inputs[index] = self._held(tensor, dimensions)
        return held

    def _found_output(self, index: int) -> _Tensor:
        """Return the output as the last inference left it."""
        lib = self._lib
        self.graph.ov.check(
            lib.ov_infer_request_get_output_tensor_by_index(self._request, index, self._found)
        )
        found = self._held(ffi.gc(self._found[0], lib.ov_tensor_free), ())
        if any(map(found.overlaps, self._inputs.values())):
            return found._replace(data=memoryview(bytes(found.data)))
        return found

    def _new_output(self, index: int, port: Port, shape: tuple[int, ...]) -> _Tensor:
        ov = self.graph.ov
        tensor = new_tensor(ov, ELEMENTS[port.type_name], shape)
        ov.check(self._lib.ov_infer_request_set_output_tensor_by_index(self._request, index, tensor))
        return self._held(tensor, shape)

    def _held(self, tensor: CData, dimensions: tuple[int, ...]) -> _Tensor:
        ov, lib = self.graph.ov, self._lib
        ov.check(lib.ov_tensor_get_byte_size(tensor, self._size))
        size = self._size[0]
        if not size:  # it has no address
            return _Tensor(tensor, dimensions, memoryview(bytearray()), 0)
        ov.check(lib.ov_tensor_data(tensor, self._address))
        at = self._address[0]
        return _Tensor(tensor, dimensions, memoryview(ffi.buffer(at, size)), int(ffi.cast("uintptr_t", at)))


def new_tensor(ov: Library, element: int, dimensions: Sequence[int]) -> CData:
    """Return a tensor of OpenVINO's own memory, not initialised; `element` is a number of `ELEMENTS`."""
    lengths = ffi.new("int64_t[]", list(dimensions))
    shape = ffi.new("ov_shape_t *", {"rank": len(dimensions), "dims": lengths})
    lib = ov.lib
    return ov.make("ov_tensor_t", lib.ov_tensor_create, element, shape[0], free=lib.ov_tensor_free)


def address(ov: Library, tensor: CData) -> CData:
    """Return where a tensor's data is; it stays there as long as the tensor lives."""
    out = ffi.new("void **")
    ov.check(ov.lib.ov_tensor_data(tensor, out))
    return out[0]


def ports(
    ov: Library,
    model: CData,
    size: Callable[..., int],
    by_index: Callable[..., int],
) -> tuple[Port, ...]:
    """Return the ports of a model that `size` counts and `by_index` gives."""
    return tuple(
        _port(
            ov,
            ov.make("ov_output_const_port_t", by_index, model, index, free=ov.lib.ov_output_const_port_free),
        )
        for index in range(ov.number("size_t", size, model))
    )


def _port(ov: Library, port: CData) -> Port:
    name = _ELEMENT_NAMES[ov.number("ov_element_type_e", ov.lib.ov_port_get_element_type, port)]
    shape = ffi.new("ov_partial_shape_t *")
    ov.check(ov.lib.ov_port_get_partial_shape(port, shape))
    try:
        dimensions = None
        if shape.rank.min == shape.rank.max:
            dimensions = tuple(_dimension(shape.dims[index]) for index in range(shape.rank.min))
    finally:
        ov.lib.ov_partial_shape_free(shape)
    return Port(dimensions, next((known for known in TensorType if known.name.lower() == name), None), name)


def _dimension(length: CData) -> Dimension:
    return Dimension(length.min, None if length.max < 0 else length.max)
