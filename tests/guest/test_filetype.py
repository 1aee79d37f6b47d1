"""The filetype guest says of real files what the model says natively, and names what is bad input."""

from __future__ import annotations

import random
import re
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.guest.conftest import ROOT
from tests.guest.example_guests import LEFT_ALONE, UNSAFE, Done, Guest, assert_refused, model, rust_guest
from tests.guest.stand_in import StandIn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.guest.conftest import Need, Runtime

ROW = re.compile(r"(\w+) (\d+)%  (\S+)")
MOST_OF_A_KIND = 6
CLEAR = {
    "Makefile": "makefile",
    "README.md": "markdown",
    "pyproject.toml": "toml",
    "host/cli.py": "python",
    "guest/rust/src/graph.rs": "rust",
    "build/photos/coffee.png": "png",
    "build/models/magika/model.xml": "xml",
}


@pytest.fixture(scope="module")
def guest(need: Need) -> Guest:
    return Guest(rust_guest("filetype"), model(need, "magika", "magika.onnx", "labels.txt"), ROOT)


def answers(done: Done) -> dict[str, tuple[str, int]]:
    """Return label and percentage by path; anything else the guest said fails."""
    assert (done.returncode, done.stderr) == (0, "")
    rows = [ROW.fullmatch(line) for line in done.stdout.splitlines()]
    return {row[3]: (row[1], int(row[2])) for row in rows if row}


def real_files() -> list[Path]:
    """Return files of many kinds: this repository's, and of the Python that runs this."""
    patterns = (
        "*",
        "docs/*",
        "witx/*",
        "codegen/*.py",
        "host/*.py",
        "guest/*/*",
        "examples/*/*",
        "tests/*/*.c",
    )
    made = ("build/photos/*", "build/models/*/*", "build/packages/*")
    ours = [path for pattern in (*patterns, *made) for path in sorted(ROOT.glob(pattern))]
    standard = Path(sysconfig.get_path("stdlib"))
    theirs = [*sorted(standard.glob("*.py"))[:20], *sorted(standard.glob("lib2to3/*"))]
    found = [
        path for path in (*ours, *theirs) if path.is_file() and len(path.read_bytes()[:4096].strip()) > 8
    ]
    places = range(len(found))
    return [
        found[at]
        for at in places
        if sum(found[at].suffix == found[n].suffix for n in range(at)) < MOST_OF_A_KIND
    ]


def features(content: bytes) -> NDArray[np.int32]:
    """Return what Magika's own package makes of a file: 1024 bytes of either end, padded with 256."""
    first, last = content[:4096].lstrip()[:1024], content[-4096:].rstrip()[-1024:]
    values = [*first, *[256] * (1024 - len(first)), *[256] * (1024 - len(last)), *last]
    return np.array([values], np.int32)


