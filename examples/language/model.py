#!/usr/bin/env python3
"""Make the language example's model from a pinned npm package: lande's network as OpenVINO IR.

It runs none of the package's code: the files are data in JSON's notation. The package is MIT.
"""

from __future__ import annotations

import base64
import json
import re
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
from examples.recipe import ModelError  # noqa: E402 - as above

if TYPE_CHECKING:
    from openvino import Model  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed

RECIPE = 1
"""Counts changes of this file that change what it makes; with it, outputs of an older recipe are remade."""

LANDE = Package(
    "lande",
    "1.0.10",
    "533d69f9515ee4e8604f3b29c9b8551c02b91e8476cd1529efa68c7925d021d6",
    index="npm",
)
KINDS = ("unigrams", "bigrams", "trigrams", "quadgrams")
NGRAMS, HIDDEN, LANGUAGES = 620, 120, 50
PORTS: tuple[recipe.Port, ...] = (("ngrams", "f32", (1, NGRAMS)), ("prob", "f32", (1, LANGUAGES)))

_Array = NDArray[np.float32]
Layer = tuple[_Array, _Array]
"""Weights [out, in] and bias [out]."""

_TEST = re.compile(r"^\s*t\.is \( inferLanguage \( '(.+?)' \), '(\w+)' \);", re.MULTILINE)


def read_js(data: bytes) -> Any:  # noqa: ANN401 - what JSON holds
    """Read a module that exports nothing but a literal.

    Raises:
        ModelError: it is something else.
    """
    text = data.decode("utf-8", "replace").strip()
    try:
        return json.loads(text.removeprefix("export default ").removesuffix(";"))
    except ValueError as error:
        raise ModelError(f"a file of the package is no exported literal: {error}") from error


def read_ngrams(table: object) -> tuple[str, ...]:
    """Read the n-grams whose frequencies are the model's input, in its order: those of one letter come first.

    Raises:
        ModelError: there are not 620, or one has another length than its kind.
    """
    if not isinstance(table, dict) or sorted(table) != sorted(KINDS):
        raise ModelError("the n-grams are not in four lists")
    ngrams = tuple(ngram for kind in KINDS for ngram in table[kind])
    lengths = [length for length, kind in enumerate(KINDS, 1) for _ in table[kind]]
    if len(ngrams) != NGRAMS or [len(ngram) for ngram in ngrams] != lengths or "\n" in "".join(ngrams):
        raise ModelError(f"the n-grams are not {NGRAMS}, each as long as its kind")
    return ngrams


def read_layers(options: object) -> tuple[Layer, ...]:
    """Read the two dense layers.

    A row is text: `1`, a scale, `|`, then in base64 a byte for each weight, which is (byte - 127) / scale.

    Raises:
        ModelError: they are not two, or not 620 to 120 to 50.
    """
    try:
        dense = [layer for layer in options["layers"] if layer["type"] == "dense"]  # type: ignore[index]
        layers = tuple(
            (np.stack([_decode(row) for row in layer["_filters"]]), _decode(layer["_biases"]))
            for layer in dense
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the network's layers cannot be read: {error!r}") from error
    if [weights.shape for weights, _ in layers] != [(HIDDEN, NGRAMS), (LANGUAGES, HIDDEN)]:
        raise ModelError(f"the network is not {NGRAMS} to {HIDDEN} to {LANGUAGES}")
    if any(bias.shape != weights.shape[:1] for weights, bias in layers):
        raise ModelError("a layer does not have a bias for each of its outputs")
    return layers


def read_sentences(cache: Path = packages.CACHE) -> tuple[tuple[str, str], ...]:
    """Read the package's own test: sentences, each with its language."""
    test = packages.read(LANDE, "package/test/index.js", cache).decode()
    return tuple((found[1], found[2]) for found in _TEST.finditer(test))


def build(layers: tuple[Layer, ...]) -> Model:
    """Build the network: f32 [1, 620], dense, ReLU, dense, softmax [1, 50]."""
    import openvino  # noqa: PLC0415 - half a second, not needed when everything is made already
    from openvino import opset13 as ops  # noqa: PLC0415 - as above

    (hidden, hidden_bias), (last, last_bias) = layers
    ngrams = ops.parameter([1, NGRAMS], np.float32, name="ngrams")
    x = ops.matmul(ngrams, ops.constant(hidden), transpose_a=False, transpose_b=True)
    x = ops.relu(ops.add(x, ops.constant(hidden_bias[None])))
    x = ops.matmul(x, ops.constant(last), transpose_a=False, transpose_b=True)
    x = ops.softmax(ops.add(x, ops.constant(last_bias[None])), 1)
    ngrams.output(0).set_names({"ngrams"})
    x.output(0).set_names({"prob"})
    return openvino.Model([x], [ngrams], "lande_t50")


def fill(folder: Path) -> None:
    """Write `model.xml` and `.bin`, `ngrams.txt` and `labels.txt`, a line each.

    Raises:
        PackageError, ModelError: the package cannot be had, or is not what is expected.
    """
    recipe.say(f"    taking network, n-grams and labels out of {LANDE} of npm")
    options, ngrams, labels = (
        read_js(packages.read(LANDE, f"package/standalone/t50-{part}.js"))
        for part in ("options", "ngrams", "langs")
    )
    if not isinstance(labels, list) or len(labels) != LANGUAGES or not all(map(_is_word, labels)):
        raise ModelError(f"the labels are not {LANGUAGES} words")
    recipe.save(build(read_layers(options)), folder / "model.xml", PORTS)
    (folder / "ngrams.txt").write_text("\n".join(read_ngrams(ngrams)) + "\n", encoding="utf-8")
    (folder / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")


def _decode(row: str) -> _Array:
    scale, data = row.removeprefix("1").split("|")
    levels = np.frombuffer(base64.b64decode(data, validate=True), np.uint8).astype(np.float32)
    return (levels - 127) / np.float32(scale)


def _is_word(label: object) -> bool:
    return isinstance(label, str) and label.isalpha()


if __name__ == "__main__":
    sys.exit(recipe.main(str(__doc__).split("\n", maxsplit=1)[0], "lande", RECIPE, fill))
