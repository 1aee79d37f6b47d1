"""What becomes of a service when a part of it is killed, with a real Triton."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tritonclient.grpc  # type: ignore[import-untyped]  # has neither stubs nor py.typed
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # as above

from tests.host import models
from tests.host.batches import alive, descendants, kill, until
from tests.host.reactors import reactor
from tests.host.served import START_SECONDS, asked, serving

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.triton


def test_instance_that_is_killed_under_load_is_back_within_seconds(
    triton_home: str,
    score: Path,
    mlp: Path,
    alone: np.ndarray,
    record_property: Callable[[str, object], None],
) -> None:
    """Some requests to it fail, none is answered wrong, and the other instance goes on."""
    counts = {"right": 0, "wrong": 0, "failed": 0}
    is_over = Event()

    def load() -> None:
        with tritonclient.grpc.InferenceServerClient(service.grpc) as client:
            given = tritonclient.grpc.InferInput("x", [64], "FP32")
            given.set_data_from_numpy(models.ROW)
            while not is_over.is_set():
                try:
                    found = client.infer("score", [given], client_timeout=20).as_numpy("y")
                except InferenceServerException:
                    counts["failed"] += 1
                else:
                    counts["right" if np.array_equal(found, alone) else "wrong"] += 1

    with serving(triton_home, score, "--graph", f"net={mlp}", "--instances=2") as service:
        before = service.instances()
        assert len(before) == 2
        clients = [Thread(target=load) for _ in range(2)]
        for each in clients:
            each.start()
        until(lambda: counts["right"] > 10)
        victim = min(before)
        kill([victim])
        began = time.monotonic()
        until(lambda: len(service.instances() - before) == 2)
        seconds = time.monotonic() - began
        done = sum(counts.values())
        until(lambda: sum(counts.values()) > done + 20)
        is_over.set()
        for each in clients:
            each.join()
        assert service.process.poll() is None
    record_property("failed", counts["failed"])
    record_property("seconds", seconds)
    assert counts["wrong"] == 0
    assert counts["failed"] <= 2 * (2 + int(seconds)), "each waits for a second at the dead instance"
    assert seconds < 30


def test_last_instance_that_is_killed_is_back_too(triton_home: str, tmp_path: Path) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=1") as service:
        kill(service.instances())
        until(lambda: asked(service, b"x") == (200, "x"))
        service.process.terminate()
        assert service.process.wait(START_SECONDS) == 0
        assert service.process.stderr is not None
        told = service.process.stderr.read()
    assert "warning: an instance of `echo` ended: loading it anew" in told
    assert "note: `echo` is whole again" in told


def test_server_that_is_killed_ends_the_command(triton_home: str, tmp_path: Path) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=1") as service:
        below = descendants(service.process.pid)
        kill(pid for pid, command in below.items() if "--model-repository" in command)
        assert service.process.wait(START_SECONDS) == 1
        assert service.process.stderr is not None
        assert "error: Triton ended" in service.process.stderr.read()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_end_of_the_command_is_that_of_the_server(
    triton_home: str, tmp_path: Path, number: int, code: int
) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=1") as service:
        below = descendants(service.process.pid)
        assert len(below) >= 2
        folders = {word for each in below.values() for word in each.split() if "wasinn-" in word}
        service.process.send_signal(number)
        assert service.process.wait(START_SECONDS) == code
        until(lambda: not alive(below))
    repository = next(word.partition("=")[2] for word in folders if word.startswith("--model-repository="))
    if number != signal.SIGKILL:
        assert not Path(repository).exists()
