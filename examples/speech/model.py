#!/usr/bin/env python3
"""Make the speech example's model and recording from pinned packages: Silero VAD as ONNX and IR, a WAV.

It changes no weights. The model is MIT; the recording is a test file of webrtcvad, MIT too.
"""

from __future__ import annotations

import io
import sys
import wave
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if __package__ in {None, ""}:  # run as a script
    sys.path.insert(0, str(ROOT))

from examples import packages, recipe  # noqa: E402 - needs the path set above
from examples.packages import Package  # noqa: E402 - as above
from examples.recipe import ModelError  # noqa: E402 - as above

RECIPE = 1
"""Counts changes of this file that change what it makes; with it, outputs of an older recipe are remade."""

SILERO = Package("silero-vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8")
SILERO_FILE = "silero_vad/data/silero_vad_openvino_16k.onnx"
RECORDING = Package("webrtcvad", "2.0.10", "f1bed2fb25b63fb7b1a55d64090c993c9c9167b28485ae0bcdd81cf6ede96aea")
RECORDING_FILE = "webrtcvad-2.0.10/test-audio.raw"
RATE = 16_000
PAUSE = RATE  # a second
PORTS: tuple[recipe.Port, ...] = (
    ("input", "f32", (1, 576)),
    ("state", "f32", (2, 1, 128)),
    ("output", "f32", (1, 1)),
    ("stateN", "f32", (2, 1, 128)),
)


def make_wav(raw: bytes) -> bytes:
    """Make a WAV (16-bit, mono, 16 kHz): pause, recording, pause, recording, pause.

    `raw` are samples of 16 bits at 8 kHz; a sample between each two doubles the rate.

    Raises:
        ModelError: it is not whole samples, a half to two seconds of them.
    """
    if len(raw) % 2 or not RATE // 4 <= len(raw) // 2 <= RATE:
        raise ModelError("the recording is not a second of 16-bit samples at 8 kHz")
    samples = np.frombuffer(raw, "<i2")
    places = np.arange(2 * len(samples)) / 2
    word = np.rint(np.interp(places, np.arange(len(samples)), samples)).astype("<i2")
    pause = np.zeros(PAUSE, "<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(np.concatenate([pause, word, pause, word, pause]).tobytes())
    return buffer.getvalue()


def fill(folder: Path) -> None:
    """Write `silero.onnx` as it comes, `model.xml` and `.bin`, and `word.wav`.

    Raises:
        PackageError, ModelError: a package cannot be had, or is not what is expected.
    """
    recipe.say(f"    taking model and recording out of {SILERO}, {RECORDING}")
    (folder / "word.wav").write_bytes(make_wav(packages.read(RECORDING, RECORDING_FILE)))
    onnx = folder / "silero.onnx"
    onnx.write_bytes(packages.read(SILERO, SILERO_FILE))
    import openvino  # type: ignore[import-untyped]  # noqa: PLC0415 - no py.typed; half a second, not needed when everything is made already

    recipe.save(openvino.Core().read_model(onnx), folder / "model.xml", PORTS)


if __name__ == "__main__":
    sys.exit(recipe.main(str(__doc__).split("\n", maxsplit=1)[0], "silero", RECIPE, fill))
