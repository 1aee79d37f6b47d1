"""The photo example's stronger model: read without PyTorch, and made to take what the photo guests give.

What needs its package, which `make model` does not download, runs where it has been made.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
import pytest

from examples.photo import efficientnet
from examples.photo.model import INPUT_SHAPE
from examples.recipe import ModelError
from tests.guest.conftest import ROOT
from tests.guest.test_photo import CATS, Classifier, top

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.guest.conftest import Runtime

MODEL = ROOT / "build/models/efficientnet"
NUMBERS = np.arange(6, dtype=np.float32)


class Storage:
    """A tensor's elements, which a pickle only refers to."""


class Tensor:
    """A tensor as PyTorch pickles it."""

    def __init__(self, shape: tuple[int, ...], strides: tuple[int, ...], start: int = 0) -> None:
        self.place = start, shape, strides

    def __reduce__(self) -> tuple[object, ...]:
        rebuild = vars(sys.modules["torch._utils"])["_rebuild_tensor_v2"]
        return rebuild, (Storage(), *self.place, False, {})


class Pickler(pickle.Pickler):
    """Pickles such tensors."""

    def persistent_id(self, obj: object) -> object:  # noqa: D102 - the base class says it
        return (
            ("storage", sys.modules["torch"].FloatStorage, "7", "cpu", 6, None)
            if isinstance(obj, Storage)
            else None
        )


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand for PyTorch while its files are written; they are read without."""
    package, utils = ModuleType("torch"), ModuleType("torch._utils")
    vars(package)["FloatStorage"] = type("FloatStorage", (), {"__module__": "torch"})

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    vars(utils)["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", package)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def written(content: object) -> bytes:
    """Return a file of PyTorch's older kind with one storage."""
    file = io.BytesIO()
    for each in (119547037146038801333356, 1001, {"little_endian": True}, content, ["7"]):
        Pickler(file, 2).dump(each)
    return file.getvalue() + struct.pack("<q", NUMBERS.size) + NUMBERS.tobytes()


def test_tensors_are_read_in_whatever_order_their_elements_lie() -> None:
    tensors = {"rows": Tensor((2, 3), (3, 1)), "columns": Tensor((3, 2), (1, 3)), "last": Tensor((), (), 5)}
    found = efficientnet.read_weights(written(tensors))
    np.testing.assert_array_equal(found["rows"], NUMBERS.reshape(2, 3))
    np.testing.assert_array_equal(found["columns"], NUMBERS.reshape(2, 3).T)
    assert found["last"] == 5


@pytest.mark.parametrize(
    "content",
    [
        {"x": Tensor((7,), (1,))},
        {"x": Tensor((3, 2), (1, 4))},
        {"x": Tensor((1,), (1,), 6)},
        {"x": Tensor((1,), (1,), -1)},
        {"x": Tensor((2,), (-1,), 1)},
        {"x": os.system},
        {"x": 1},
        [1],
    ],
)
def test_what_is_no_tensor_or_reaches_beyond_its_elements_is_refused(content: object) -> None:
    with pytest.raises(ModelError, match="not a file of plain tensors"):
        efficientnet.read_weights(written(content))


@pytest.mark.parametrize("kept", [0, 10, -1])
def test_a_file_that_is_cut_short_is_refused(kept: int) -> None:
    with pytest.raises(ModelError, match="not a file of plain tensors"):
        efficientnet.read_weights(written({"x": Tensor((6,), (1,))})[:kept])


def test_the_guests_input_becomes_the_networks() -> None:
    """The guests take a mean off blue, green and red; the network wants red first, and -1 to 1."""
    rgb = np.random.default_rng(0).integers(0, 256, (227, 227, 3)).astype(np.float32)
    data = openvino.opset13.parameter(list(INPUT_SHAPE), np.float32)
    model = openvino.Model([efficientnet.from_guest(data)], [data], "input")
    given = np.moveaxis(rgb[:, :, ::-1] - np.array([104, 117, 123], np.float32), 2, 0)[np.newaxis]
    (found,) = openvino.Core().compile_model(model, "CPU")(given).values()
    expected = np.moveaxis((rgb[1:225, 1:225] - 127) / 128, 2, 0)[np.newaxis]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_normalisation_is_folded_into_the_convolution_before_it() -> None:
    random = np.random.default_rng(0)

    def numbers(*shape: int) -> NDArray[np.float32]:
        return random.uniform(0.5, 2, shape).astype(np.float32)

    parts = ("weight", "bias", "running_mean", "running_var")
    weights = {"c.weight": numbers(2, 3, 1, 1), **{f"n.{part}": numbers(2) for part in parts}}
    kernel, bias = efficientnet.folded(weights, "c", "n")
    x = numbers(3)
    plain = weights["c.weight"].reshape(2, 3) @ x
    scale, shift, mean, variance = (weights[f"n.{part}"] for part in parts)
    expected = (plain - mean) / np.sqrt(variance + 1e-3) * scale + shift
    np.testing.assert_allclose(kernel.reshape(2, 3) @ x + bias, expected, rtol=1e-5)


@pytest.mark.skipif(
    "CI" not in os.environ and not (MODEL / "model.xml").exists(),
    reason="optional: examples/photo/efficientnet.py makes it",
)
def test_the_photo_guest_is_right_with_it_too(photo: Path, photos: Path, runtime: Runtime) -> None:
    guest = Classifier(photo, MODEL, photos)
    assert top(guest.run(runtime, "/model", "/photos/coffee.png"))[0][1] == "espresso"
    by_name = ("--name", "efficientnet", "--labels", "/model/labels.txt")
    chelsea = top(guest.run(runtime, *by_name, "/photos/chelsea.png"))
    assert {name for _, name in chelsea[:3]} == CATS
