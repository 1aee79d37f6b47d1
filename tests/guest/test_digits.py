"""The digits guest tells digits as the model natively does; training gives the same bits everywhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from examples import packages
from examples.digits import model as recipe
from tests.guest.conftest import ROOT
from tests.guest.example_guests import LEFT_ALONE, UNSAFE, Done, Guest, assert_refused, cpp_guest, model
from tests.guest.stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.guest.conftest import Compiler, Need, Runtime

    Ints = NDArray[np.int64]

WRONG = re.compile(r"line +(\d+): a (\d) taken for a (\d), (\d+)% sure")
TOTAL = re.compile(r"(\d+) of (\d+) right: (\d+\.\d)%")
BY_NAME = ("--name", "digits")
ROW = ",".join(["0"] * 64) + ",7"


@pytest.fixture(scope="module")
def guest(wasi_sdk: Compiler, need: Need, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    folder, files = model(need, "digits", "held-out.csv"), tmp_path_factory.mktemp("digits")
    shutil.copy(folder / "held-out.csv", files)
    return Guest(cpp_guest(wasi_sdk, "digits", files / "digits.wasm"), folder, files)


def held_out(guest: Guest) -> Ints:
    """Return a row for each digit: 64 pixels and a label."""
    return np.loadtxt(guest.model / "held-out.csv", np.int64, delimiter=",")


def told(done: Done, labels: Ints) -> tuple[list[int], dict[int, int]]:
    """Return what the guest took each digit for, and how sure it was, in percent, of those it got wrong."""
    assert (done.returncode, done.stderr) == (0, "")
    *lines, total = done.stdout.splitlines()
    found, percents = labels.tolist(), {}
    for line in lines:
        wrong = WRONG.fullmatch(line)
        assert wrong, line
        at = int(wrong[1]) - 1
        assert int(wrong[2]) == labels[at]
        found[at], percents[at] = int(wrong[3]), int(wrong[4])
    right = len(labels) - len(lines)
    assert total == f"{right} of {len(labels)} right: {100 * right / len(labels):.1f}%"
    return found, percents


def native(folder: Path, rows: Ints) -> NDArray[np.float32]:
    """Return the ten scores of each digit, by the network in OpenVINO."""
    import openvino  # type: ignore[import-untyped]  # noqa: PLC0415 - half a second; no py.typed

    compiled = openvino.Core().compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    pixels = rows[:, :64].astype(np.float32).reshape(-1, 1, 1, 8, 8)
    return np.concatenate([compiled(picture)[0] for picture in pixels])


@pytest.mark.parametrize("by", [("/model",), BY_NAME], ids=["by bytes", "by name"])
def test_each_held_out_digit_is_told_as_natively_on_both_runtimes(
    runtime: Runtime, guest: Guest, by: tuple[str, ...]
) -> None:
    rows = held_out(guest)
    scores = native(guest.model, rows)
    found, percents = told(guest.run(runtime, "--wrong", *by, "/files/held-out.csv"), rows[:, 64])
    assert found == scores.argmax(1).tolist()
    tolerance = 0.51 if runtime.name == "host" else 2  # Wasmtime computes in bf16 where it can
    for at, percent in percents.items():
        assert percent == pytest.approx(100 * scores[at].max(), abs=tolerance)


def test_the_guest_reports_an_accuracy_of_at_least_98_percent_on_the_540(host: Runtime, guest: Guest) -> None:
    done = guest.run(host, "/model", "/files/held-out.csv")
    total = TOTAL.fullmatch(done.stdout.rstrip("\n"))
    assert total, done.stdout
    assert int(total[2]) == 540
    assert int(total[1]) >= 0.98 * 540
    assert float(total[3]) >= 98


def test_no_held_out_digit_was_trained_on(guest: Guest, need: Need) -> None:
    need(packages.CACHE / f"scikit-learn-1.9.1-{recipe.DIGITS.sha256}", "run `make model`")
    table = recipe.read_digits(packages.read(recipe.DIGITS, recipe.DIGITS_FILE))
    train_on, kept = recipe.split(table)
    np.testing.assert_array_equal(kept, held_out(guest))
    assert sorted([*map(tuple, train_on), *map(tuple, kept)]) == sorted(map(tuple, table))


TRAIN = """
import hashlib, numpy as np
from examples.digits import training
training.EPOCHS = 1
source = np.random.PCG64(1)
images, labels = training.uniform(source, 640, 8, 8, 1), training.permutation(source, 640) % 10
weights = training.train(images, labels, seed=0)
parts = (weights.kernel1, weights.bias1, weights.kernel2, weights.bias2, weights.dense, weights.bias3)
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""


