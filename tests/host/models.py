"""Models to test with, each a few hundred bytes: OpenVINO IR by OpenVINO, ONNX protobufs by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
from openvino import opset13 as ops

IR = tuple[bytes, bytes]


def double(shape: list[int], dtype: str = "float32") -> IR:
    """Return the IR of y = x + x; -1 in `shape` is a dynamic dimension."""
    x = ops.parameter(shape, np.dtype(dtype))
    return _ir(openvino.Model([ops.add(x, x)], [x], "double"))


def subtract(shape: list[int]) -> IR:
    """Return the IR of y = a - b, both f32."""
    a, b = ops.parameter(shape, np.float32), ops.parameter(shape, np.float32)
    return _ir(openvino.Model([ops.subtract(a, b)], [a, b], "subtract"))


def add_constant(value: float) -> IR:
    """Return the IR of y = x + value for x of shape [2]; the constant is in the weights."""
    x = ops.parameter([2], np.float32)
    return _ir(openvino.Model([ops.add(x, ops.constant(np.array([value, value], np.float32)))], [x], "add"))


def boolean() -> IR:
    """Return the IR of y = not x on booleans, a type that wasi-nn has no value for."""
    x = ops.parameter([2], np.bool_)
    return _ir(openvino.Model([ops.logical_not(x)], [x], "not"))


def reshape() -> IR:
    """Return the IR of a model that fits dimensions [any] but runs only on an even number of elements."""
    x = ops.parameter([-1], np.float32)
    shape = ops.constant(np.array([2, -1], np.int64))
    return _ir(openvino.Model([ops.reshape(x, shape, special_zero=False)], [x], "reshape"))


def repeat(times: int) -> IR:
    """Return the IR of y = x, repeated, for x of shape [2]; the shape of y, dynamic, is not in the XML."""
    x = ops.parameter([-1], np.float32)
    return _ir(openvino.Model([ops.tile(x, ops.constant(np.array([times], np.int64)))], [x], "repeat"))


def gather_nd() -> IR:
    """Return the IR of y = [1, 2, 3, 4] at the indices x of shape [4096, 1], wherever they lead."""
    x = ops.parameter([4096, 1], np.int64)
    data = ops.constant(np.array([1, 2, 3, 4], np.float32))
    return _ir(openvino.Model([ops.gather_nd(data, x)], [x], "gather_nd"))


def _ir(model: object) -> IR:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.xml")
        openvino.save_model(model, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def varint(value: int) -> bytes:
    """Return a protobuf varint."""
    head = b""
    while value > 0x7F:
        head += bytes([value & 0x7F | 0x80])
        value >>= 7
    return head + bytes([value])


def field(number: int, value: int | bytes | str) -> bytes:
    """Return a protobuf field: a varint for an int, else length-delimited."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def _value_info(name: str) -> bytes:
    shape = field(1, field(1, 2))
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def tensor(name: str, raw: bytes, *more: bytes) -> bytes:
    """Return a TensorProto of f32."""
    return field(1, len(raw) // 4) + field(2, 1) + field(8, name) + field(9, raw) + b"".join(more)


def external(name: str, location: str) -> bytes:
    """Return a TensorProto of two f32 in a file."""
    entry = field(13, field(1, "location") + field(2, location))
    return field(1, 2) + field(2, 1) + field(8, name) + entry + field(14, 1)


def onnx_of(op_type: str) -> bytes:
    """Return an ONNX model with one node of that type, whether or not it makes sense."""
    return field(1, 8) + field(7, field(1, field(4, op_type)))


def onnx(initializer: bytes, graph_more: bytes = b"", model_more: bytes = b"") -> bytes:
    """Return an ONNX model of y = x + c for x of shape [2]; `initializer` is the TensorProto `c`."""
    node = field(1, "x") + field(1, "c") + field(2, "y") + field(4, "Add")
    graph = field(1, node) + field(2, "g") + field(5, initializer)
    graph += field(11, _value_info("x")) + field(12, _value_info("y")) + graph_more
    return field(1, 8) + field(8, field(1, "") + field(2, 13)) + field(7, graph) + model_more
