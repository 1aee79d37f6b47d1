"""Compile guests, each once, on an engine that has what their bounds need; runs none of them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from threading import Event, Lock, RLock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Final

from host import cache, guests
from host.wasmtime_c import WasmtimeError, build
from host.wasmtime_objects import Engine, Module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from host.cache import Cache
    from host.job import Bounds

GUESTS_KEPT: Final = 64
"""How many compiled guests are kept for the next run; beyond it the oldest goes."""

TICK: Final = 0.01
"""Seconds between the moments at which a guest may be found to be out of time."""


class Clock:
    """Makes time pass in an engine, in a thread that lives as long as any run needs it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = (
            RLock()
        )  # a run that nobody holds may be collected, and end, wherever memory is asked for
        self._users = 0
        self._stop = Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let ticks come for as long as the block lasts."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._stop = Event()
                Thread(target=self._tick, args=(self._stop,), name="guest clock", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._stop.set()

    def _tick(self, stop: Event) -> None:
        started, ticks = monotonic(), 0
        while not stop.wait(TICK):
            due = int((monotonic() - started) / TICK)  # a wait may take longer than asked: catch up
            for _ in range(due - ticks):
                self._engine.increment_epoch()
            ticks = due


def ticks(seconds: float) -> int:
    """Return after how many ticks from now at least `seconds` have passed, whenever the last tick was."""
    return ceil(seconds / TICK) + 1


@dataclass(frozen=True, slots=True)
class Workshop:
    """One engine, and its clock if it measures time."""

    engine: Engine
    clock: Clock | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A guest ready to run on its engine."""

    module: Module
    workshop: Workshop


class Engines:
    """The engines of a process and the guests compiled on them; for any number of threads at once."""

    def __init__(self, kept: Cache | None = None) -> None:
        """Compile what is not among what was `kept`, and keep it there."""
        self.has_cache = kept is not None
        """Whether what is compiled is kept for other processes."""
        self._kept = kept
        self._lock = Lock()
        self._workshops: dict[tuple[bool, bool], Workshop] = {}
        self._guests: dict[tuple[bytes, bool, bool], Compiled] = {}

    def compiled(self, path: Path, code: bytes, bounds: Bounds) -> Compiled:
        """Return the guest whose WebAssembly is `code`, compiled when it is not known yet.

        Args:
            path: What the guest is called in messages.
            code: The bytes of the module.
            bounds: What to compile in: counting fuel and looking at the clock make a guest slower.

        Raises:
            BadGuestError: It is no module, or not one that can be started.
        """
        is_timed, is_fueled = bounds.timeout is not None, bounds.fuel is not None
        key = sha256(code).digest(), is_timed, is_fueled
        with self._lock:  # held while compiling, which uses all processors as it is
            found = self._guests.get(key)
            if found is None:
                workshop = self._workshop(is_timed=is_timed, is_fueled=is_fueled)
                module = self._module(path, code, workshop.engine, key)
                guests.check_start(path, module)
                found = Compiled(module, workshop)
                if len(self._guests) >= GUESTS_KEPT:
                    del self._guests[next(iter(self._guests))]
                self._guests[key] = found
        return found

    def _module(self, path: Path, code: bytes, engine: Engine, key: tuple[bytes, bool, bool]) -> Module:
        if self._kept is None:
            return guests.compiled(path, code, engine)
        sha, is_timed, is_fueled = key
        entry = cache.key("guest", build(), sha, f"{is_timed=} {is_fueled=}")
        found = self._kept.get(entry)
        if found is not None:
            try:
                return Module.deserialize(engine, found)
            except WasmtimeError:  # of another build, though its version is the same
                self._kept.drop(entry)
        module = guests.compiled(path, code, engine)
        self._kept.put(entry, lambda file: file.write_bytes(module.serialize()))
        return module

    def _workshop(self, *, is_timed: bool, is_fueled: bool) -> Workshop:
        key = is_timed, is_fueled
        if key not in self._workshops:
            engine = Engine(is_timed=is_timed, is_fueled=is_fueled)
            clock = Clock(engine) if is_timed else None
            self._workshops[key] = Workshop(engine, clock)
        return self._workshops[key]
