"""The photo guest lays the tensor out as the model wants it, and distrusts what the host answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.guest import png
from tests.guest.example_guests import LEFT_ALONE, UNSAFE
from tests.guest.numbers_reference import area
from tests.guest.stand_in import TOO_LARGE, Ran, StandIn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 227
SHORTER_SIDE = 256
MEAN_BGR = np.array([104.0, 117.0, 123.0]).reshape(3, 1, 1)
SCORES = np.zeros(1000, np.float32).tobytes()


@dataclass(frozen=True, slots=True)
class Classifier:
    """The guest with a folder for its photo."""

    guest: Path
    folder: Path

    def run(self, stand_in: StandIn, image: bytes, *options: str) -> Ran:
        """Run the guest on an image; the model is named `net`."""
        (self.folder / "image").write_bytes(image)
        words = ("--name", "net", *options, "/in/image")
        return stand_in.run(self.guest, *words, folders={self.folder: "/in"})

    def tensor(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what `set_input` gets for an image."""
        seen = StandIn(output=SCORES)
        ran = self.run(seen, png.encode(pixels))
        assert (ran.code, ran.stderr) == (0, "")
        (tensor,) = seen.tensors
        assert tensor.dimensions == (1, 3, SIDE, SIDE)
        assert tensor.type == 1
        return np.frombuffer(tensor.data, "<f4").reshape(3, SIDE, SIDE)


@pytest.fixture
def classifier(photo: Path, tmp_path: Path) -> Classifier:
    return Classifier(photo, tmp_path)


def reference(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the tensor [3, SIDE, SIDE] of RGB pixels: cropped, scaled, BGR, minus the mean."""
    height, width, _ = pixels.shape
    side = -(-min(height, width) * SIDE // SHORTER_SIDE)
    top, left = (height - side) // 2, (width - side) // 2
    scaled = area(pixels[top : top + side, left : left + side], SIDE, SIDE)
    result: NDArray[np.float64] = scaled[:, :, ::-1].transpose(2, 0, 1) - MEAN_BGR
    return result


@pytest.mark.parametrize(
    ("height", "width"),
    [(256, 256), (400, 600), (600, 400), (100, 90), (1, 1), (1, 7), (3, 2000), (2000, 3), (1500, 1100)],
)
def test_the_tensor_agrees_with_numpy(classifier: Classifier, height: int, width: int) -> None:
    """Larger and smaller than the crop, flat and tall: noise shows every misplaced pixel."""
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    np.testing.assert_array_equal(classifier.tensor(pixels), reference(pixels))


def test_at_its_own_scale_a_photo_is_only_cropped(classifier: Classifier) -> None:
    """256 pixels need no scaling; 227 is odd, so the crop lies half a pixel off the middle."""
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[:, :, 0] = np.arange(256)
    red = classifier.tensor(pixels)[2] + 123
    np.testing.assert_array_equal(red[0], np.arange(SIDE) + 14)


def test_blue_is_the_first_plane_and_the_mean_is_gone(classifier: Classifier) -> None:
    pixels = np.full((300, 300, 3), (10, 20, 30), np.uint8)
    found = classifier.tensor(pixels)
    expected = np.broadcast_to([[[30 - 104]], [[20 - 117]], [[10 - 123]]], found.shape)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_images_become_rgb(classifier: Classifier, channels: int) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (80, 80, 1), np.uint8)
    opaque = np.full((80, 80, 1), 255, np.uint8)
    rgb = np.repeat(grey, 3, axis=2)
    given = grey if channels == 1 else np.concatenate([rgb, opaque], axis=2)
    np.testing.assert_array_equal(classifier.tensor(given), classifier.tensor(rgb))


def test_a_very_wide_image_takes_no_longer(classifier: Classifier) -> None:
    """Only the crop's columns are worked on: without that this takes minutes."""
    pixels = np.full((4, 4_000_000, 3), 128, np.uint8)
    assert np.ptp(classifier.tensor(pixels)[0]) < 1e-3


@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (16_000_000, 5), (5, 16_000_000)])
def test_a_header_that_claims_a_huge_image_is_refused_before_decoding(
    classifier: Classifier, width: int, height: int
) -> None:
    ran = classifier.run(StandIn(), png.claim(width, height, b""))
    assert ran.code == 1
    assert ran.stderr == "photo: cannot decode image /in/image: it has more than 64 megapixels\n"


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (2**31 - 1, 2**31 - 1), (2**24 + 1, 1)])
def test_a_header_with_an_impossible_size_is_refused(classifier: Classifier, width: int, height: int) -> None:
    ran = classifier.run(StandIn(), png.claim(width, height, b"\0" * 64))
    assert ran.code == 1
    assert ran.stderr.startswith("photo: cannot decode image /in/image: ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("size", [0, 4, 3996, 3999, 4001, 4004])
def test_an_output_of_another_size_is_refused(classifier: Classifier, size: int) -> None:
    ran = classifier.run(StandIn(output=bytes(size)), png.encode(np.zeros((9, 9, 3), np.uint8)))
    assert (ran.code, ran.stdout) == (1, b"")
    assert ran.stderr == "photo: cannot use model net: its output is not 1000 numbers, one for each class\n"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("load_by_name", "cannot load model net"),
        ("init_execution_context", "cannot prepare model net"),
        ("set_input", "cannot hand the image to model net"),
        ("compute", "cannot run model net"),
        ("get_output", "cannot read the output of model net"),
    ],
)
@pytest.mark.parametrize(("error", "why"), [(1, "invalid argument"), (200, "unknown error")])
def test_every_call_s_error_ends_the_guest(
    classifier: Classifier, function: str, words: str, error: int, why: str
) -> None:
    stand_in = StandIn(output=SCORES, errors={function: error})
    ran = classifier.run(stand_in, png.encode(np.zeros((9, 9, 3), np.uint8)))
    assert (ran.code, ran.stdout, ran.stderr) == (1, b"", f"photo: {words}: {why}\n")
    assert stand_in.calls[-1] == function


