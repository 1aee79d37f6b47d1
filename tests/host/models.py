"""Models to test with, each a few hundred bytes: OpenVINO IR by OpenVINO, the other formats by hand."""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Union

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
from openvino import opset13 as ops

from tests.servers.triton_models import MLP_SHAPES

IR = tuple[bytes, bytes]


def double(shape: list[int], dtype: str = "float32") -> IR:
    """Return the IR of y = x + x; -1 in `shape` is a dynamic dimension."""
    x = ops.parameter(shape, np.dtype(dtype))
    return ir(openvino.Model([ops.add(x, x)], [x], "double"))


def subtract(shape: list[int]) -> IR:
    """Return the IR of y = a - b, both f32."""
    a, b = ops.parameter(shape, np.float32), ops.parameter(shape, np.float32)
    return ir(openvino.Model([ops.subtract(a, b)], [a, b], "subtract"))


def absolute(shape: list[int]) -> IR:
    """Return the IR of y = |x|, f32."""
    x = ops.parameter(shape, np.float32)
    return ir(openvino.Model([ops.abs(x)], [x], "absolute"))


def passed_through(shape: list[int]) -> IR:
    """Return the IR of two outputs for one input of f32: the input itself, and its double."""
    x = ops.parameter(shape, np.float32)
    return ir(openvino.Model([ops.result(x), ops.result(ops.add(x, x))], [x], "passed_through"))


def add_constant(value: float) -> IR:
    """Return the IR of y = x + value for x of shape [2]; the constant is in the weights."""
    x = ops.parameter([2], np.float32)
    return ir(openvino.Model([ops.add(x, ops.constant(np.array([value, value], np.float32)))], [x], "add"))


def boolean() -> IR:
    """Return the IR of y = not x on booleans, a type that wasi-nn has no value for."""
    x = ops.parameter([2], np.bool_)
    return ir(openvino.Model([ops.logical_not(x)], [x], "not"))


def reshape() -> IR:
    """Return the IR of a model that fits dimensions [any] but runs only on an even number of elements."""
    x = ops.parameter([-1], np.float32)
    shape = ops.constant(np.array([2, -1], np.int64))
    return ir(openvino.Model([ops.reshape(x, shape, special_zero=False)], [x], "reshape"))


def repeat(times: int) -> IR:
    """Return the IR of y = x, repeated, for x of shape [2]; the shape of y, dynamic, is not in the XML."""
    x = ops.parameter([-1], np.float32)
    return ir(openvino.Model([ops.tile(x, ops.constant(np.array([times], np.int64)))], [x], "repeat"))


def gather_nd() -> IR:
    """Return the IR of y = [1, 2, 3, 4] at the indices x of shape [4096, 1], wherever they lead."""
    x = ops.parameter([4096, 1], np.int64)
    data = ops.constant(np.array([1, 2, 3, 4], np.float32))
    return ir(openvino.Model([ops.gather_nd(data, x)], [x], "gather_nd"))


def endless() -> IR:
    """Return the IR of a model whose inference does not end: it adds 1 to x, of shape [1], 2**62 times."""
    x, before = ops.parameter([1], np.float32), ops.parameter([1], np.float32)
    after = ops.add(before, ops.constant(np.array([1], np.float32)))
    goes_on = ops.constant(np.array([True]))
    loop = ops.loop(ops.constant(np.int64(1 << 62)), ops.constant(np.array([True])))
    loop.set_function(openvino.Model([after, goes_on], [before]))
    loop.set_merged_input(before, x.output(0), after.output(0))
    loop.set_special_body_ports([-1, 1])  # no output of the body counts, and its second says to go on
    return ir(openvino.Model([loop.get_iter_value(after.output(0), -1)], [x], "endless"))


def ir(model: object) -> IR:
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


# TensorFlow: GraphDef (protobuf) by hand.

_TF_FLOAT, _TF_INT32 = 1, 3


def tf_node(name: str, op: str, *inputs: str, **attributes: bytes) -> bytes:
    """Return a NodeDef; `attributes` are AttrValues."""
    entries = b"".join(field(5, field(1, key) + field(2, value)) for key, value in attributes.items())
    return field(1, name) + field(2, op) + b"".join(field(3, each) for each in inputs) + entries


def tf_type(number: int = _TF_FLOAT) -> bytes:
    """Return an AttrValue that is a type: float."""
    return field(6, number)


