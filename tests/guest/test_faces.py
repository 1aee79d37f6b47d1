"""The faces guest finds the boxes that the model finds natively; bad photos have no answer."""

from __future__ import annotations

import re
import shutil
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from examples.photo import ppm
from tests.guest import numbers_reference as reference
from tests.guest import png
from tests.guest.conftest import ROOT
from tests.guest.example_guests import LEFT_ALONE, UNSAFE, Done, Guest, assert_refused, c_guest, model
from tests.guest.stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.guest.conftest import Compiler, Need, Runtime

    Pixels = NDArray[np.uint8]
    F32 = NDArray[np.float32]
    Boxes = NDArray[np.float64]
    Face = tuple[float, ...]

ROW = re.compile(r" *(\d+\.\d)%  x (\d+) to (\d+), y (\d+) to (\d+)")
BY_NAME = ("--name", "blazeface")
PHOTOS = ("portrait", "close", "two", "wide", "tall", "small")


@pytest.fixture(scope="module")
def guest(wasi_sdk: Compiler, need: Need, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Return the guest with the portrait, and with photos made of it."""
    need(ROOT / "build/stb", "run `make toolchain`")
    folder, files = (
        model(need, "blazeface", "blazeface.tflite", "astronaut.png"),
        tmp_path_factory.mktemp("faces"),
    )
    for name in PHOTOS:
        (files / f"{name}.png").write_bytes(png.encode(photo(folder, name)))
    return Guest(c_guest(wasi_sdk, "faces", files / "faces.wasm"), folder, files)


@cache
def portrait(folder: Path) -> Pixels:
    """Return the pixels of the recipe's photo; to decode it takes seconds."""
    head, pixels = ppm.from_png((folder / "astronaut.png").read_bytes()).split(b"\n", 1)
    assert head == b"P6 512 512 255"
    return np.frombuffer(pixels, np.uint8).reshape(512, 512, 3)


def photo(folder: Path, name: str) -> Pixels:
    """Return the portrait of 512 x 512 pixels, or a photo made of it."""
    whole = portrait(folder)
    grey = np.full((301, 900, 3), 90, np.uint8)
    grey[:, 500:801] = whole[:301, 80:381]
    return {
        "portrait": whole,
        "close": np.ascontiguousarray(whole[55:205, 150:300]),  # so large that the coarser grid finds it
        "two": np.concatenate([whole[40:300, 100:360], whole[40:300, 360:100:-1]], 1),
        "wide": grey,
        "tall": np.ascontiguousarray(whole[:, 150:311]),
        "small": np.ascontiguousarray(whole[::7, ::7]),
    }[name]


def place(height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, left, height and width of a photo in the model's square."""
    longer = max(height, width)
    high, wide = (max(1, (side * 128 + longer // 2) // longer) for side in (height, width))
    return (128 - high) // 2, (128 - wide) // 2, high, wide


def tensor(pixels: Pixels) -> F32:
    """Return [1, 128, 128, 3], -1 to 1: the photo in the middle of a black square."""
    top, left, high, wide = place(*pixels.shape[:2])
    square = np.zeros((128, 128, 3), np.uint8)
    square[top : top + high, left : left + wide] = reference.area(pixels, high, wide)
    middle = np.float32(127.5)
    scaled: F32 = (square[None].astype(np.float32) - middle) / middle
    return scaled


def boxes(guesses: F32) -> Boxes:
    """Return left, top, right and bottom of each guess [896, 16], in pixels of the model's square."""
    middles = [
        (column * cell + cell / 2, row * cell + cell / 2)
        for cell, per_cell in ((8, 2), (16, 6))
        for row in range(128 // cell)
        for column in range(128 // cell)
        for _ in range(per_cell)
    ]
    centres, halves = middles + guesses[:, :2], guesses[:, 2:4] / 2
    return np.concatenate([centres - halves, centres + halves], 1)


def iou(a: Boxes, b: Boxes) -> float:
    """Return intersection over union of two boxes."""
    both = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod()
    return float(both / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both))


@cache
def native(folder: Path, name: str) -> list[Face]:
    """Return what is expected of the guest, by the TFLite model in OpenVINO and f64 behind it."""
    import openvino  # type: ignore[import-untyped]  # noqa: PLC0415 - half a second; no py.typed

    pixels, options = photo(folder, name), {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(folder / "blazeface.tflite", "CPU", options)
    guesses, logits = (output[0] for output in compiled(tensor(pixels)).values())
    found, scores = boxes(guesses), 1 / (1 + np.exp(-np.maximum(logits[:, 0].astype(float), -80)))
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] >= 0.5 and all(iou(found[index], found[other]) <= 0.3 for other in kept):
            kept.append(int(index))
    height, width = pixels.shape[:2]
    top, left, high, wide = place(height, width)
    scaled = (found - [left, top, left, top]) * ([width / wide, height / high] * 2)
    borders = np.clip(np.floor(scaled + 0.5), 0, [width, height] * 2).astype(int).tolist()
    return [(round(100 * scores[index], 1), *borders[index]) for index in kept]


def faces(done: Done) -> list[Face]:
    """Return percent, left, top, right and bottom of each line; anything else the guest said fails."""
    assert (done.returncode, done.stderr) == (0, "")
    rows = [ROW.fullmatch(line) for line in done.stdout.splitlines()]
    assert all(rows), done.stdout
    return [
        (float(row[1]), int(row[2]), int(row[4]), int(row[3]), int(row[5])) for row in rows if row is not None
    ]


@pytest.mark.parametrize("by", [("/model",), BY_NAME], ids=["by bytes", "by name"])
@pytest.mark.parametrize("name", PHOTOS)
def test_the_boxes_are_the_model_s_own(host: Runtime, guest: Guest, name: str, by: tuple[str, ...]) -> None:
    """By bytes it is the TFLite file; by name the IR that was made of it."""
    expected = native(guest.model, name)
    assert len(expected) == (2 if name == "two" else 1)
    assert faces(guest.run(host, *by, f"/files/{name}.png")) == expected


def test_the_tflite_file_can_be_had_by_name(host: Runtime, guest: Guest, tmp_path: Path) -> None:
    only = tmp_path / "blazeface"
    only.mkdir()
    shutil.copy(guest.model / "blazeface.tflite", only / "model.tflite")
    done = host.run(guest.wasm, *BY_NAME, "/files/portrait.png", folders={guest.files: "/files"}, graph=only)
    assert faces(done) == native(guest.model, "portrait")


def test_the_face_is_where_a_person_sees_it(host: Runtime, guest: Guest) -> None:
    """On the portrait the eyes are at about x 205 and 245, y 110; the chin is at y 170."""
    ((percent, left, top, right, bottom),) = faces(guest.run(host, *BY_NAME, "/model/astronaut.png"))
    assert percent > 90
    assert (165 < left < 205, 65 < top < 110) == (True, True)
    assert (245 < right < 285, 160 < bottom < 190) == (True, True)


@pytest.mark.parametrize("name", PHOTOS)
def test_the_same_faces_are_found_on_wasmtime(wasmtime: Runtime, guest: Guest, name: str) -> None:
    """By the IR; Wasmtime computes in bf16 where it can, which moves a box a little."""
    found = faces(guest.run(wasmtime, *BY_NAME, f"/files/{name}.png"))
    expected = native(guest.model, name)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=3)


def test_a_host_without_tflite_is_told_by_one_line(wasmtime: Runtime, guest: Guest) -> None:
    assert_refused(
        guest.run(wasmtime, "/model", "/files/portrait.png"), "faces", "cannot load model /model: "
    )


@pytest.mark.parametrize("name", ["coffee.png", "rocket.jpg"])
def test_a_photo_without_a_person_has_no_face(
    runtime: Runtime, guest: Guest, photos: Path, name: str
) -> None:
    done = guest.run(runtime, *BY_NAME, f"/files/{name}", files=photos)
    assert (done.returncode, done.stdout) == (0, "no face\n")


@pytest.mark.parametrize("shape", [(1, 1), (1, 1000), (1000, 1), (128, 128), (127, 129), (301, 900), (3, 2)])
def test_the_tensor_is_the_whole_photo_in_a_black_square(
    guest: Guest, tmp_path: Path, shape: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(png.encode(pixels))
    seen = StandIn(output=b"")
    guest.run_alone(*BY_NAME, "/files/a.png", files=tmp_path, host=seen)
    (given,) = seen.tensors
    assert (given.dimensions, given.type) == ((1, 128, 128, 3), 1)
    np.testing.assert_array_equal(np.frombuffer(given.data, "<f4"), tensor(pixels).ravel())


@pytest.mark.parametrize(
    "content",
    [b"", b"just a text file\n" * 99, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a\1\0\1\0\0\0\0;"],
)
def test_what_is_no_photo_is_refused(guest: Guest, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    done = guest.run_alone("/model", "/files/a.png", files=tmp_path)
    assert_refused(done, "faces", "cannot decode image /files/a.png: it is no JPEG or PNG file, or damaged")


@pytest.mark.parametrize("image", ["coffee.png", "rocket.jpg"])
@pytest.mark.parametrize("kept", [30, 1000, 20_000])
def test_a_truncated_photo_is_refused(
    guest: Guest, photos: Path, tmp_path: Path, image: str, kept: int
) -> None:
    (tmp_path / image).write_bytes((photos / image).read_bytes()[:kept])
    done = guest.run_alone("/model", f"/files/{image}", files=tmp_path)
    assert_refused(done, "faces", f"cannot decode image /files/{image}: ")


def test_a_photo_that_claims_to_be_huge_is_refused(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png.claim(9_000, 9_000, b""))
    done = guest.run_alone("/model", "/files/a.png", files=tmp_path)
    assert_refused(done, "faces", "cannot decode image /files/a.png: it has more than 64 megapixels")


@pytest.mark.parametrize("path", ["none.png", f"{UNSAFE}{LEFT_ALONE}", ""])
def test_a_photo_that_is_not_there_is_named(guest: Guest, path: str) -> None:
    shown = path.replace(UNSAFE, "?" * len(UNSAFE))
    assert_refused(
        guest.run_alone("/model", f"/files/{path}"), "faces", f"cannot read image /files/{shown}: "
    )


def test_a_photo_outside_the_guest_s_folders_is_named(runtime: Runtime, guest: Guest) -> None:
    done = guest.run(runtime, *BY_NAME, "/elsewhere/a.png")
    assert_refused(done, "faces", "/elsewhere/a.png: the guest was given no folder with this path")


def test_a_missing_model_is_named(guest: Guest, tmp_path: Path) -> None:
    done = guest.run_alone("/model", "/files/portrait.png", model=tmp_path)
    assert_refused(done, "faces", "cannot read model /model/blazeface.tflite: No such file or directory")


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x1c\0\0\0TFL3", None])
def test_a_damaged_model_is_refused(
    host: Runtime, guest: Guest, tmp_path: Path, damage: bytes | None
) -> None:
    whole = (guest.model / "blazeface.tflite").read_bytes()
    (tmp_path / "blazeface.tflite").write_bytes(whole[:100_000] if damage is None else damage)
    done = guest.run(host, "/model", "/files/portrait.png", model=tmp_path)
    assert_refused(done, "faces", "cannot load model /model: ")


def test_an_unknown_name_is_refused(runtime: Runtime, guest: Guest) -> None:
    done = guest.run(runtime, "--name", "nobody", "/files/portrait.png")
    assert_refused(done, "faces", "cannot load model nobody: ")


@pytest.mark.parametrize("size", [0, 1, 896 * 4, 896 * 16 * 4 - 4, 896 * 16 * 4, 896 * 16 * 4 + 4])
def test_a_model_with_other_outputs_is_refused(guest: Guest, size: int) -> None:
    """The stand-in gives the same for both outputs, so the first one's size is wrong for the second."""
    done = guest.run_alone(*BY_NAME, "/files/portrait.png", host=StandIn(output=bytes(size)))
    assert_refused(done, "faces", " model blazeface: ")


def test_a_model_whose_scores_are_no_numbers_is_refused(guest: Guest) -> None:
    outputs = {0: bytes(896 * 16 * 4), 1: np.full(896, np.nan, "<f4").tobytes()}
    done = guest.run_alone(*BY_NAME, "/files/portrait.png", host=StandIn(outputs=outputs))
    assert_refused(done, "faces", "cannot use model blazeface: its scores are not from 0 to 1")


@pytest.mark.parametrize(
    "call", ["load_by_name", "init_execution_context", "set_input", "compute", "get_output"]
)
def test_an_error_of_any_call_is_one_line(guest: Guest, call: str) -> None:
    done = guest.run_alone(*BY_NAME, "/files/portrait.png", host=StandIn(errors={call: 99}))
    assert_refused(done, "faces", " model blazeface: unknown error")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "MODEL_DIR and IMAGE are needed"),
        (("/model",), "MODEL_DIR and IMAGE are needed"),
        (("--name", "net"), "IMAGE is missing"),
        (("--name",), "a value is missing after --name"),
        (("/model", "a.png", "b.png"), "one word too many: b.png"),
        (("--name", "net", "/model", "a.png"), "MODEL_DIR and --name exclude each other"),
        (("--points", "/model", "a.png"), "there is no option --points"),
        (("--\x1b[31m", "/model", "a.png"), "there is no option --?[31m"),
    ],
)
def test_bad_usage_says_what_is_wrong(guest: Guest, words: tuple[str, ...], why: str) -> None:
    assert_refused(guest.run_alone(*words), "faces", why, "`faces --help` shows the usage", code=2)


def test_help_goes_to_stdout(guest: Guest) -> None:
    done = guest.run_alone("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: faces ")
