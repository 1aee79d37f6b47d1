"""Fixtures: one OpenVINO for all tests, a fresh session and guest for each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from host.backends.openvino import OpenVino
from host.bindings import Bindings
from host.models.registry import Registry
from host.nn import Session
from host.serving.installation import UnusableTritonError
from tests.host import batches, models
from tests.host.guests import Guest
from tests.host.wasi import ROOT, clang
from tests.servers import triton

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host import abi


@pytest.fixture(scope="session")
def backend() -> Callable[[], OpenVino]:
    """Return what gives the one OpenVINO."""
    return cache(OpenVino)


@pytest.fixture
def session(backend: Callable[[], OpenVino]) -> Session:
    """Return a session without named models."""
    return Session(backend, Registry({}), lambda _: None)


@pytest.fixture
def guest(session: Session) -> Guest:
    """Return a running guest."""
    return Guest(session)


@pytest.fixture
def in_full(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the name of every function whose call is checked in full."""
    names: list[str] = []
    call = Bindings.call

    def noted(self: Bindings, function: abi.Function, *rest: Any) -> int:  # noqa: ANN401 - passed on
        names.append(function.name)
        return call(self, function, *rest)

    monkeypatch.setattr(Bindings, "call", noted)
    return names


@pytest.fixture(scope="session")
def pair() -> models.IR:
    """Return the IR of y = x + x for f32 [1, 2]."""
    return models.double([1, 2])


@pytest.fixture(scope="session")
def triton_home() -> str:
    """Return the folder of Triton; without one tests are left out, but not in CI."""
    try:
        triton.find()
    except UnusableTritonError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))
    return str(triton.BUILD)


@pytest.fixture(scope="session")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of `models.mlp`."""
    return batches.model(tmp_path_factory.mktemp("mlp"), models.mlp())


@pytest.fixture(scope="session")
def score(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command guest of score.c, with its description beside it."""
    path = tmp_path_factory.mktemp("score") / "score.wasm"
    flags = ("--target=wasm32-wasip1", "-O2", f"-I{ROOT / 'guest/c/include'}")
    subprocess.run([clang(), *flags, ROOT / "tests/host/score.c", "-o", path], check=True)
    shutil.copy(ROOT / "tests/host/score.toml", path.with_suffix(".toml"))
    return path


@pytest.fixture(scope="session")
def alone(score: Path, mlp: Path) -> np.ndarray:
    """Return what `host run` makes of `models.ROW` with `score` and `mlp`."""
    words = [sys.executable, "-m", "host", "run", "--graph", f"net={mlp}", str(score)]
    given = models.ROW.tobytes()
    done = subprocess.run(words, input=given, capture_output=True, check=True, cwd=ROOT)
    return np.frombuffer(done.stdout, np.float32)


@pytest.fixture
def traps(tmp_path: Path) -> Path:
    """Return the file of `batches.TRAPS`."""
    path = tmp_path / "guest.wasm"
    path.write_bytes(batches.TRAPS)
    return path


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Return the file of `batches.SLOW`."""
    path = tmp_path / "guest.wasm"
    path.write_bytes(batches.SLOW)
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Return a folder of ten rows in two files, the second of three row groups."""
    folder = tmp_path / "in"
    folder.mkdir()
    pq = batches.package("pyarrow.parquet")
    pq.write_table(batches.table(0, 4), folder / "a.parquet")
    pq.write_table(batches.table(4, 6), folder / "b.parquet", row_group_size=2)
    return folder
