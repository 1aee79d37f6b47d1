"""Answer many records with several workers, each in a thread of its own, in the order of the records."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Final

from host.bulk import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from host.bulk import Worker

AHEAD: Final = 4
"""How many records a worker may be ahead of the one that is waited for: their answers are kept in memory."""

GRACE: Final = 1.0
"""Seconds beyond its time after which a record is given up together with the thread it is stuck in."""

_LOOK: Final = 0.2


@dataclass(frozen=True, slots=True)
class Record:
    """A record: what it is called, and how to get its bytes, which may raise OSError."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the record `name`: an answer, or an error and the wasi-nn calls behind it."""

    name: str
    output: bytes = b""
    error: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Task:
    record: Record
    answer: Future[Answer] = field(default_factory=Future)


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
        self._patience = None if timeout is None else 2 * timeout + GRACE
        self._timeout = timeout
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._lanes = [_Lane(worker(), self._tasks) for _ in range(jobs)]
        self.lost = 0
        """How many threads were left to themselves: with one the process cannot be taken down in order."""

    def answers(self, records: Iterable[Record], wait: Callable[[], None] = lambda: None) -> Iterator[Answer]:
        """Yield what becomes of each record, in order; `wait` is called now and then while nothing does.

        Raises BadGuestError when a worker does.
        """
        waiting: deque[_Task] = deque()
        for record in records:
            waiting.append(_Task(record))
            self._tasks.put(waiting[-1])
            if len(waiting) > AHEAD * len(self._lanes):
                yield self._answer(waiting.popleft(), wait)
        while waiting:
            yield self._answer(waiting.popleft(), wait)

    def close(self) -> None:
        """End the workers that have come to an end with their records; call it when all are answered."""
        for _ in self._lanes:
            self._tasks.put(None)
        for lane in self._lanes:
            lane.thread.join()

    def _answer(self, task: _Task, wait: Callable[[], None]) -> Answer:
        while True:
            with suppress(TimeoutError):
                return task.answer.result(_LOOK)
            wait()
            self._replace_stuck()

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
                self._lanes[number] = _Lane(self._worker(), self._tasks)
                self.lost += 1


class _Lane:
    """One worker and its thread, which does not keep the process from ending."""

    def __init__(self, worker: Worker, tasks: SimpleQueue[_Task | None]) -> None:
        self.current: tuple[_Task | None, float] = None, 0.0
        """What the thread is at, and since when."""
        self._worker = worker
        self._tasks = tasks
        self._is_left = False
        self.thread = Thread(target=self._run, name="worker", daemon=True)
        self.thread.start()

    def leave(self, task: _Task, answer: Answer) -> None:
        """Answer for the thread, which is not to take another record."""
        self._is_left = True
        _settle(task, answer)

    def _run(self) -> None:
        with self._worker as worker:
            while not self._is_left and (task := self._tasks.get()) is not None:
                self.current = task, monotonic()
                _settle(task, _answered(worker, task.record))
                self.current = None, 0.0


def _settle(task: _Task, answer: Answer | Exception) -> None:
    with suppress(InvalidStateError):  # the other side was quicker
        if isinstance(answer, Answer):
            task.answer.set_result(answer)
        else:
            task.answer.set_exception(answer)


def _answered(worker: Worker, record: Record) -> Answer | Exception:
    try:
        return Answer(record.name, worker.call(record.read()))
    except RecordError as error:
        return Answer(record.name, error=str(error), notes=error.notes)
    except OSError as error:
        return Answer(record.name, error=f"cannot be read: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - for who waits for the answer to raise
        return error
