"""The photo guest says what is on real photos, on two runtimes, and names what is wrong with bad input."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.guest.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Runtime

ROW = re.compile(r" {2}([1-5]) {2}([ \d]{2}\d\.\d)% {2}(\S.*)")
CATS = {"Egyptian cat", "tabby, tabby cat", "tiger cat"}
BY_NAME = ("--name", "squeezenet", "--labels", "/model/labels.txt")

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Classifier:
    """The guest with its model and photos, which a run may replace."""

    guest: Path
    model: Path
    photos: Path

    def run(
        self, runtime: Runtime, *words: str, model: Path | None = None, photos: Path | None = None
    ) -> Done:
        """Run the guest with folders /model and /photos, and the model registered by its folder's name."""
        folders = {model or self.model: "/model", photos or self.photos: "/photos"}
        return runtime.run(self.guest, *words, folders=folders, graph=self.model)


@pytest.fixture
def classifier(photo: Path, model: Path, photos: Path) -> Classifier:
    return Classifier(photo, model, photos)


def top(done: Done) -> list[tuple[float, str]]:
    """Return (percent, class) of the five lines; anything else the guest said fails."""
    assert (done.returncode, done.stderr) == (0, "")
    rows = [ROW.fullmatch(line) for line in done.stdout.splitlines()]
    assert [row and row[1] for row in rows] == ["1", "2", "3", "4", "5"]
    return [(float(row[2]), row[3]) for row in rows if row]


