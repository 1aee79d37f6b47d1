"""Watch the instances of a server, and replace those that die: Triton does not, and says that it is ready."""

from __future__ import annotations

import os
import select
import subprocess
from contextlib import ExitStack, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, NoReturn

from host.serving.server import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.serving.server import Server

_PATIENCE: Final = 60.0
"""Seconds after which an instance that dies says nothing of those before it."""

_PAUSE_MOST: Final = 30.0
_AGAIN: Final = 1.0


def watch(server: Server, instances: int, model: Path, say: Callable[[str, str], None]) -> NoReturn:
    """Replace instances until the server ends, which is a ServerError.

    Args:
        server: Ready to answer.
        instances: How many it should have.
        model: The file of the model in its repository: touched, it is loaded anew.
        say: Hears of what happens, (kind, text).
    """
    deaths, last = 0, 0.0
    while True:
        _wait_for_death(server, instances)
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


def _wait_for_death(server: Server, instances: int) -> None:
    """Return when fewer instances live than there should be; ServerError when the server ends.

    There may be more for a while: those of before are kept until they have answered what they were asked.
    """
    while len(alive := server.instances()) >= instances:
        poll = select.poll()
        with ExitStack() as stack:
            for pid in (server.process.pid, *alive):
                with suppress(ProcessLookupError):  # seen at the next look
                    descriptor = os.pidfd_open(pid)
                    stack.callback(os.close, descriptor)
                    poll.register(descriptor, select.POLLIN)
            poll.poll()
        _check_alive(server)
    _check_alive(server)


def _check_alive(server: Server) -> None:
    if server.process.poll() is not None:
        raise ServerError(f"Triton ended (exit code {server.process.returncode})")


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
