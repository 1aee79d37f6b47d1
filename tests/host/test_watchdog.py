"""The watchdog of a service, on real processes that stand for a server and its instances."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
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

    def trim_log(self) -> None:
        """Do nothing: it has none."""

    def close(self) -> None:
        """End all."""
        for each in (self.process, *self.started):
            each.kill()
            each.wait()

    def _start(self) -> None:
        self.started += [process(), process()]


def process(code: str = "input()") -> subprocess.Popen[bytes]:
    """Start something that stays."""
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)


class Watched:
    """A stand-in and the watchdog over it, in a thread."""

    def __init__(self, folder: Path, refusals: int = 0, idle: float = watchdog.IDLE) -> None:
        self.server = StandIn(refusals)
        self._idle = idle
        self.said: list[str] = []
        self.error: ServerError | None = None
        self._model = folder / "model.py"
        self._model.touch()
        self.thread = Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        server = cast("Server", self.server)

        def say(kind: str, text: str) -> None:
            self.said.append(f"{kind}: {text}")

        try:
            watchdog.watch(server, 2, self._model, self._idle, say)
        except ServerError as error:
            self.error = error

    def whole_again(self) -> int:
        """Return how often it was told that all is well."""
        return sum("whole again" in each for each in self.said)


@contextmanager
def watching(folder: Path, refusals: int = 0, idle: float = watchdog.IDLE) -> Iterator[Watched]:
    """Watch two instances."""
    made = Watched(folder, refusals, idle)
    try:
        yield made
    finally:
        made.server.close()
        made.thread.join(10)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Return two instances that are watched."""
    with watching(tmp_path) as made:
        yield made


def test_instance_that_dies_is_replaced_once(watched: Watched) -> None:
    watched.server.started[0].kill()
    until(watched.whole_again)
    assert watched.server.reloads == 1
    assert watched.said[0] == "warning: an instance of `m` ended: loading it anew"
    assert alive([watched.server.started[1].pid]), "the other one has time for its last request"


def test_instance_beside_the_dead_one_ends_when_it_is_idle(tmp_path: Path) -> None:
    """And its end is no death: nothing is loaded for it."""
    with watching(tmp_path, idle=0.3) as watched:
        dead, beside = watched.server.started
        dead.kill()
        until(watched.whole_again)
        assert alive([beside.pid])
        until(lambda: not alive([beside.pid]))
        new = watched.server.instances()
        assert len(new) == 2
        assert (watched.server.reloads, watched.whole_again()) == (1, 1)


def test_instance_beside_the_dead_one_goes_on_with_what_it_is_at(tmp_path: Path) -> None:
    """However long that takes."""
    with watching(tmp_path, idle=0.5) as watched:
        busy = process("while True: pass")
        watched.server.started.append(busy)
        for dead in watched.server.started[:2]:
            dead.kill()
        until(watched.whole_again)
        time.sleep(1.5)  # of which it is on a processor
        assert alive([busy.pid])
        os.kill(busy.pid, signal.SIGSTOP)
        until(lambda: not alive([busy.pid]))


def test_instance_has_the_time_of_a_request_to_be_idle_in() -> None:
    """One that is waited for twice its time and a second, and a fresh start."""
    assert watchdog.idle_seconds(None) == watchdog.IDLE
    assert watchdog.idle_seconds(60) == 2 * 60 + 1 + watchdog.IDLE


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


def test_load_that_fails_is_tried_again_less_and_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is the same each time is told once."""
    waited: list[float] = []
    monkeypatch.setattr(watchdog, "_sleep", lambda _, seconds: waited.append(seconds))
    with watching(tmp_path, refusals=6) as watched:
        watched.server.started[0].kill()
        until(watched.whole_again)
    assert watched.server.reloads == 7
    assert waited == [1, 2, 4, 5, 5, 5]
    assert sum("not now" in each for each in watched.said) == 1


def test_instances_of_a_load_that_failed_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would stand for one that dies later."""
    with watching(tmp_path, refusals=1) as made:
        monkeypatch.setattr(watchdog, "_sleep", lambda *_: made.server.started.append(process()))
        made.server.started[0].kill()
        until(made.whole_again)
        made.server.started[-1].kill()
        until(lambda: made.whole_again() == 2)


def test_end_of_the_server_ends_the_watch(watched: Watched) -> None:
    watched.server.process.kill()
    watched.thread.join(10)
    assert watched.error is not None
    assert "Triton ended (exit code -9)" in str(watched.error)
    assert watched.server.reloads == 0
