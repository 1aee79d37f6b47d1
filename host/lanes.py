"""Answer many records with several workers, each in a thread of its own, in the order of the records."""

from __future__ import annotations

import errno
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from host.bulk import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from host.bulk import Worker

AHEAD: Final = 8
"""How many records a worker may be ahead of the one that is waited for: their answers are kept in memory."""

GRACE: Final = 1.0
"""Seconds beyond its time after which a record is given up together with the thread it is stuck in."""

LOST_MOST: Final = 8
"""How many threads may be left to themselves, or as many as there are workers where these are more."""

_LOOK: Final = 0.2
"""Seconds after which whoever waits looks for what it has not been told."""

_TOLD: Final = 0.001
"""Seconds within which a worker with more to do tells only once: to wake who waits takes as long as a quick
record."""

_SHORT_OF: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What a file is not to blame for that cannot be read."""


class StuckError(Exception):
    """Too many threads are in something that does not end; the message is one line."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record: what it is called, and how to get its bytes, which may raise OSError."""

    name: str
    read: Callable[[], bytes]


class Answer(NamedTuple):
    """What became of the record `name`: an answer, or an error and the wasi-nn calls behind it.

    `is_refused` is that of the RecordError. There is one for each record: a data class that is frozen takes
    five times as long to make.
    """

    name: str
    output: bytes = b""
    error: str | None = None
    notes: tuple[str, ...] = ()
    is_refused: bool = False


@dataclass(slots=True)
class _Task:
    """A record and, once that is there, what became of it."""

    record: Record
    answer: Answer | Exception | None = None

    def settle(self, answer: Answer | Exception) -> None:
        """Set the answer, unless the other side was quicker."""
        self.answer = self.answer or answer


def patience(timeout: float | None) -> float | None:
    """Return the seconds after which a record is given up with the thread it is stuck in; None: never."""
    return None if timeout is None else 2 * timeout + GRACE


class Lanes:
    """A number of workers in threads; for one thread to feed."""

    def __init__(self, worker: Callable[[], Worker], jobs: int, timeout: float | None = None) -> None:
        """Start the threads.

        Args:
            worker: Makes a worker; BadGuestError of it goes through.
            jobs: How many workers.
            timeout: The seconds that a worker gives a record, and the start of a guest, if it does. A thread
                that stays in an inference or a call of WASI beyond both is left to itself and replaced.
        """
        self._worker = worker
        self._patience = patience(timeout)
        self._timeout = timeout
        self._lost_most = max(jobs, LOST_MOST)
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._told: SimpleQueue[None] = SimpleQueue()
        self._lanes = [self._lane() for _ in range(jobs)]
        self.lost = 0
        """How many threads were left to themselves: with one the process cannot be taken down in order."""

    def answers(self, records: Iterable[Record], wait: Callable[[], None] = lambda: None) -> Iterator[Answer]:
        """Yield what becomes of each record, in order; `wait` is called now and then while nothing does.

        Another thread takes the records, so that one which is long in coming holds no answer back.

        Raises:
            BadGuestError: From a worker; and so does OSError, when the process is short of something.
            StuckError: More threads are lost than there may be.
            Exception: Whatever the iterator `records` raises, after the answers to those before.
        """
        waiting: SimpleQueue[_Task | Exception | None] = SimpleQueue()
        most = AHEAD * len(self._lanes)
        room, is_over = Semaphore(most), Event()
        feed = partial(self._feed, records, waiting, room, is_over)
        Thread(target=feed, name="records", daemon=True).start()
        answered = 0
        try:
            while (task := _next(waiting, wait)) is not None:
                if isinstance(task, Exception):
                    raise task
                yield self._answer(task, wait)
                answered += 1
                if answered == most // 2:  # many at once: the other thread is woken as seldom
                    room.release(answered)
                    answered = 0
        finally:
            is_over.set()
            room.release(most)

    def answer(self, record: Record) -> Answer:
        """Return what becomes of one record; raises as `answers`."""
        task = _Task(record)
        self._tasks.put(task)
        return self._answer(task, lambda: None)

    def close(self) -> None:
        """End the workers that have come to an end with their records; call it when all are answered."""
        for _ in self._lanes:
            self._tasks.put(None)
        for lane in self._lanes:
            lane.thread.join()

    def _feed(
        self,
        records: Iterable[Record],
        waiting: SimpleQueue[_Task | Exception | None],
        room: Semaphore,
        is_over: Event,
    ) -> None:
        end: Exception | None = None
        try:
            for record in records:
                room.acquire()
                if is_over.is_set():
                    return
                task = _Task(record)
                waiting.put(task)
                self._tasks.put(task)
        except Exception as error:  # noqa: BLE001 - for who waits for the answers to raise
            end = error
        waiting.put(end)

    def _answer(self, task: _Task, wait: Callable[[], None]) -> Answer:
        while task.answer is None:
            try:
                self._told.get(timeout=_LOOK)
            except Empty:
                wait()
                self._replace_stuck()
        if isinstance(task.answer, Exception):
            raise task.answer
        return task.answer

    def _lane(self) -> _Lane:
        return _Lane(self._worker(), self._tasks, self._told)

    def _replace_stuck(self) -> None:
        if self._patience is None:
            return
        for number, lane in enumerate(self._lanes):
            task, since = lane.current
            if task is not None and monotonic() - since > self._patience:
                reason = (
                    f"stuck for more than the {self._timeout:g} s it has, in an inference or a call of WASI"
                )
                lane.leave(task, Answer(task.record.name, error=reason))
                self.lost += 1
                if self.lost > self._lost_most:
                    raise StuckError(f"{self.lost} threads are {reason}")
                self._lanes[number] = self._lane()


