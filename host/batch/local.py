"""Have shards answered by processes of this machine; one that dies costs its shard a try, and no other's.

Each has a pipe of its own, so it is known which shard it died of. They are forks of one clean process, which
imports for all of them.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import TYPE_CHECKING, Final

from host.batch import plan
from host.batch import work as unit
from host.batch.work import Outcome, Work

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from host.batch.plan import Shard

_LOOK: Final = 0.2
_IMPORTED: Final = ("host.api", "host.batch.work", "host.backends.openvino")
"""What each process would import by itself, which takes longer than many a shard; of Parquet one more."""


def outcomes(
    work: Work, shards: Sequence[Shard], workers: int, retries: int
) -> Generator[Outcome | None, None, None]:
    """Yield what becomes of each shard, as they are done; None now and then while none is.

    A shard whose process dies is tried anew `retries` times. To close the iterator ends the processes.
    """
    lanes = [_Lane(work) for _ in range(min(workers, len(shards)))]
    idle, todo = list(lanes), deque((shard, 0) for shard in shards)
    running: dict[Connection, tuple[_Lane, Shard, int]] = {}
    try:
        while todo or running:
            while todo and idle:
                lane, (shard, tries) = idle.pop(), todo.popleft()
                running[lane.give(shard)] = lane, shard, tries
            done = [running.pop(pipe) for pipe in wait(running, _LOOK)]  # type: ignore[call-overload]  # what it was given
            if not done:
                yield None
            for lane, shard, tries in done:
                idle.append(lane)
                outcome = lane.outcome()
                if outcome is None and tries < retries:
                    todo.appendleft((shard, tries + 1))
                else:
                    yield outcome or Outcome(shard.name, problem=_died(tries + 1))
    finally:
        for lane in lanes:
            lane.close()


class _Lane:
    """One process after another, each for as many shards as it lives."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._running: tuple[BaseProcess, Connection] | None = None

    def give(self, shard: Shard) -> Connection:
        """Begin with a shard; return what can be read when `outcome` is there."""
        if self._running is not None:
            try:
                self._running[1].send(shard)
            except OSError:  # it died while it had nothing to do
                self.close()
            else:
                return self._running[1]
        _, pipe = self._running = _started(self._work, shard)
        return pipe

    def outcome(self) -> Outcome | None:
        """Return what became of the shard, or None when the process died of it."""
        assert self._running is not None  # noqa: S101 - `give` was called
        try:
            outcome: Outcome = self._running[1].recv()
        except (EOFError, OSError):
            self.close()
            return None
        if outcome.is_spoilt:
            self.close()
        return outcome

    def close(self) -> None:
        """End the process, whatever it is at."""
        if self._running is not None:
            process, pipe = self._running
            self._running = None
            process.kill()
            process.join()
            process.close()
            pipe.close()


def _started(work: Work, shard: Shard) -> tuple[BaseProcess, Connection]:
    context = get_context("forkserver")
    more = ("pyarrow.parquet",) if work.format == plan.PARQUET else ()
    context.set_forkserver_preload([*_IMPORTED, *more])
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work, shard), daemon=True)
    process.start()
    theirs.close()  # else its end would not be told
    return process, ours


def _serve(pipe: Connection, work: Work, shard: Shard) -> None:
    """Answer the shard, and then those that come, until the driver ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the driver
    Thread(target=_follow, name="parent", daemon=True).start()
    with suppress(EOFError, OSError):  # the driver has ended
        while True:
            pipe.send(unit.run(work, shard))
            shard = pipe.recv()


def _follow() -> None:
    parent = parent_process()
    assert parent is not None  # noqa: S101 - this runs in a child
    parent.join()
    os._exit(1)


def _died(times: int) -> str:
    return f"the process that answered it died, {times} time{'s' if times > 1 else ''}"