def tf_shape(*lengths: int) -> bytes:
    """Return a TensorShapeProto."""
    return b"".join(field(2, field(1, length)) for length in lengths)


def tf_tensor(raw: bytes, *lengths: int, number: int = _TF_FLOAT) -> bytes:
    """Return an AttrValue that is a tensor."""
    return field(8, field(1, number) + field(2, tf_shape(*lengths)) + field(4, raw))


def tensorflow(*nodes: bytes, more: bytes = b"") -> bytes:
    """Return the GraphDef of y = x + [10, 20] for x of shape [2], with `nodes` beside it."""
    x = tf_node("x", "Placeholder", dtype=tf_type(), shape=field(7, tf_shape(2)))
    c = tf_node("c", "Const", dtype=tf_type(), value=tf_tensor(struct.pack("<2f", 10, 20), 2))
    y = tf_node("y", "AddV2", "x", "c", T=tf_type())
    return b"".join(field(1, each) for each in (x, c, y, *nodes)) + field(4, field(1, 1087)) + more


# TensorFlow Lite: a FlatBuffer by hand.


@dataclass(frozen=True)
class Table:
    """A table of a FlatBuffer: slot to a Table, a tuple of Tables, bytes or a string, or (format, number)."""

    slots: dict[int, Flat]


Flat = Union[Table, "tuple[Table, ...]", bytes, str, "tuple[str, int]", "list[int]"]


def flatbuffer(root: Table, identifier: bytes = b"TFL3") -> bytes:
    """Return the FlatBuffer of `root`: each table after the one that refers to it, nothing shared."""
    data = bytearray(struct.pack("<I4s", 0, identifier))
    struct.pack_into("<I", data, 0, _table(data, root))
    return bytes(data)


def _table(data: bytearray, table: Table) -> int:
    """Append a table and all in it; return where it is."""
    _align(data, 8)
    slots = max(table.slots, default=-1) + 1
    vtable = len(data)
    at = vtable + (4 + 2 * slots + 7) // 8 * 8
    data += struct.pack(f"<{2 + slots}H", 4 + 2 * slots, 8 + 8 * slots, *[0] * slots)
    data += bytes(at - len(data)) + struct.pack("<i", at - vtable) + bytes(4 + 8 * slots)
    for slot, value in table.slots.items():
        place = at + 8 + 8 * slot
        struct.pack_into("<H", data, vtable + 4 + 2 * slot, place - at)
        if isinstance(value, tuple) and value and isinstance(value[0], str):
            struct.pack_into(f"<{value[0]}", data, place, value[1])
        else:
            target = _object(data, value)
            struct.pack_into("<I", data, place, target - place)
    return at


def _object(data: bytearray, value: Flat) -> int:
    if isinstance(value, Table):
        return _table(data, value)
    _align(data, 16)
    data += bytes(12)  # so that what a vector holds is aligned to 16
    at = len(data)
    if isinstance(value, str):
        value = value.encode() + b"\0"
        data += struct.pack("<I", len(value) - 1) + value
    elif isinstance(value, bytes):
        data += struct.pack("<I", len(value)) + value
    elif isinstance(value, list):
        data += struct.pack(f"<I{len(value)}i", len(value), *value)
    else:
        data += struct.pack("<I", len(value)) + bytes(4 * len(value))
        for number, table in enumerate(value):
            assert isinstance(table, Table)
            place = at + 4 + 4 * number
            struct.pack_into("<I", data, place, _table(data, table) - place)
    return at


def _align(data: bytearray, to: int) -> None:
    data += bytes(-len(data) % to)


TFLITE_ADD, TFLITE_CUSTOM, TFLITE_GATHER_ND = 0, 32, 107


def tflite_operator(builtin: int, custom: str | None = None) -> Table:
    """Return an OperatorCode."""
    code: dict[int, Flat] = {0: ("b", min(builtin, 127)), 3: ("i", builtin)}
    return Table(code | ({1: custom} if custom else {}))


