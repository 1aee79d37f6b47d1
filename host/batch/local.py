"""Have shards answered by processes of this machine; one that dies costs its shard a try, and no other's.

Each worker is a pool of one process: so it is known which shard a process died of.
"""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait
from contextlib import suppress
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any, Final

from host.batch import work as unit
from host.batch.extras import needed
from host.batch.work import Outcome, Work

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from concurrent.futures import Future

    from host.batch.plan import Shard

_LOOK: Final = 0.2


def outcomes(
    work: Work, shards: Sequence[Shard], workers: int, retries: int
) -> Generator[Outcome | None, None, None]:
    """Yield what becomes of each shard, as they are done; None now and then while none is.

    A shard whose process dies is tried anew `retries` times. To close the iterator ends the processes.
    Raises MissingExtraError.
    """
    lanes = [_Lane(work) for _ in range(min(workers, len(shards)))]
    idle, todo = list(lanes), deque((shard, 0) for shard in shards)
    running: dict[Future[Outcome], tuple[_Lane, Shard, int]] = {}
    try:
        while todo or running:
            while todo and idle:
                lane, (shard, tries) = idle.pop(), todo.popleft()
                running[lane.submit(shard)] = lane, shard, tries
            done, _ = wait(running, _LOOK, FIRST_COMPLETED)
            if not done:
                yield None
            for future in done:
                lane, shard, tries = running.pop(future)
                idle.append(lane)
                outcome = lane.outcome(future)
                if outcome is None and tries < retries:
                    todo.appendleft((shard, tries + 1))
                else:
                    yield outcome or Outcome(shard.name, problem=_died(tries + 1))
    finally:
        for lane in lanes:
            lane.close()
        running.clear()
        gc.collect()  # frees what loky has named in the system: its tracker would complain at the end


class _Lane:
    """One process after another, each for as many shards as it lives."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._loky: Any = needed("loky")
        self._pool: Any = None

    def submit(self, shard: Shard) -> Future[Outcome]:
        if self._pool is not None:
            with suppress(BrokenExecutor):  # it died while it had nothing to do
                return self._given(shard)
            self.close()
        self._pool = self._loky.ProcessPoolExecutor(1, initializer=_begin, initargs=(os.getpid(),))
        return self._given(shard)

    def outcome(self, future: Future[Outcome]) -> Outcome | None:
        """Return what became of the shard, or None when the process died of it."""
        try:
            outcome = future.result()
        except BrokenExecutor:
            self.close()
            return None
        if outcome.is_spoilt:
            self.close()
        return outcome

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)
            self._pool = None

    def _given(self, shard: Shard) -> Future[Outcome]:
        future: Future[Outcome] = self._pool.submit(unit.run, self._work, shard)
        return future


def _begin(parent: int) -> None:
    """Let the terminal's Ctrl-C to the process that started this one, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_follow, args=(parent,), name="parent", daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        sleep(_LOOK)
    os._exit(1)


def _died(times: int) -> str:
    return f"the process that answered it died, {times} time{'s' if times > 1 else ''}"
