"""A guest that answers records: started once, called for each; knows neither files nor threads.

docs/map.md has the exports it needs. All that comes from it is checked: a range that leaves its memory, or an
exit, ends it like a trap.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final, NoReturn

from host import guests, runner
from host.host_functions import MEMORY
from host.job import GuestTrapError
from host.memory import U32, U32_MASK, OutsideMemoryError
from host.quantities import shown_size
from host.wasmtime_c import Trap, WasmtimeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from host.backends import Backend
    from host.engines import Compiled
    from host.job import Job, Listener
    from host.memory import GuestMemory
    from host.wasmtime_objects import Instance

MESSAGE_BYTES: Final = 4096
"""How much of a message is read."""

_RESULT_SIZE: Final = 3 * U32.size
"""Of what the guest answers with: a code, and the address and length of the bytes."""


class RefusedError(Exception):
    """A record got no answer, and the guest can go on with the next; the message is one line.

    `is_by_guest` says that the guest answered with a code of its own, and nothing failed.
    """

    def __init__(self, message: str, *, is_by_guest: bool = False) -> None:
        super().__init__(message)
        self.is_by_guest = is_by_guest


class Reactor:
    """One started guest, for one thread at a time. After a RunError there is nothing left but to close it."""

    def __init__(self, job: Job, guest: Compiled, backend: Callable[[], Backend], listener: Listener) -> None:
        """Start the guest; the bounds of `job` hold for that, and anew for each record.

        Raises as `runner.run` does.
        """
        self._job = job
        self._clock = guest.workshop.clock
        self._instance: Instance | None = None
        self._buffer = 0
        self._room = -1
        with ExitStack() as stack:
            if self._clock:
                stack.enter_context(self._clock.running())
            self._ready = stack.enter_context(runner.linked(job, guest, backend, listener))
            store = self._ready.store
            with self._bounded():
                self._instance = instance = self._ready.prepared.instantiate(store)
                start = instance.function(guests.REACTOR_START)
                if start is not None:
                    start()
            alloc, map_ = instance.function(guests.ALLOC, 1), instance.function(guests.MAP, 2)
            memory = instance.memory(MEMORY)
            assert alloc and map_ and memory  # noqa: S101, PT018 - `guests.is_reactor` has seen to these
            self._alloc: Callable[..., int] = alloc
            self._map: Callable[..., int] = map_
            self._memory: Callable[[], GuestMemory] = memory
            self._stack = stack.pop_all()

    def call(self, record: bytes, most: int) -> bytes:
        """Return the answer to one record.

        Raises:
            RefusedError: The guest has no answer, no room for the record, or more than `most` bytes.
            GuestTrapError: It trapped, exited, or gave an address outside of its memory.
            LimitError: One of the bounds ended it.
        """
        try:
            with self._bounded():
                self._put(record)
                at = self._map(self._buffer, len(record))
            memory = self._memory()
            words = U32.iter_unpack(memory.read(at, _RESULT_SIZE, "result"))
            code, ptr, size = (word for (word,) in words)
            answer = memory.view(ptr, size, "answer")
        except OutsideMemoryError as error:
            raise GuestTrapError(f"the guest gave an address that is not its own: {error}") from error
        if code:
            message = bytes(answer[:MESSAGE_BYTES]).decode(errors="replace").strip()
            raise RefusedError(f"{message or 'the guest gave no reason'} (code {code})", is_by_guest=True)
        if size > most:
            raise RefusedError(f"the answer has {size} bytes; {shown_size(most)} is the most")
        return bytes(answer)

    def close(self) -> None:
        """End the guest; its memory, files, graphs and contexts go with it."""
        self._alloc = self._map = self._memory = _closed  # they would reach into what is freed
        self._stack.close()

    def _put(self, record: bytes) -> None:
        """Copy the record into the guest's buffer, a new one when the last was too small."""
        if len(record) > U32_MASK:
            raise RefusedError(f"a record of {len(record)} bytes is more than a guest's memory")
        if len(record) > self._room:
            self._room = -1
            self._buffer = self._alloc(len(record))
            if not self._buffer:
                raise RefusedError(f"the guest has no memory for a record of {len(record)} bytes")
            self._room = len(record)
        self._memory().write(self._buffer, record, "buffer")

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """Have the bounds hold in the block, and raise what it comes to when the guest does not return."""
        with runner.bounded(self._ready.store, self._clock, self._job.bounds, monotonic()):
            try:
                yield
            except (Trap, WasmtimeError) as problem:
                match runner.failure(problem, self._ready, self._job, self._instance):
                    case runner.ExitError(code=code):
                        raise GuestTrapError(f"the guest exited with {code}") from problem
                    case error:
                        raise error from problem


def _closed(*_: object) -> NoReturn:
    raise ValueError("the guest was ended")
