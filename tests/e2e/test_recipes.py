"""The examples' model recipes: they make what the guests expect, and damaged packages make nothing."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from examples import packages, recipe
from examples.digits import model as digits
from examples.faces import model as faces
from examples.filetype import model as filetype
from examples.language import model as language
from examples.photo import ppm
from examples.recipe import ModelError
from examples.speech import model as speech

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

RECIPES = {
    "magika": filetype,
    "lande": language,
    "silero": speech,
    "digits": digits,
    "blazeface": faces,
}


def made(name: str) -> Path:
    """Return a folder as `make model` leaves it."""
    folder = recipe.MODELS / name
    if not (folder / "recipe.json").exists():
        if os.environ.get("CI"):
            pytest.fail(f"no {name}: run `make model`")
        pytest.skip(f"no {name}: run `make model`")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files that are the same whenever they are made."""
    changing = {"model.xml", "recipe.json"}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in changing}


@pytest.mark.parametrize(("name", "module"), RECIPES.items())
def test_the_model_has_the_ports_the_guest_counts_on(name: str, module: ModuleType) -> None:
    recipe.verify(made(name) / "model.xml", module.PORTS)


@pytest.mark.parametrize(("name", "module"), RECIPES.items())
def test_a_second_run_makes_nothing(name: str, module: ModuleType) -> None:
    def fail(_: Path) -> None:
        raise AssertionError

    assert not recipe.make(made(name), module.RECIPE, fail)


@pytest.mark.parametrize(("name", "module"), RECIPES.items())
def test_a_changed_file_is_made_again_as_it_was(name: str, module: ModuleType, tmp_path: Path) -> None:
    """But for the XML, where OpenVINO numbers what has no name."""
    out = tmp_path / name
    shutil.copytree(made(name), out)
    before = contents(out)
    (out / "model.bin").write_bytes(b"tampered")
    (out / "mine").write_text("kept")
    assert recipe.make(out, module.RECIPE, module.fill)
    assert contents(out) == before | {"mine": b"kept"}
    recipe.verify(out / "model.xml", module.PORTS)


def test_another_number_of_the_recipe_makes_everything_again(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "file").write_text("made")

    assert recipe.make(tmp_path / "out", 1, fill)
    assert not recipe.make(tmp_path / "out", 1, fill)
    assert recipe.make(tmp_path / "out", 2, fill)


@pytest.mark.parametrize("module", RECIPES.values())
def test_a_damaged_package_leaves_nothing(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "read", lambda *_: b"\0" * 101)
    assert recipe.report(lambda: recipe.make(tmp_path / "out", 1, module.fill), "never") == 1
    assert "error: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_model_with_other_ports_is_refused() -> None:
    with pytest.raises(ModelError, match="other ports than expected"):
        recipe.verify(made("lande") / "model.xml", filetype.PORTS)


CONFIG = {"beg_size": 1024, "mid_size": 0, "end_size": 1024, "block_size": 4096, "padding_token": 256}


@pytest.mark.parametrize(
    "config",
    [
        [],
        {},
        CONFIG | {"target_labels_space": ["c"]},
        CONFIG | {"target_labels_space": ["a b"] * 214},
        CONFIG | {"target_labels_space": ["c"] * 214, "block_size": 2048},
        CONFIG | {"target_labels_space": [1] * 214},
    ],
)
def test_a_configuration_that_is_not_magika_s_is_refused(config: object) -> None:
    with pytest.raises(ModelError):
        filetype.read_labels(json.dumps(config).encode())


@pytest.mark.parametrize("text", [b"", b"export default ", b"export default f();", b"\xff", b"import x;"])
def test_a_module_that_is_no_literal_is_refused(text: bytes) -> None:
    with pytest.raises(ModelError):
        language.read_js(text)


@pytest.mark.parametrize(
    "table",
    [
        [],
        {},
        {kind: [] for kind in language.KINDS},
        {kind: ["a"] * 155 for kind in language.KINDS},
        {kind: ["\n" * n] * 155 for n, kind in enumerate(language.KINDS, 1)},
    ],
)
def test_ngrams_that_are_not_620_are_refused(table: object) -> None:
    with pytest.raises(ModelError):
        language.read_ngrams(table)


ROW = "1127|" + "fw=="


