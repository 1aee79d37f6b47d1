"""The OpenVINO backend: compile IR and ONNX from bytes, any format OpenVINO reads from a path, on CPU or GPU.

The only module that imports OpenVINO or numpy; whoever needs it imports it late, because that takes a while.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed

from host.abi import GraphEncoding, TensorType
from host.backends import Dimension, Port
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from host.options import ModelOptions

_FROM_BYTES: Final = frozenset({GraphEncoding.OPENVINO, GraphEncoding.ONNX})
_DTYPES: Final[Mapping[TensorType, np.dtype[Any]]] = MappingProxyType(
    {
        TensorType.F16: np.dtype(np.float16),
        TensorType.F32: np.dtype(np.float32),
        TensorType.F64: np.dtype(np.float64),
        TensorType.U8: np.dtype(np.uint8),
        TensorType.I32: np.dtype(np.int32),
        TensorType.I64: np.dtype(np.int64),
    }
)
_REASON_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class OpenVino:
    """A backend on one OpenVINO core."""

    core: Any = field(default_factory=openvino.Core)

    def load(
        self, builders: tuple[bytes, ...], encoding: GraphEncoding, options: ModelOptions
    ) -> OpenVinoGraph:
        """Compile IR (XML, weights) or ONNX from bytes."""
        if encoding not in _FROM_BYTES:
            raise NnError(
                Condition.ENCODING_NOT_SERVED, f"no backend loads {encoding.name.lower()} from bytes"
            )
        self._check_device(options.device)
        model, weights = builders if len(builders) > 1 else (builders[0], b"")
        try:
            # `read_model` alone takes bytes for what they are; `compile_model` takes them for a path.
            return self._compile(self.core.read_model(bytes(model), bytes(weights)), options)
        except RuntimeError as error:
            raise NnError(Condition.NOT_A_MODEL, _reason(error)) from error

    def load_path(self, path: Path, options: ModelOptions) -> OpenVinoGraph:
        """Compile the model at `path`."""
        self._check_device(options.device)
        try:
            return self._compile(self.core.read_model(str(path)), options)
        except RuntimeError as error:
            raise NnError(Condition.NOT_A_MODEL, _reason(error)) from error

    def _check_device(self, device: str) -> None:
        available = self.core.available_devices  # "CPU", "GPU", or "GPU.0" and on where there are several
        if not any(name.split(".")[0] == device for name in available):
            has = ", ".join(available)
            raise NnError(Condition.DEVICE_NOT_AVAILABLE, f"no device {device} here, only {has}")

    def _compile(self, model: Any, options: ModelOptions) -> OpenVinoGraph:  # noqa: ANN401 - OpenVINO is untyped
        config = {"INFERENCE_PRECISION_HINT": options.precision, "PERFORMANCE_HINT": "LATENCY"}
        compiled = self.core.compile_model(model, options.device, config)
        return OpenVinoGraph(
            tuple(_port(port) for port in compiled.inputs),
            tuple(_port(port) for port in compiled.outputs),
            compiled,
        )


@dataclass(frozen=True, slots=True)
class OpenVinoGraph:
    """A compiled model; `compiled` is an `openvino.CompiledModel`."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    compiled: Any

    def request(self) -> OpenVinoRequest:
        """Return a new request."""
        return OpenVinoRequest(self, self.compiled.create_infer_request())


@dataclass(frozen=True, slots=True)
class OpenVinoRequest:
    """An inference request; `request` is an `openvino.InferRequest`."""

    graph: OpenVinoGraph
    request: Any

    def set_input(self, index: int, dimensions: tuple[int, ...], data: bytes) -> None:
        """Copy `data` into a tensor that only this request has.

        Never lent: with dynamic shapes OpenVINO writes another request's input into memory lent to it before.
        """
        tensor_type = self.graph.inputs[index].type
        if tensor_type is None:
            raise NnError(Condition.TYPE_DIFFERS, f"input {index} is {self.graph.inputs[index].type_name}")
        array = np.frombuffer(data, _DTYPES[tensor_type]).reshape(dimensions)
        self.request.set_input_tensor(index, openvino.Tensor(array, shared_memory=False))

    def infer(self) -> None:
        """Run the inference."""
        try:
            self.request.infer()
        except RuntimeError as error:
            raise NnError(Condition.COMPUTE_FAILED, _reason(error)) from error

    def output_size(self, index: int) -> int:
        """Return the output's size in bytes."""
        size: int = self.request.get_output_tensor(index).byte_size
        return size

    def output(self, index: int) -> bytes:
        """Return a copy of the output's bytes."""
        data: bytes = self.request.get_output_tensor(index).data.tobytes()
        return data


def _port(port: Any) -> Port:  # noqa: ANN401 - OpenVINO is untyped
    shape = port.partial_shape
    dimensions = None
    if shape.rank.is_static:
        dimensions = tuple(_dimension(length) for length in shape)
    name = port.element_type.to_string()
    return Port(dimensions, next((known for known in TensorType if known.name.lower() == name), None), name)


def _dimension(length: Any) -> Dimension:  # noqa: ANN401 - OpenVINO is untyped
    high = length.get_max_length()
    return Dimension(length.get_min_length(), None if high < 0 else high)


def _reason(error: RuntimeError) -> str:
    """Return what an OpenVINO exception says, without the places in OpenVINO's sources it went through."""
    lines = (line.strip() for line in str(error).splitlines())
    said = " ".join(line for line in lines if line and not line.startswith("Exception from "))
    return said[:_REASON_CHARACTERS] or type(error).__name__