def test_training_gives_the_same_bits_with_another_blas_and_other_threads() -> None:
    """OpenBLAS has a kernel for each kind of processor, and their sums have another order."""
    settings: tuple[dict[str, str], ...] = (
        {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "1"},
        {"OPENBLAS_NUM_THREADS": "2"},
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", TRAIN],
            cwd=ROOT,
            env={**os.environ, **setting},
            check=True,
            capture_output=True,
        ).stdout
        for setting in settings
    }
    assert len(found) == 1


def test_the_tensor_is_the_digit_row_by_row(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(",".join(str(n % 17) for n in range(64)) + ",3\r\n" + ROW)
    seen = StandIn(output=np.eye(10, dtype=np.float32)[3].tobytes())
    done = guest.run_alone("--wrong", *BY_NAME, "/files/a.csv", files=tmp_path, host=seen)
    assert done.stdout == "line   2: a 7 taken for a 3, 100% sure\n1 of 2 right: 50.0%\n"
    first, second = seen.tensors
    assert (first.dimensions, first.type, second.dimensions) == ((1, 1, 8, 8), 1, (1, 1, 8, 8))
    np.testing.assert_array_equal(np.frombuffer(first.data, "<f4"), np.arange(64) % 17)
    assert not any(second.data)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n", 1),
        (f"{ROW}\n\n", 2),
        (f"{ROW}\n{ROW}", None),
        (ROW[:-1], 1),
        (ROW[:-2], 1),
        (f"{ROW},", 1),
        (f"{ROW} ", 1),
        (f" {ROW}", 1),
        (f"{ROW}\0", 1),
        (f"{ROW}\n{ROW}\n17{ROW[1:]}\n", 3),
        (f"256{ROW[1:]}", 1),
        (f"99999999999999999999{ROW[1:]}", 1),
        (f"-1{ROW[1:]}", 1),
        (f"+1{ROW[1:]}", 1),
        (f"1.5{ROW[1:]}", 1),
        (f"nan{ROW[1:]}", 1),
        (f"{ROW[:-1]}10", 1),
        (ROW.replace(",", ";"), 1),
        (f"{ROW}\r{ROW}", 1),
        ("\ufeff" + ROW, 1),
    ],
)
def test_a_line_that_is_no_digit_is_named(guest: Guest, tmp_path: Path, text: str, line: int | None) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode())
    seen = StandIn(output=np.eye(10, dtype=np.float32)[7].tobytes())
    done = guest.run_alone(*BY_NAME, "/files/a.csv", files=tmp_path, host=seen)
    if line is None:
        assert (done.returncode, done.stdout) == (0, "2 of 2 right: 100.0%\n")
    else:
        assert_refused(done, "digits", f"cannot use digits /files/a.csv: line {line} is not 64 numbers ")
        assert seen.calls == []