@pytest.mark.parametrize(
    "layers",
    [
        None,
        [],
        [{}],
        [{"type": "dense", "_filters": [ROW], "_biases": ROW}] * 2,
        [{"type": "dense", "_filters": ["1x|fw=="], "_biases": ROW}] * 2,
        [{"type": "dense", "_filters": [], "_biases": ROW}] * 2,
        [{"type": "dense", "_filters": ["1127|%"], "_biases": ROW}] * 2,
        [{"type": "dense", "_filters": [7], "_biases": ROW}] * 2,
    ],
)
def test_layers_that_are_not_lande_s_are_refused(layers: object) -> None:
    with pytest.raises(ModelError):
        language.read_layers({"layers": layers})


@pytest.mark.parametrize("raw", [b"", b"\0" * 101, b"\0" * 100, b"\0" * 100_000])
def test_a_recording_that_is_not_a_second_long_is_refused(raw: bytes) -> None:
    with pytest.raises(ModelError, match="not a second"):
        speech.make_wav(raw)


DIGIT = ",".join(["16"] * 64 + ["9"])


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [DIGIT] * 1796,
        [DIGIT] * 1796 + [f"{DIGIT},1"],
        [f"{DIGIT},1"] * 1797,
        [DIGIT] * 1796 + [f"17{DIGIT[2:]}"],
        [DIGIT] * 1796 + [f"-1{DIGIT[2:]}"],
        [DIGIT] * 1796 + [f"{DIGIT[:-1]}10"],
        [DIGIT] * 1796 + [f"1.5{DIGIT[2:]}"],
        [DIGIT] * 1796 + ["é"],
    ],
)
def test_a_table_that_is_not_1797_digits_is_refused(rows: list[str]) -> None:
    with pytest.raises(ModelError, match="the digits "):
        digits.read_digits(gzip.compress("\n".join(rows).encode()))


@pytest.mark.parametrize("data", [b"1,2", gzip.compress(DIGIT.encode())[:-9], b"\x1f\x8b\x08\0" + bytes(20)])
def test_digits_that_are_not_gzipped_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="not a gzipped table"):
        digits.read_digits(data)


def test_a_network_that_tells_too_few_digits_is_refused() -> None:
    table = np.loadtxt(made("digits") / "held-out.csv", np.int64, delimiter=",")
    weights = digits.train(table[:64])
    with pytest.raises(ModelError, match="of the held-out digits are told right"):
        digits.check(weights, table)


def test_a_file_that_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"a\.tflite cannot be converted: "):
        faces.convert(tmp_path / "a.tflite", tmp_path / "a.xml")


def png(*rows: bytes, width: int = 2, form: tuple[int, ...] = (8, 2, 0, 0, 0)) -> bytes:
    """Return a PNG; each row begins with its filter."""
    parts = {b"IHDR": struct.pack(">II5B", width, len(rows), *form), b"IDAT": zlib.compress(b"".join(rows))}
    chunks = (struct.pack(">I", len(data)) + kind + data + bytes(4) for kind, data in parts.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_each_filter_of_a_png_is_undone() -> None:
    """The second row by each filter: samples wrap around at 256."""
    first = b"\0\x0a\x14\x1e\xfa\xf0\xe6"
    row = bytes([1, 2, 3, 4, 5, 6])
    expected = {
        0: (1, 2, 3, 4, 5, 6),
        1: (1, 2, 3, 5, 7, 9),
        2: (11, 22, 33, 254, 245, 236),
        3: (6, 12, 18, 132, 131, 130),
        4: (11, 22, 33, 254, 245, 236),
    }
    for number, samples in expected.items():
        made_ppm = ppm.from_png(png(first, bytes([number]) + row))
        assert made_ppm == b"P6 2 2 255\n" + first[1:] + bytes(samples)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n",
        png(b"\0" * 7)[:-9],
        png(b"\5" + b"\0" * 6),
        png(b"\0" * 6),
        png(b"\0" * 7, form=(8, 6, 0, 0, 0)),
        png(b"\0" * 7, form=(8, 2, 0, 0, 1)),
        png(b"\0" * 13, form=(16, 2, 0, 0, 0)),
    ],
)
def test_a_png_of_another_kind_or_damaged_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="not a PNG of 8-bit RGB, or damaged"):
        ppm.from_png(data)
