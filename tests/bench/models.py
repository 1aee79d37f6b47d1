"""Make the models that have no file of their own: `python -m tests.bench.models FOLDER`.

Run in a process of its own, since a process that measures must stay small; see `measure`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Final

from tests.conformance.build import ROOT

BUILT: Final = ROOT / "build" / "models"
"""Where `make model` puts the real ones."""

SIZES: Final = (1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26)
"""Bytes of the inputs of the models that read a little of theirs."""

READ: Final = 8
_SLICE: Final = "input-{}"


@dataclass(frozen=True, slots=True)
class Task:
    """A model in a folder of its name, an input for it, and how often to infer in a turn."""

    folder: Path
    element: str
    shape: tuple[int, ...]
    output_bytes: int
    rounds: int

    @property
    def name(self) -> str:
        """What guests load it by."""
        return self.folder.name

    @property
    def file(self) -> Path:
        """The model itself."""
        return self.folder / "model.xml"

    @property
    def input_bytes(self) -> int:
        """How large an input is."""
        return 4 * prod(self.shape)

    def words(self, model: str | None = None) -> tuple[str, ...]:
        """Return what `inference.h` wants to know; `model` when it is not the name."""
        return model or self.name, self.element, str(self.output_bytes), *map(str, self.shape)


def tasks(folder: Path) -> tuple[Task, ...]:
    """Return the four models, those in `folder` first."""
    return (
        Task(folder / "mlp", "f32", (1, 64), 40, 5000),
        Task(folder / "conv", "f32", (1, 3, 224, 224), 32, 500),
        Task(BUILT / "squeezenet", "f32", (1, 3, 227, 227), 4000, 50),
        Task(BUILT / "magika", "i32", (1, 2048), 856, 50),
    )


def slices(folder: Path) -> tuple[Task, ...]:
    """Return the models that only differ in the size of their input: of each, a little is read."""
    return tuple(
        Task(
            folder / _SLICE.format(size),
            "f32",
            (1, size // 4),
            4 * READ,
            max(10, min(2000, (1 << 28) // size)),
        )
        for size in SIZES
    )


def make(folder: Path) -> None:
    """Write into `folder` all that is not built elsewhere."""
    import numpy as np  # noqa: PLC0415 - see the first lines of this module
    import openvino  # type: ignore[import-untyped]  # noqa: PLC0415 - as above; it has stubs but no py.typed
    from openvino import opset13 as ops  # noqa: PLC0415 - as above

    random = np.random.default_rng(0)

    def weights(*shape: int) -> object:
        return ops.constant(random.standard_normal(shape).astype(np.float32))

    def save(name: str, output: object, *inputs: object) -> None:
        (folder / name).mkdir()
        model = openvino.Model([output], list(inputs), name)
        openvino.save_model(model, folder / name / "model.xml", compress_to_fp16=False)

    x = ops.parameter([1, 64], np.float32)
    hidden = ops.relu(ops.matmul(x, weights(64, 32), transpose_a=False, transpose_b=False))
    save("mlp", ops.matmul(hidden, weights(32, 10), transpose_a=False, transpose_b=False), x)
    x = ops.parameter([1, 3, 224, 224], np.float32)
    features = ops.relu(ops.convolution(x, weights(8, 3, 3, 3), [4, 4], [0, 0], [0, 0], [1, 1]))
    save("conv", ops.reduce_mean(features, ops.constant(np.array([2, 3])), keep_dims=False), x)
    for size in SIZES:
        x = ops.parameter([1, size // 4], np.float32)
        ends = [ops.constant(np.array(end)) for end in ([0, 0], [1, READ], [1, 1])]
        save(_SLICE.format(size), ops.slice(x, *ends), x)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
