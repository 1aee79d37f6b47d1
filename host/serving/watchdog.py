"""Watch the instances of a server, and replace those that die: Triton does not, and says that it is ready."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from contextlib import ExitStack, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, NoReturn

from host.serving.server import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from host.serving.server import Server

GRACE: Final = 30.0
"""Seconds that an instance has for its last request after another took its place.

Triton leaves those running for good that were beside one that died.
"""

_PATIENCE: Final = 60.0
"""Seconds after which an instance that dies says nothing of those before it."""

_PAUSE_MOST: Final = 5.0
_AGAIN: Final = 1.0


def watch(server: Server, instances: int, model: Path, say: Callable[[str, str], None]) -> NoReturn:
    """Replace instances until the server ends, which is a ServerError.

    Args:
        server: Ready to answer.
        instances: How many it should have.
        model: The file of the model in its repository: touched, it is loaded anew.
        say: Hears of what happens, (kind, text).
    """
    retired: dict[int, float] = {}
    deaths, last = 0, 0.0
    while True:
        before = _wait_for_death(server, instances, retired)
        if monotonic() - last > _PATIENCE:
            deaths = 0
        last = monotonic()
        if deaths:  # it may be the model, or what it is asked, that kills them
            pause = min(_PAUSE_MOST, 2.0 ** (deaths - 1))
            say("warning", f"another instance of `{server.name}` ended: waiting {pause:g} s")
            _sleep(server, pause)
        deaths += 1
        say("warning", f"an instance of `{server.name}` ended: loading it anew")
        _replace(server, model, say)
        say("note", f"`{server.name}` is whole again, after {monotonic() - last:.1f} s")
        retired |= dict.fromkeys(before, monotonic() + GRACE)


def _wait_for_death(server: Server, instances: int, retired: dict[int, float]) -> tuple[int, ...]:
    """Return those instances that live, once they are fewer than there should be.

    Those that were retired do not count; they are ended when their time comes. ServerError when
    the server ends.
    """
    while True:
        alive = server.instances()
        current = tuple(pid for pid in alive if pid not in retired)
        for pid in [pid for pid, until in retired.items() if pid not in alive or until <= monotonic()]:
            del retired[pid]
            if pid in alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if server.process.poll() is not None:
            raise ServerError(f"Triton ended (exit code {server.process.returncode})")
        if len(current) < instances:
            return current
        _wait_for_end((server.process.pid, *alive), min(retired.values(), default=None))


def _wait_for_end(pids: Iterable[int], until: float | None) -> None:
    """Return when one of the processes has ended, or at `until` on the monotonic clock."""
    poll = select.poll()
    with ExitStack() as stack:
        for pid in pids:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                return
            stack.callback(os.close, descriptor)
            poll.register(descriptor, select.POLLIN)
        poll.poll(None if until is None else max(0.0, until - monotonic()) * 1000)


def _replace(server: Server, model: Path, say: Callable[[str, str], None]) -> None:
    while True:
        os.utime(model)  # else nothing has changed, and nothing is loaded
        try:
            return server.reload()
        except ServerError as error:
            if server.process.poll() is not None:
                raise
            say("warning", f"{error}; trying again")
            _sleep(server, _AGAIN)


def _sleep(server: Server, seconds: float) -> None:
    """Wait, but not beyond the end of the server."""
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(seconds)
