"""Watch the instances of a server, and replace those that die: Triton does not, and says that it is ready."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from contextlib import ExitStack, suppress
from math import inf
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from host.lanes import patience
from host.serving.server import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from host.serving.server import Server

IDLE: Final = 30.0
"""Seconds for which an instance has to do nothing to be ended, after another took its place.

Triton leaves those running for good that were beside one that died. They may be in a request, and have more
waiting.
"""

_IDLE_SHARE: Final = 0.001
"""The part of the time for which one that does nothing is on a processor at most; measured: 0.00003."""

_TIDY: Final = 10.0
"""Seconds after which the server's log is looked at again."""

_PATIENCE: Final = 60.0
"""Seconds after which an instance that dies says nothing of those before it."""

_PAUSES: Final = (1.0, 2.0, 4.0, 5.0)
"""Seconds to wait after one failure, two in a row, and so on."""


class _Look(NamedTuple):
    """What a retired instance had spent of processor time, in seconds, and when to look at it again."""

    spent: float
    until: float


def idle_seconds(timeout: float | None) -> float:
    """Return for how long one instance has to do nothing, where requests have a `timeout`.

    It may be in one for all of its time without computing, and start a fresh guest then.
    """
    return IDLE + (patience(timeout) or 0.0)


def watch(
    server: Server, instances: int, model: Path, idle: float, say: Callable[[str, str], None]
) -> NoReturn:
    """Replace instances until the server ends, which is a ServerError.

    Args:
        server: Ready to answer.
        instances: How many it should have.
        model: The file of the model in its repository: touched, it is loaded anew.
        idle: As from `idle_seconds`.
        say: Hears of what happens, (kind, text).
    """
    retired: dict[int, _Look] = {}
    deaths, last = 0, 0.0
    while True:
        _wait_for_death(server, instances, retired, idle)
        if monotonic() - last > _PATIENCE:
            deaths = 0
        last = monotonic()
        if deaths:  # it may be the model, or what it is asked, that kills them
            say("warning", f"another instance of `{server.name}` ended: waiting {_pause(deaths):g} s")
            _sleep(server, _pause(deaths))
        deaths += 1
        say("warning", f"an instance of `{server.name}` ended: loading it anew")
        before = _replace(server, model, say)
        say("note", f"`{server.name}` is whole again, after {monotonic() - last:.1f} s")
        retired |= {pid: _look(pid, idle) for pid in before}


def _wait_for_death(server: Server, instances: int, retired: dict[int, _Look], idle: float) -> None:
    """Return once there are fewer instances than there should be; ServerError when the server ends.

    Those that were retired do not count; they are ended when they are idle.
    """
    while True:
        alive = server.instances()
        _end_idle(retired, alive, idle)
        if server.process.poll() is not None:
            raise ServerError(f"Triton ended (exit code {server.process.returncode})")
        if len(set(alive) - retired.keys()) < instances:
            return
        server.trim_log()
        until = min((each.until for each in retired.values()), default=inf)
        _wait_for_end((server.process.pid, *alive), min(until, monotonic() + _TIDY))


def _end_idle(retired: dict[int, _Look], alive: Collection[int], idle: float) -> None:
    """End those that did nothing since they were looked at, when it is time; forget those that ended."""
    for pid, before in tuple(retired.items()):
        if pid not in alive:
            del retired[pid]
        elif before.until <= monotonic():
            retired[pid] = _look(pid, idle)
            if retired[pid].spent - before.spent <= _IDLE_SHARE * idle:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _look(pid: int, idle: float) -> _Look:
    try:
        numbers = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
        spent = (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime
    except OSError:  # it has ended
        spent = 0.0
    return _Look(spent, monotonic() + idle)


def _wait_for_end(pids: Iterable[int], until: float) -> None:
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
        poll.poll(max(0.0, until - monotonic()) * 1000)


def _replace(server: Server, model: Path, say: Callable[[str, str], None]) -> tuple[int, ...]:
    """Have new instances loaded, however often that takes; return those that lived before."""
    said, failures = "", 0
    while True:
        before = server.instances()
        try:
            _reload(server, model)
        except ServerError as error:
            if server.process.poll() is not None:
                raise
            if str(error) != said:
                said = str(error)
                say("warning", f"{said}; trying again until it goes")
            failures += 1
            _sleep(server, _pause(failures))
        else:
            return before


def _reload(server: Server, model: Path) -> None:
    try:
        os.utime(model)  # else nothing has changed, and nothing is loaded
    except OSError as error:
        raise ServerError(f"`{model}` cannot be touched: {error.strerror}") from error
    server.reload()


def _pause(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row."""
    return _PAUSES[min(failures, len(_PAUSES)) - 1]


def _sleep(server: Server, seconds: float) -> None:
    """Wait, but not beyond the end of the server."""
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(seconds)