def tflite(
    operator: Table | None = None, buffer: dict[int, Flat] | None = None, more: dict[int, Flat] | None = None
) -> bytes:
    """Return a TFLite model of y = x + [10, 20] for x of shape [2].

    Args:
        operator: the OperatorCode in place of that of ADD.
        buffer: more slots of the constant's Buffer.
        more: more slots of the Model.
    """
    tensors = tuple(
        Table({0: [2], 1: ("b", 0), 2: ("I", number), 3: name}) for number, name in enumerate("xcy")
    )
    add = Table({0: ("I", 0), 1: [0, 1], 2: [2], 3: ("B", 11), 4: Table({})})
    graph = Table({0: tensors, 1: [0], 2: [2], 3: (add,), 4: "main"})
    constant: dict[int, Flat] = {0: struct.pack("<2f", 10, 20)}
    buffers = (Table({}), Table(constant | (buffer or {})), Table({}))
    codes = (operator or tflite_operator(TFLITE_ADD),)
    model: dict[int, Flat] = {0: ("I", 3), 1: codes, 2: (graph,), 3: "add", 4: buffers}
    return flatbuffer(Table(model | (more or {})))


# Paddle: a ProgramDesc (protobuf) by hand, and its parameters.

_PADDLE_FLOAT, _PADDLE_TENSOR, _PADDLE_FEED, _PADDLE_FETCH = 5, 7, 9, 10
_MINUS_1 = (1 << 64) - 1


def paddle_op(kind: str, inputs: dict[str, str], outputs: dict[str, str], **attributes: int) -> bytes:
    """Return an OpDesc."""
    ins = b"".join(field(1, field(1, name) + field(2, value)) for name, value in inputs.items())
    outs = b"".join(field(2, field(1, name) + field(2, value)) for name, value in outputs.items())
    attrs = (field(4, field(1, name) + field(2, 0) + field(3, value)) for name, value in attributes.items())
    return ins + outs + field(3, kind) + b"".join(attrs)


def paddle_tensor(*lengths: int) -> bytes:
    """Return a TensorDesc of f32."""
    return field(1, _PADDLE_FLOAT) + b"".join(field(2, length) for length in lengths)


def paddle_variable(name: str, *lengths: int, is_kept: bool = False) -> bytes:
    """Return a VarDesc."""
    kind = field(1, _PADDLE_TENSOR) + field(3, field(1, paddle_tensor(*lengths)))
    return field(1, name) + field(2, kind) + (field(3, 1) if is_kept else b"")


def paddle(more: bytes = b"", program_more: bytes = b"", constant: str = "c") -> tuple[bytes, bytes]:
    """Return the Paddle program of y = x + [10, 20] for x of shape [2], and its parameters.

    Args:
        more: more fields of the block.
        program_more: more fields of the program.
        constant: what the constant is called.
    """
    variables = [
        field(1, "feed") + field(2, field(1, _PADDLE_FEED)),
        field(1, "fetch") + field(2, field(1, _PADDLE_FETCH)),
        paddle_variable("x", 2),
        paddle_variable(constant, 2, is_kept=True),
        paddle_variable("y", 2),
    ]
    operations = [
        paddle_op("feed", {"X": "feed"}, {"Out": "x"}, col=0),
        paddle_op("elementwise_add", {"X": "x", "Y": constant}, {"Out": "y"}, axis=_MINUS_1),
        paddle_op("fetch", {"X": "y"}, {"Out": "fetch"}, col=0),
    ]
    block = field(1, 0) + field(2, _MINUS_1) + b"".join(field(3, each) for each in variables)
    block += b"".join(field(4, each) for each in operations) + more
    described = paddle_tensor(2)
    head = struct.pack("<IQIi", 0, 0, 0, len(described))
    parameters = head + described + struct.pack("<2f", 10, 20)
    return field(1, block) + field(4, field(1, 2004000)) + program_more, parameters


def mlp() -> IR:
    """Return the IR of a small MLP, f32 [rows, 64] to [rows, 10]: that of `tests.servers.triton_models`."""
    random = np.random.RandomState(7)
    node = x = ops.parameter([-1, 64], np.float32)
    for number, shape in enumerate(MLP_SHAPES):
        layer = random.standard_normal(shape).astype(np.float32) / np.float32(8)
        node = ops.matmul(node, ops.constant(layer), transpose_a=False, transpose_b=False)
        node = ops.relu(node) if number < len(MLP_SHAPES) - 1 else node
    return ir(openvino.Model([node], [x], "mlp"))


ROW = np.random.RandomState(1).standard_normal(64).astype(np.float32)
"""A row for `mlp`."""