def assert_refused(done: Done, *words: str, code: int = 1) -> None:
    """Check for an exit code and one line of the guest's on stderr (the host may add notes of its own)."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("photo: ")]
    assert (done.returncode, done.stdout, len(lines)) == (code, "", 1), done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]


def test_coffee_is_espresso_by_bytes(runtime: Runtime, classifier: Classifier) -> None:
    best = top(classifier.run(runtime, "/model", "/photos/coffee.png"))
    assert best[0][1] == "espresso"
    assert best[0][0] > 98


def test_coffee_is_espresso_by_name(runtime: Runtime, classifier: Classifier) -> None:
    best = top(classifier.run(runtime, *BY_NAME, "/photos/coffee.png"))
    assert best[0][1] == "espresso"


def test_the_cat_is_a_cat(runtime: Runtime, classifier: Classifier) -> None:
    best = top(classifier.run(runtime, "/model", "/photos/chelsea.png"))
    assert {name for _, name in best[:3]} == CATS
    assert sum(percent for percent, _ in best[:3]) > 95


def test_a_jpeg_works_too(runtime: Runtime, classifier: Classifier) -> None:
    """A rocket on its pad, which this model takes for a space shuttle."""
    assert top(classifier.run(runtime, "/model", "/photos/rocket.jpg"))[0][1] == "space shuttle"


@pytest.mark.parametrize("image", ["coffee.png", "chelsea.png", "rocket.jpg"])
def test_both_runtimes_name_the_same_classes(
    host: Runtime, wasmtime: Runtime, classifier: Classifier, image: str
) -> None:
    """The same five with the same first; Wasmtime computes in bf16 where it can, which moves neighbours."""
    ours, theirs = (
        top(classifier.run(runtime, "/model", f"/photos/{image}")) for runtime in (host, wasmtime)
    )
    assert ours[0][1] == theirs[0][1]
    assert {name for _, name in ours} == {name for _, name in theirs}
    assert [percent for percent, _ in ours] == pytest.approx([percent for percent, _ in theirs], abs=2.0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just a text file\n" * 99,
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF89a\1\0\1\0\0\0\0;",
        b"P6 1 1 255 abc",
    ],
)
def test_what_is_no_photo_is_refused(
    host: Runtime, classifier: Classifier, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.png").write_bytes(content)
    done = classifier.run(host, "/model", "/photos/a.png", photos=tmp_path)
    assert_refused(done, "cannot decode image /photos/a.png: it is no JPEG or PNG file, or damaged")


@pytest.mark.parametrize("image", ["coffee.png", "rocket.jpg"])
@pytest.mark.parametrize("kept", [30, 1000, 20_000])
def test_a_truncated_photo_is_refused(
    host: Runtime, classifier: Classifier, tmp_path: Path, image: str, kept: int
) -> None:
    (tmp_path / image).write_bytes((classifier.photos / image).read_bytes()[:kept])
    done = classifier.run(host, "/model", f"/photos/{image}", photos=tmp_path)
    assert_refused(done, f"cannot decode image /photos/{image}: ")


def test_a_missing_photo_is_named(runtime: Runtime, classifier: Classifier) -> None:
    done = classifier.run(runtime, "/model", "/photos/none.png")
    assert_refused(done, "cannot read image /photos/none.png: No such file or directory")


def test_a_name_is_shown_without_what_could_drive_a_terminal(host: Runtime, classifier: Classifier) -> None:
    done = classifier.run(host, "/model", "/photos/\x1b[31m.png")
    assert_refused(done, "cannot read image /photos/?[31m.png: ")


def test_a_photo_outside_the_guest_s_folders_is_named(runtime: Runtime, classifier: Classifier) -> None:
    done = classifier.run(runtime, "/model", "/elsewhere/a.png")
    assert_refused(done, "/elsewhere/a.png: the guest was given no folder with this path")


def test_a_folder_is_no_photo(runtime: Runtime, classifier: Classifier) -> None:
    assert_refused(classifier.run(runtime, "/model", "/photos"), "cannot read image /photos")


@pytest.mark.parametrize("missing", ["model.xml", "model.bin", "labels.txt"])
def test_a_missing_part_of_the_model_is_named(
    runtime: Runtime, classifier: Classifier, tmp_path: Path, missing: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(classifier.model, folder, ignore=shutil.ignore_patterns(missing))
    done = classifier.run(runtime, "/model", "/photos/coffee.png", model=folder)
    assert_refused(done, f"/model/{missing}: No such file or directory")


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("model.xml", b"garbage"),
        ("model.xml", b""),
        ("model.xml", b"<?xml version='1.0'?><net/>"),
        ("model.bin", b""),
        ("model.bin", bytes(1000)),
    ],
)
def test_a_damaged_model_is_refused(
    runtime: Runtime, classifier: Classifier, tmp_path: Path, part: str, content: bytes
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(classifier.model, folder)
    (folder / part).write_bytes(content)
    done = classifier.run(runtime, "/model", "/photos/coffee.png", model=folder)
    assert_refused(done, "cannot load model /model: ")


def test_an_unknown_name_is_refused(runtime: Runtime, classifier: Classifier) -> None:
    assert_refused(
        classifier.run(runtime, "--name", "nobody", "/photos/coffee.png"), "cannot load model nobody: "
    )


def test_our_host_says_that_the_name_is_unknown(host: Runtime, classifier: Classifier) -> None:
    done = classifier.run(host, "--name", "nobody", "/photos/coffee.png")
    assert_refused(done, "cannot load model nobody: no graph is registered under this name")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "MODEL_DIR and IMAGE are needed"),
        (("/model",), "MODEL_DIR and IMAGE are needed"),
        (("--name", "net"), "IMAGE is missing"),
        (("--name",), "a value is missing after --name"),
        (("/model", "a.png", "--labels"), "a value is missing after --labels"),
        (("/model", "a.png", "b.png"), "one word too many: b.png"),
        (("--name", "net", "/model", "a.png"), "MODEL_DIR and --name exclude each other"),
        (("--top", "/model", "a.png"), "there is no option --top"),
        (("--\x1b[31m", "/model", "a.png"), "there is no option --?[31m"),
    ],
)
def test_bad_usage_says_what_is_wrong(host: Runtime, photo: Path, words: tuple[str, ...], why: str) -> None:
    assert_refused(host.run(photo, *words), why, "`photo --help` shows the usage", code=2)


def test_help_goes_to_stdout(host: Runtime, photo: Path) -> None:
    done = host.run(photo, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: photo ")
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_an_answer_that_cannot_be_written_is_a_failure(host: Runtime, classifier: Classifier) -> None:
    folders = [f"--dir={classifier.model}::/model", f"--dir={classifier.photos}::/photos"]
    command = [*host.command, *folders, str(classifier.guest), "/model", "/photos/coffee.png"]
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device, opened to be written to
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "photo: cannot write the answer: " in done.stderr