def native(folder: Path, files: list[Path]) -> list[tuple[str, int]]:
    """Return label and percentage of each file, by the ONNX model in OpenVINO."""
    import openvino  # type: ignore[import-untyped]  # noqa: PLC0415 - half a second; no py.typed

    compiled = openvino.Core().compile_model(
        folder / "magika.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )
    labels = (folder / "labels.txt").read_text().split()
    scores = [compiled(features(path.read_bytes()))[0][0] for path in files]
    return [(labels[score.argmax()], round(100 * float(score.max()))) for score in scores]


def test_the_labels_are_those_of_the_model_run_natively(host: Runtime, guest: Guest, tmp_path: Path) -> None:
    files = real_files()
    assert len(files) > 60
    for number, path in enumerate(files):
        shutil.copy(path, tmp_path / str(number))
    words = (f"/files/{number}" for number in range(len(files)))
    found = answers(guest.run(host, "/model", *words, files=tmp_path))
    expected = native(guest.model, files)
    assert [label for label, _ in found.values()] == [label for label, _ in expected]
    assert [percent for _, percent in found.values()] == pytest.approx([p for _, p in expected], abs=1)
    assert len({label for label, _ in expected}) > 12


def test_files_are_what_they_are_called_on_both_runtimes(runtime: Runtime, guest: Guest) -> None:
    found = answers(guest.run(runtime, "--name", "magika", "/model", *(f"/files/{name}" for name in CLEAR)))
    assert {path.removeprefix("/files/"): label for path, (label, _) in found.items()} == CLEAR


def content(length: int, before: bytes = b"", behind: bytes = b"") -> bytes:
    return before + random.Random(length).randbytes(length) + behind  # noqa: S311 - any bytes do


@pytest.mark.parametrize(
    "data",
    [
        b"12345678",
        content(1023),
        content(1024),
        content(1025),
        content(4096),
        content(4097),
        content(9000),
        content(30, b" \t\n\v\f\r", b"\r\n  "),
        content(5000, b" " * 3000, b"\n" * 3090),
        content(40, b"\x1c\x85\xa0"),
        b"x" * 2000 + b" " * 5000,
    ],
    ids=lambda data: str(len(data)),
)
def test_the_tensor_is_that_of_the_official_package(guest: Guest, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    seen = StandIn(output=np.zeros(214, np.float32).tobytes())
    done = guest.run_alone("--name", "net", "/model", "/files/file", files=tmp_path, host=seen)
    assert (done.returncode, done.stderr) == (0, "")
    (tensor,) = seen.tensors
    assert (tensor.dimensions, tensor.type) == ((1, 2048), 4)
    np.testing.assert_array_equal(np.frombuffer(tensor.data, "<i4"), features(data)[0])


@pytest.mark.parametrize("data", [b"", b"1234567", b" \n" * 2000, b"  123456\n"])
def test_a_file_of_too_few_bytes_is_refused(guest: Guest, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "short").write_bytes(data)
    done = guest.run_alone("/model", "/files/short", files=tmp_path)
    assert_refused(done, "filetype", "cannot tell what /files/short is: it has under 8 bytes")


def test_a_file_that_fails_does_not_keep_the_others_from_an_answer(host: Runtime, guest: Guest) -> None:
    done = guest.run(host, "/model", "/files/none", "/files/Makefile", "/files/docs")
    assert (done.returncode, done.stdout) == (1, "makefile 100%  /files/Makefile\n")
    assert "filetype: cannot read /files/none: No such file" in done.stderr
    assert "filetype: cannot read /files/docs: " in done.stderr


def test_a_path_is_shown_without_what_could_drive_a_terminal(guest: Guest) -> None:
    done = guest.run_alone("/model", f"/files/{UNSAFE}{LEFT_ALONE}")
    assert_refused(done, "filetype", f"cannot read /files/{'?' * len(UNSAFE)}{LEFT_ALONE}: ")


def test_labels_are_shown_without_what_could_drive_a_terminal(guest: Guest, tmp_path: Path) -> None:
    labels = [f"{UNSAFE}{LEFT_ALONE}", *["name"] * 213]
    (tmp_path / "labels.txt").write_text("\n".join(labels), encoding="utf-8")
    seen = StandIn(output=np.eye(1, 214, dtype=np.float32).tobytes())
    done = guest.run_alone("--name", "net", "/model", "/files/Makefile", model=tmp_path, host=seen)
    assert done.stdout == f"{'?' * len(UNSAFE)}{LEFT_ALONE} 100%  /files/Makefile\n"


@pytest.mark.parametrize("missing", ["magika.onnx", "labels.txt"])
def test_a_missing_part_of_the_model_is_named(guest: Guest, tmp_path: Path, missing: str) -> None:
    shutil.copytree(guest.model, tmp_path / "model", ignore=shutil.ignore_patterns(missing))
    done = guest.run_alone("/model", "/files/Makefile", model=tmp_path / "model")
    assert_refused(done, "filetype", f"cannot read /model/{missing}: No such file or directory")


@pytest.mark.parametrize("part", ["magika.onnx", "labels.txt"])
def test_a_part_of_the_model_that_is_too_large_is_refused(guest: Guest, tmp_path: Path, part: str) -> None:
    """Not cut: a model would be damaged, a list of labels another one."""
    shutil.copytree(guest.model, tmp_path / "model")
    with (tmp_path / "model" / part).open("wb") as file:
        file.truncate((64 << 20) + 1)
    done = guest.run_alone("/model", "/files/Makefile", model=tmp_path / "model")
    assert_refused(done, "filetype", f"cannot read /model/{part}: it has over 64 MiB")


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x08\x07" * 100])
def test_a_damaged_model_is_refused(host: Runtime, guest: Guest, tmp_path: Path, damage: bytes) -> None:
    shutil.copytree(guest.model, tmp_path / "model")
    (tmp_path / "model/magika.onnx").write_bytes(damage)
    done = guest.run(host, "/model", "/files/Makefile", model=tmp_path / "model")
    assert_refused(done, "filetype", "cannot load the model: ")


def test_a_runtime_without_onnx_says_so(wasmtime: Runtime, guest: Guest) -> None:
    assert_refused(guest.run(wasmtime, "/model", "/files/Makefile"), "filetype", "cannot load the model: ")


def test_an_unknown_name_is_refused(runtime: Runtime, guest: Guest) -> None:
    done = guest.run(runtime, "--name", "nobody", "/model", "/files/Makefile")
    assert_refused(done, "filetype", "cannot load the model: ")


@pytest.mark.parametrize("scores", [0, 1, 213, 215, 5000])
def test_a_model_of_another_number_of_answers_is_refused(guest: Guest, scores: int) -> None:
    seen = StandIn(output=bytes(4 * scores))
    done = guest.run_alone("--name", "net", "/model", "/files/Makefile", host=seen)
    assert_refused(done, "filetype", "cannot ")


@pytest.mark.parametrize("score", [float("nan"), float("-inf"), float("inf"), -30, -1e-9, 1.001])
def test_scores_that_are_no_shares_are_no_answer(guest: Guest, score: float) -> None:
    seen = StandIn(output=np.full(214, score, np.float32).tobytes())
    done = guest.run_alone("--name", "net", "/model", "/files/Makefile", host=seen)
    assert_refused(done, "filetype", "cannot use the model: it has no number from 0 to 1")


@pytest.mark.parametrize(
    "words", [(), ("/model",), ("--name",), ("--name", "net", "/model"), ("--top", "/model", "f")]
)
def test_bad_usage_says_what_is_needed(guest: Guest, words: tuple[str, ...]) -> None:
    done = guest.run_alone(*words)
    assert_refused(done, "filetype", "MODEL_DIR and a FILE are needed", "`filetype --help`", code=2)


def test_help_goes_to_stdout(guest: Guest) -> None:
    done = guest.run_alone("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: filetype ")


def test_the_guest_has_at_most_80_kb(guest: Guest) -> None:
    assert guest.wasm.stat().st_size <= 80 * 1024
