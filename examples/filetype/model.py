#!/usr/bin/env python3
"""Make the filetype example's model and labels from a pinned package: Magika as ONNX and OpenVINO IR.

It changes no weights. Model and labels are Apache-2.0.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __package__ in {None, ""}:  # run as a script
    sys.path.insert(0, str(ROOT))

from examples import packages, recipe  # noqa: E402 - needs the path set above
from examples.packages import Package  # noqa: E402 - as above
from examples.recipe import ModelError  # noqa: E402 - as above

RECIPE = 1
"""Counts changes of this file that change what it makes; with it, outputs of an older recipe are remade."""

# Only data files are read from it, so one platform's wheel serves every machine.
MAGIKA = Package(
    "magika",
    "1.0.3",
    "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529",
    ("--only-binary=:all:", "--platform=manylinux_2_28_x86_64"),
)
FOLDER = "magika/models/standard_v3_3"
LABELS = 214
PORTS: tuple[recipe.Port, ...] = (("bytes", "i32", (1, 2048)), ("target_label", "f32", (1, LABELS)))


def read_labels(data: bytes) -> tuple[str, ...]:
    """Read the names of the file types, in the order of the model's output, from the model's configuration.

    Raises:
        ModelError: they are not 214 words, or the model wants other input than the guest makes.
    """
    try:
        config = json.loads(data)
        labels = config["target_labels_space"]
        made = [config[key] for key in ("beg_size", "mid_size", "end_size", "block_size", "padding_token")]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"the model's configuration cannot be read: {error!r}") from error
    if made != [1024, 0, 1024, 4096, 256]:
        raise ModelError(f"the model wants its input made in another way: {made}")
    is_words = isinstance(labels, list) and all(
        isinstance(label, str) and label.isalnum() for label in labels
    )
    if not is_words or len(labels) != LABELS:
        raise ModelError(f"the labels are not {LABELS} words")
    return tuple(labels)


def fill(folder: Path) -> None:
    """Write `magika.onnx` as it comes, for any batch; `model.xml` and `.bin` for one file; `labels.txt`.

    Raises:
        PackageError, ModelError: the package cannot be had, or is not what is expected.
    """
    recipe.say(f"    taking the model and its labels out of {MAGIKA}")
    labels = read_labels(packages.read(MAGIKA, f"{FOLDER}/config.min.json"))
    onnx = folder / "magika.onnx"
    onnx.write_bytes(packages.read(MAGIKA, f"{FOLDER}/model.onnx"))
    import openvino  # type: ignore[import-untyped]  # noqa: PLC0415 - no py.typed; half a second, not needed when everything is made already

    model = openvino.Core().read_model(onnx)
    model.reshape(list(PORTS[0][2]))
    recipe.save(model, folder / "model.xml", PORTS)
    (folder / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(recipe.main(str(__doc__).split("\n", maxsplit=1)[0], "magika", RECIPE, fill))