class _Lane:
    """One worker and its thread, which does not keep the process from ending."""

    def __init__(self, worker: Worker, tasks: SimpleQueue[_Task | None], told: SimpleQueue[None]) -> None:
        self.current: tuple[_Task | None, float] = None, 0.0
        """What the thread is at, and since when."""
        self._worker = worker
        self._tasks = tasks
        self._told = told
        self._is_left = False
        self.thread = Thread(target=self._run, name="worker", daemon=True)
        self.thread.start()

    def leave(self, task: _Task, answer: Answer) -> None:
        """Answer for the thread, which is not to take another record."""
        self._is_left = True
        task.settle(answer)

    def _run(self) -> None:
        last = 0.0
        with self._worker as worker:
            while not self._is_left and (task := self._tasks.get()) is not None:
                self.current = task, monotonic()
                task.settle(_answered(worker, task.record))
                self.current = None, 0.0
                now = monotonic()
                if now - last > _TOLD or self._tasks.empty():
                    self._told.put(None)
                    last = now


def failed(name: str, error: RecordError) -> Answer:
    """Return what became of the record `name`, for which a worker raised `error`."""
    return Answer(name, error=str(error), notes=error.notes, is_refused=error.is_refused)


def _next(
    waiting: SimpleQueue[_Task | Exception | None], wait: Callable[[], None]
) -> _Task | Exception | None:
    while True:
        with suppress(Empty):
            return waiting.get(timeout=_LOOK)
        wait()


def _read(record: Record) -> bytes | Answer:
    try:
        return record.read()
    except OSError as error:
        if error.errno in _SHORT_OF:
            raise
        return Answer(record.name, error=f"cannot be read: {error.strerror or error}")


def _answered(worker: Worker, record: Record) -> Answer | Exception:
    try:
        data = _read(record)
        return data if isinstance(data, Answer) else Answer(record.name, worker.call(data))
    except RecordError as error:
        return failed(record.name, error)
    except Exception as error:  # noqa: BLE001 - for who waits for the answer to raise
        return error
