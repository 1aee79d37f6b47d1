"""The watchdog of a service, on real processes that stand for a server and its instances."""

from __future__ import annotations

import subprocess
import sys
from threading import Thread
from typing import TYPE_CHECKING, cast

import pytest

from host.serving import watchdog
from host.serving.server import Server, ServerError
from tests.host.batches import alive, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class StandIn:
    """Has what the watchdog asks of a server; what it loads are more processes, beside those there are."""

    name = "m"

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.process = process()
        self.started: list[subprocess.Popen[bytes]] = []
        self.reloads = 0
        self._start()

    def instances(self) -> tuple[int, ...]:
        """Return those that live."""
        return tuple(alive(each.pid for each in self.started))

    def reload(self) -> None:
        """Start two more, or refuse."""
        self.reloads += 1
        if self.refusals:
            self.refusals -= 1
            raise ServerError("not now")
        self._start()

    def close(self) -> None:
        """End all."""
        for each in (self.process, *self.started):
            each.kill()
            each.wait()

    def _start(self) -> None:
        self.started += [process(), process()]


def process() -> subprocess.Popen[bytes]:
    """Start something that stays."""
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


class Watched:
    """A stand-in and the watchdog over it, in a thread."""

    def __init__(self, folder: Path, refusals: int = 0) -> None:
        self.server = StandIn(refusals)
        self.said: list[str] = []
        self.error: ServerError | None = None
        self._model = folder / "model.py"
        self._model.touch()
        self.thread = Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        server = cast("Server", self.server)
        try:
            watchdog.watch(server, 2, self._model, lambda kind, text: self.said.append(f"{kind}: {text}"))
        except ServerError as error:
            self.error = error

    def whole_again(self) -> int:
        """Return how often it was told that all is well."""
        return sum("whole again" in each for each in self.said)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Return two instances that are watched."""
    made = Watched(tmp_path)
    yield made
    made.server.close()
    made.thread.join(10)


def test_instance_that_dies_is_replaced_once(watched: Watched) -> None:
    watched.server.started[0].kill()
    until(watched.whole_again)
    assert watched.server.reloads == 1
    assert watched.said[0] == "warning: an instance of `m` ended: loading it anew"
    assert alive([watched.server.started[1].pid]), "the other one has time for its last request"


def test_instance_beside_the_dead_one_ends_when_its_time_is_up(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its end is no death: nothing is loaded for it."""
    monkeypatch.setattr(watchdog, "GRACE", 0.3)
    dead, beside = watched.server.started
    dead.kill()
    until(lambda: not alive([beside.pid]))
    assert len(watched.server.instances()) == 2
    assert (watched.server.reloads, watched.whole_again()) == (1, 1)


def test_retired_instance_that_ends_by_itself_is_no_death(watched: Watched) -> None:
    dead, beside = watched.server.started
    dead.kill()
    until(watched.whole_again)
    beside.kill()
    beside.wait()
    watched.server.started[2].kill()  # this one is, and is seen although a retired one ended before it
    until(lambda: watched.whole_again() == 2)
    assert watched.server.reloads == 2
    assert "waiting 1 s" in "".join(watched.said), "the second so soon is not loaded at once"


def test_load_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_AGAIN", 0.05)
    made = Watched(tmp_path, refusals=2)
    try:
        made.server.started[0].kill()
        until(made.whole_again)
        assert made.server.reloads == 3
        assert made.said.count("warning: not now; trying again") == 2
    finally:
        made.server.close()
        made.thread.join(10)


def test_end_of_the_server_ends_the_watch(watched: Watched) -> None:
    watched.server.process.kill()
    watched.thread.join(10)
    assert watched.error is not None
    assert "Triton ended (exit code -9)" in str(watched.error)
    assert watched.server.reloads == 0
