#!/usr/bin/env python3
"""Make the digits example's model: take handwritten digits out of a pinned package, train on them, write IR.

540 of the 1797 pictures are held out: they go to a file for the guest, and training does not see them. They
are the test part of "Optical Recognition of Handwritten Digits" by Alpaydin and Kaynak, and come with
scikit-learn, BSD-3-Clause, which is not installed.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if __package__ in {None, ""}:  # run as a script
    sys.path.insert(0, str(ROOT))

from examples import packages, recipe  # noqa: E402 - needs the path set above
from examples.digits import training  # noqa: E402 - as above
from examples.digits.training import CLASSES, HALF, KERNEL, SECOND, SIDE, Weights  # noqa: E402 - as above
from examples.packages import Package  # noqa: E402 - as above
from examples.recipe import ModelError  # noqa: E402 - as above

if TYPE_CHECKING:
    from openvino import Model  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed

RECIPE = 1
"""Counts changes, of `training.py` too, that change what is made; with it, older outputs are remade."""

# Only a data file is read from it, so one platform's wheel serves every machine.
DIGITS = Package(
    "scikit-learn",
    "1.9.1",
    "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
    ("--only-binary=:all:", "--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--abi=cp311"),
)
DIGITS_FILE = "sklearn/datasets/data/digits.csv.gz"
COUNT, HELD_OUT = 1797, 540
MOST_INK = 16
SEED = 0
LOWEST_ACCURACY = 0.98
PORTS: tuple[recipe.Port, ...] = (
    ("pixels", "f32", (1, 1, SIDE, SIDE)),
    ("probabilities", "f32", (1, CLASSES)),
)

Table = NDArray[np.int64]
"""A row for each picture: 64 pixels, then the digit."""


def read_digits(data: bytes) -> Table:
    """Read the gzipped table.

    Raises:
        ModelError: it is damaged, or not 1797 rows of 64 pixels, 0 to 16, and a digit.
    """
    try:
        rows = gzip.decompress(data).decode("ascii").split()
        table = np.array([[int(number) for number in row.split(",")] for row in rows], np.int64)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ModelError(f"the digits are not a gzipped table of numbers: {error}") from error
    if table.shape != (COUNT, SIDE * SIDE + 1):
        raise ModelError(f"the digits are a table of {table.shape}")
    pixels, labels = table[:, :-1], table[:, -1]
    if table.min() < 0 or pixels.max() > MOST_INK or labels.max() >= CLASSES:
        raise ModelError("the digits have a number out of its range")
    return table


def split(table: Table) -> tuple[Table, Table]:
    """Return the rows to train on and those held out, in random order."""
    order = training.permutation(np.random.PCG64(SEED), len(table))
    return table[order[HELD_OUT:]], table[order[:HELD_OUT]]


def train(table: Table) -> Weights:
    """Train on these rows."""
    return training.train(_images(table), table[:, -1], SEED)


def check(weights: Weights, held_out: Table) -> None:
    """See that the network tells the held-out rows.

    Raises:
        ModelError: fewer than 98 % of them.
    """
    accuracy = (training.classify(weights, _images(held_out)) == held_out[:, -1]).mean()
    if accuracy < LOWEST_ACCURACY:
        raise ModelError(f"only {accuracy:.1%} of the held-out digits are told right")


def build(weights: Weights) -> Model:
    """Build the network: f32 [1, 1, 8, 8], 0 to 16 → softmax [1, 10]."""
    import openvino  # noqa: PLC0415 - half a second, not needed when everything is made already
    from openvino import opset13 as ops  # noqa: PLC0415 - as above

    def f32(array: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.ascontiguousarray(array, np.float32)

    pixels = ops.parameter([1, 1, SIDE, SIDE], np.float32, name="pixels")
    x = ops.multiply(pixels, ops.constant(np.float32(1 / MOST_INK)))
    inputs = 1
    for kernel, bias, stride in ((weights.kernel1, weights.bias1, 1), (weights.kernel2, weights.bias2, 2)):
        outputs = len(bias)
        oihw = f32(kernel.reshape(inputs, KERNEL, KERNEL, outputs).transpose(3, 0, 1, 2))
        x = ops.convolution(x, ops.constant(oihw), [stride, stride], [1, 1], [1, 1], [1, 1])
        x = ops.relu(ops.add(x, ops.constant(f32(bias.reshape(1, outputs, 1, 1)))))
        inputs = outputs
    # Trained on height, width, channels; here channels come first.
    dense = weights.dense.reshape(HALF, HALF, SECOND, CLASSES).transpose(2, 0, 1, 3).reshape(-1, CLASSES)
    x = ops.reshape(x, ops.constant(np.array([1, -1])), special_zero=False)
    x = ops.matmul(x, ops.constant(f32(dense)), transpose_a=False, transpose_b=False)
    x = ops.softmax(ops.add(x, ops.constant(f32(weights.bias3[None]))), 1)
    pixels.output(0).set_names({"pixels"})
    x.output(0).set_names({"probabilities"})
    return openvino.Model([x], [pixels], "digits")


def fill(folder: Path) -> None:
    """Write `model.xml` and `.bin`, and `held-out.csv`.

    Raises:
        PackageError, ModelError: the package cannot be had, or is not what is expected.
    """
    recipe.say(f"    taking digits out of {DIGITS}, and training on {COUNT - HELD_OUT} of them")
    train_on, held_out = split(read_digits(packages.read(DIGITS, DIGITS_FILE)))
    weights = train(train_on)
    check(weights, held_out)
    recipe.save(build(weights), folder / "model.xml", PORTS)
    lines = "".join(",".join(str(number) for number in row) + "\n" for row in held_out)
    (folder / "held-out.csv").write_text(lines, encoding="ascii")


def _images(table: Table) -> training.Array:
    return (table[:, :-1] / MOST_INK).reshape(-1, SIDE, SIDE, 1)


if __name__ == "__main__":
    sys.exit(recipe.main(str(__doc__).split("\n", maxsplit=1)[0], "digits", RECIPE, fill))
