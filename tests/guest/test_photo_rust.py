"""The photo guest in Rust names what the one in C names; a PPM's header may lie."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.guest.conftest import ROOT
from tests.guest.example_guests import (
    LEFT_ALONE,
    UNSAFE,
    Done,
    Guest,
    assert_refused,
    c_guest,
    model,
    rust_guest,
)
from tests.guest.stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Compiler, Need, Runtime

ROW = re.compile(r" {2}([1-5]) {2}([ \d]{2}\d\.\d)% {2}(\S.*)")
PHOTOS = ROOT / "build/photos"


@pytest.fixture(scope="module")
def guest(need: Need) -> Guest:
    for name in ("coffee.ppm", "chelsea.ppm"):
        need(PHOTOS / name, "run `make model`")
    return Guest(rust_guest("photo"), model(need, "squeezenet", "labels.txt"), PHOTOS)


@pytest.fixture(scope="module")
def bare(guest: Guest, wasi_sdk: Compiler, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """The guest in C that reads PPM only."""
    out = tmp_path_factory.mktemp("bare") / "photo.wasm"
    wasm = c_guest(wasi_sdk, "photo", out, "-DNDEBUG", "-DPHOTO_PPM")
    return Guest(wasm, guest.model, PHOTOS)


def top(done: Done) -> list[tuple[float, str]]:
    """Return (percent, class) of the five lines; anything else the guest said fails."""
    assert (done.returncode, done.stderr) == (0, "")
    rows = [ROW.fullmatch(line) for line in done.stdout.splitlines()]
    assert [row and row[1] for row in rows] == ["1", "2", "3", "4", "5"]
    return [(float(row[2]), row[3]) for row in rows if row]


@pytest.mark.parametrize("photo", ["coffee", "chelsea"])
def test_both_languages_name_the_same_classes(host: Runtime, guest: Guest, bare: Guest, photo: str) -> None:
    """The same three, within what the two ways to scale differ by."""
    in_rust, in_c = (top(each.run(host, "/model", f"/files/{photo}.ppm")) for each in (guest, bare))
    assert in_rust[0][1] == in_c[0][1]
    found, expected = ({name: percent for percent, name in five} for five in (in_rust, in_c))
    assert {name: percent for name, percent in found.items() if percent >= 1} == pytest.approx(
        {name: percent for name, percent in expected.items() if percent >= 1}, abs=3
    )


def test_a_photo_is_named_on_both_runtimes(runtime: Runtime, guest: Guest) -> None:
    best = top(guest.run(runtime, "--name", "squeezenet", "/model", "/files/coffee.ppm"))
    assert best[0][1] == "espresso"
    assert best[0][0] > 97


def test_the_ppm_has_the_pixels_of_the_png(host: Runtime, bare: Guest, photo: Path) -> None:
    """The decoder of the recipe against that of the guest."""
    for name in ("coffee", "chelsea"):
        in_ppm = bare.run(host, "/model", f"/files/{name}.ppm")
        in_png = Guest(photo, bare.model, PHOTOS).run(host, "/model", f"/files/{name}.png")
        assert (in_ppm.returncode, in_ppm.stdout) == (0, in_png.stdout)


def test_the_guest_in_c_has_at_most_40_kb_without_a_decoder(bare: Guest) -> None:
    assert bare.wasm.stat().st_size <= 40 * 1024


def ppm(height: int, width: int, header: str = "P6 {width} {height} 255\n") -> bytes:
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    return header.format(width=width, height=height).encode() + pixels.tobytes()


@pytest.mark.parametrize(
    "file",
    [
        ppm(1, 1),
        ppm(1, 300),
        ppm(300, 1),
        ppm(257, 255),
        ppm(5, 7, "P6\n# a comment\n{width}#\n\t{height}\r\n255 "),
        ppm(5, 7) + b"more",
    ],
    ids=["1x1", "flat", "tall", "odd", "comments", "more behind"],
)
def test_any_size_makes_a_tensor(guest: Guest, tmp_path: Path, file: bytes) -> None:
    (tmp_path / "a.ppm").write_bytes(file)
    seen = StandIn(output=np.zeros(1000, np.float32).tobytes())
    done = guest.run_alone("--name", "net", "/model", "/files/a.ppm", files=tmp_path, host=seen)
    assert (done.returncode, done.stderr) == (0, "")
    (tensor,) = seen.tensors
    assert (tensor.dimensions, tensor.type) == ((1, 3, 227, 227), 1)
    values = np.frombuffer(tensor.data, "<f4").reshape(3, -1)
    assert (values >= [[-104], [-117], [-123]]).all()
    assert (values <= [[151], [138], [132]]).all()


def test_blue_is_the_first_plane_and_the_mean_is_gone(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 300 280 255\n" + bytes([10, 20, 30]) * 300 * 280)
    seen = StandIn(output=np.zeros(1000, np.float32).tobytes())
    guest.run_alone("--name", "net", "/model", "/files/a.ppm", files=tmp_path, host=seen)
    planes = np.frombuffer(seen.tensors[0].data, "<f4").reshape(3, -1)
    np.testing.assert_array_equal(planes, np.broadcast_to([[30 - 104], [20 - 117], [10 - 123]], planes.shape))


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"P6",
        b"P6 ",
        b"P6 1",
        b"P6 1 1 255",
        b"P6 1 1 255\n",
        b"P6 1 1 255\nab",
        b"P61 1 255\nabc",
        b"P6 1 1 256\nabcabc",
        b"P6 1 1 255abc",
        b"P6 -1 -1 255\nabc",
        b"P6 4294967297 1 255\nabc",
        b"P6 65536 65536 255\nabc",
        b"P6 1 1 # no end",
        b"P5 1 1 255\nabc",
        b"P3 1 1 255\n1 2 3",
        b"\x89PNG\r\n\x1a\n",
        ppm(40, 40)[:-1],
    ],
)
def test_what_is_no_ppm_is_refused(guest: Guest, tmp_path: Path, file: bytes) -> None:
    (tmp_path / "a.ppm").write_bytes(file)
    done = guest.run_alone("/model", "/files/a.ppm", files=tmp_path)
    assert_refused(done, "photo", 'cannot decode "/files/a.ppm": it is no PPM (P6, 255), or it ends early')


@pytest.mark.parametrize("size", [b"0 0", b"0 5", b"5 0"])
def test_an_image_without_pixels_is_refused(guest: Guest, tmp_path: Path, size: bytes) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 " + size + b" 255\n")
    done = guest.run_alone("/model", "/files/a.ppm", files=tmp_path)
    assert_refused(done, "photo", 'cannot scale "/files/a.ppm": ')


@pytest.mark.parametrize("missing", ["model.xml", "model.bin", "labels.txt"])
def test_a_missing_part_of_the_model_is_named(guest: Guest, tmp_path: Path, missing: str) -> None:
    shutil.copytree(guest.model, tmp_path / "model", ignore=shutil.ignore_patterns(missing))
    done = guest.run_alone("/model", "/files/coffee.ppm", model=tmp_path / "model")
    assert_refused(done, "photo", f"/model/{missing}", "No such file or directory")


@pytest.mark.parametrize("scores", [0, 1, 999, 1001])
def test_a_model_of_another_number_of_classes_is_refused(guest: Guest, scores: int) -> None:
    seen = StandIn(output=bytes(4 * scores))
    done = guest.run_alone("--name", "net", "/model", "/files/coffee.ppm", host=seen)
    assert_refused(done, "photo", "cannot ")


@pytest.mark.parametrize("score", [float("nan"), float("-inf"), float("inf"), -30, -1e-9, 1.001])
def test_scores_that_are_no_shares_are_no_answer(guest: Guest, score: float) -> None:
    seen = StandIn(output=np.full(1000, score, np.float32).tobytes())
    done = guest.run_alone("--name", "net", "/model", "/files/coffee.ppm", host=seen)
    assert_refused(done, "photo", "cannot use the model: its scores are not from 0 to 1")


def test_labels_are_shown_without_what_could_drive_a_terminal(guest: Guest, tmp_path: Path) -> None:
    labels = [f"{UNSAFE}{LEFT_ALONE}", *["name"] * 999]
    (tmp_path / "labels.txt").write_text("\n".join(labels), encoding="utf-8")
    seen = StandIn(output=np.eye(1, 1000, dtype=np.float32).tobytes())
    done = guest.run_alone("--name", "net", "/model", "/files/coffee.ppm", model=tmp_path, host=seen)
    assert done.stdout.splitlines()[0] == f"  1  100.0%  {'?' * len(UNSAFE)}{LEFT_ALONE}"


@pytest.mark.parametrize(
    "words", [(), ("/model",), ("--name", "net", "/model"), ("/model", "a", "b"), ("--top", "a")]
)
def test_bad_usage_says_what_is_needed(guest: Guest, words: tuple[str, ...]) -> None:
    done = guest.run_alone(*words)
    assert_refused(done, "photo", "MODEL_DIR and IMAGE are needed", "`photo --help`", code=2)