def test_too_large_is_said_in_the_user_s_words(classifier: Classifier) -> None:
    stand_in = StandIn(errors={"get_output": TOO_LARGE})
    ran = classifier.run(stand_in, png.encode(np.zeros((9, 9, 3), np.uint8)))
    assert "not 1000 numbers" in ran.stderr


def answer(scores: Mapping[int, float]) -> bytes:
    full = np.zeros(1000, np.float32)
    for index, score in scores.items():
        full[index] = score
    return full.tobytes()


def test_the_answer_is_five_lines_in_columns(classifier: Classifier) -> None:
    labels = "".join(f"thing {number}\r\n" for number in range(1000))
    (classifier.folder / "labels").write_bytes(labels.encode())
    output = answer({7: 0.9951, 999: 0.002, 0: 0.001, 5: float("nan")})
    image = png.encode(np.zeros((9, 9, 3), np.uint8))
    ran = classifier.run(StandIn(output=output), image, "--labels", "/in/labels")
    assert ran.stdout.decode().splitlines() == [
        "  1   99.5%  thing 7",
        "  2    0.2%  thing 999",
        "  3    0.1%  thing 0",
        "  4    0.0%  thing 1",
        "  5    0.0%  thing 2",
    ]


def test_without_labels_the_classes_have_numbers(classifier: Classifier) -> None:
    ran = classifier.run(StandIn(output=answer({967: 1})), png.encode(np.zeros((9, 9, 3), np.uint8)))
    assert ran.stdout.decode().splitlines()[0] == "  1  100.0%  class 967"


@pytest.mark.parametrize("score", [float("nan"), float("-inf"), float("inf"), -30, -1e-9, 1.001, 1e30])
def test_scores_that_are_no_shares_are_no_answer(classifier: Classifier, score: float) -> None:
    ran = classifier.run(
        StandIn(output=np.full(1000, score, np.float32).tobytes()),
        png.encode(np.zeros((9, 9, 3), np.uint8)),
    )
    assert (ran.code, ran.stdout) == (1, b"")
    assert ran.stderr == "photo: cannot use model net: its scores are not from 0 to 1\n"


def test_fewer_than_five_shares_are_no_answer_either(classifier: Classifier) -> None:
    scores = np.full(1000, -1, np.float32)
    scores[:4] = 0.2
    ran = classifier.run(StandIn(output=scores.tobytes()), png.encode(np.zeros((9, 9, 3), np.uint8)))
    assert (ran.code, ran.stdout) == (1, b"")


def test_labels_are_shown_without_what_could_drive_a_terminal(classifier: Classifier) -> None:
    labels = [f"{UNSAFE}{LEFT_ALONE}", *["name"] * 999]
    (classifier.folder / "labels").write_text("\n".join(labels), encoding="utf-8")
    ran = classifier.run(
        StandIn(output=answer({0: 1})),
        png.encode(np.zeros((9, 9, 3), np.uint8)),
        "--labels",
        "/in/labels",
    )
    assert ran.stdout.decode().splitlines()[0] == f"  1  100.0%  {'?' * len(UNSAFE)}{LEFT_ALONE}"


@pytest.mark.parametrize("lines", [0, 1, 999, 1001])
@pytest.mark.parametrize("end", ["", "\n"])
def test_labels_for_another_number_of_classes_are_refused(
    classifier: Classifier, lines: int, end: str
) -> None:
    """Names shifted by one would look like an answer."""
    text = "\n".join(["name"] * lines) + (end if lines else "")
    (classifier.folder / "labels").write_text(text)
    image = png.encode(np.zeros((9, 9, 3), np.uint8))
    ran = classifier.run(StandIn(output=SCORES), image, "--labels", "/in/labels")
    assert (ran.code, ran.stdout) == (1, b"")
    assert ran.stderr == (
        "photo: cannot use labels /in/labels: it does not have 1000 lines, one for each class\n"
    )