def test_a_file_without_digits_is_refused(runtime: Runtime, guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    done = guest.run(runtime, "/model", "/files/a.csv", files=tmp_path)
    assert_refused(done, "digits", "cannot use digits /files/a.csv: there are none in it")


def test_a_truncated_file_is_refused(runtime: Runtime, guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes((guest.model / "held-out.csv").read_bytes()[:5000])
    done = guest.run(runtime, "/model", "/files/a.csv", files=tmp_path)
    assert_refused(done, "digits", "cannot use digits /files/a.csv: line ", " is not 64 numbers ")


def test_a_huge_file_is_refused(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"0" * ((16 << 20) + 1))
    done = guest.run_alone(*BY_NAME, "/files/a.csv", files=tmp_path)
    assert_refused(done, "digits", "cannot read digits /files/a.csv: File too large")


@pytest.mark.parametrize("path", ["none.csv", f"{UNSAFE}{LEFT_ALONE}", ""])
def test_digits_that_are_not_there_are_named(guest: Guest, path: str) -> None:
    shown = path.replace(UNSAFE, "?" * len(UNSAFE))
    assert_refused(guest.run_alone(*BY_NAME, f"/files/{path}"), "digits", f"digits /files/{shown}: ")


def test_digits_outside_the_guest_s_folders_are_named(runtime: Runtime, guest: Guest) -> None:
    done = guest.run(runtime, *BY_NAME, "/elsewhere/a.csv")
    assert_refused(done, "digits", "/elsewhere/a.csv: the guest was given no folder with this path")


@pytest.mark.parametrize("missing", ["model.xml", "model.bin"])
def test_a_missing_part_of_the_model_is_named(guest: Guest, tmp_path: Path, missing: str) -> None:
    shutil.copytree(guest.model, tmp_path / "model", ignore=shutil.ignore_patterns(missing))
    done = guest.run_alone("/model", "/files/held-out.csv", model=tmp_path / "model")
    assert_refused(done, "digits", f"cannot read model /model/{missing}: No such file or directory")


def test_a_model_s_path_that_is_too_long_is_refused(guest: Guest) -> None:
    done = guest.run_alone("/" + "m" * 5000, "/files/held-out.csv")
    assert_refused(done, "digits", "cannot read model /mmm", "ilename too long")


@pytest.mark.parametrize(("part", "content"), [("model.xml", b"<net/>"), ("model.bin", b"")])
def test_a_damaged_model_is_refused(
    host: Runtime, guest: Guest, tmp_path: Path, part: str, content: bytes
) -> None:
    shutil.copytree(guest.model, tmp_path / "model")
    (tmp_path / "model" / part).write_bytes(content)
    done = guest.run(host, "/model", "/files/held-out.csv", model=tmp_path / "model")
    assert_refused(done, "digits", "cannot load model /model: ")


def test_an_unknown_name_is_refused(runtime: Runtime, guest: Guest) -> None:
    done = guest.run(runtime, "--name", "nobody", "/files/held-out.csv")
    assert_refused(done, "digits", "cannot load model nobody: ")


@pytest.mark.parametrize(
    "output",
    [b"", bytes(3), bytes(36), bytes(44), bytes(41)]
    + [np.full(10, score, "<f4").tobytes() for score in (np.nan, np.inf, -1, 1e30)],
)
def test_a_model_with_another_output_is_refused(guest: Guest, output: bytes) -> None:
    done = guest.run_alone(*BY_NAME, "/files/held-out.csv", host=StandIn(output=output))
    assert_refused(done, "digits", "cannot run model digits: ")


@pytest.mark.parametrize(
    "call", ["load_by_name", "init_execution_context", "set_input", "compute", "get_output"]
)
def test_an_error_of_any_call_is_one_line(guest: Guest, call: str) -> None:
    done = guest.run_alone(*BY_NAME, "/files/held-out.csv", host=StandIn(errors={call: 99}))
    assert_refused(done, "digits", " model digits: unknown error")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "MODEL_DIR and DIGITS are needed"),
        (("/model",), "MODEL_DIR and DIGITS are needed"),
        (("--name", "net"), "DIGITS is missing"),
        (("--name",), "a value is missing after --name"),
        (("/model", "a.csv", "b.csv"), "one word too many: b.csv"),
        (("--name", "net", "/model", "a.csv"), "MODEL_DIR and --name exclude each other"),
        (("--right", "/model", "a.csv"), "there is no option --right"),
        (("--\x1b[31m", "/model", "a.csv"), "there is no option --?[31m"),
    ],
)
def test_bad_usage_says_what_is_wrong(guest: Guest, words: tuple[str, ...], why: str) -> None:
    assert_refused(guest.run_alone(*words), "digits", why, "`digits --help` shows the usage", code=2)


def test_help_goes_to_stdout(guest: Guest) -> None:
    done = guest.run_alone("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: digits ")
