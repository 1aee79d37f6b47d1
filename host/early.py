"""A backend, and the only model that a guest is given, made by a thread while the guest itself is got ready.

Decides nothing and tells nothing: what fails here is tried again, and told, when the guest asks for it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

from host import abi
from host.errors import NnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends import Backend
    from host.cache import Cache
    from host.models.registry import Registry


_MARKS: Final = tuple(module.encode() for module in {epoch.module for epoch in abi.EPOCHS.values()})


def is_wanted(registry: Registry, guest: Path) -> bool:
    """Return whether a guest is likely to need a backend of this machine's.

    It is if one of its models is here, or it has none by name and its file has that of a module of wasi-nn in
    it. Models on a server are let be: nobody is asked before the guest does.
    """
    if registry.models:
        return any(isinstance(model.path, Path) for model in registry.models.values())
    with suppress(OSError, ValueError):
        if guest.is_file():  # what a pipe gives can be read only once
            code = guest.read_bytes()
            return any(mark in code for mark in _MARKS)
    return False


class Early:
    """A thread's work, begun when this is made."""

    def __init__(self, registry: Registry, kept: Cache | None, notice: Callable[[str], None]) -> None:
        """Begin with a backend that has `kept`, and go on to the model of `registry` if it has only one."""
        self._registry = registry
        self._kept = kept
        self._notice = notice
        self._backend: Backend | None = None
        self._loading = Thread(target=self._load, name="early load")
        self._starting = Thread(target=self._start, name="early start")
        self._starting.start()

    def backend(self) -> Backend:
        """Return the backend, and wait for it if need be; raises what there was to raise."""
        self._starting.join()
        return self._backend or self._new()

    def join(self) -> None:
        """Wait for all of the work."""
        self._starting.join()
        if self._loading.ident is not None:
            self._loading.join()

    def _new(self) -> Backend:
        from host.backends.openvino import OpenVino  # noqa: PLC0415 - the work of the thread

        return OpenVino(self._kept)

    def _start(self) -> None:
        with suppress(Exception):  # raised in `backend`, to who needs it
            self._backend = self._new()
            self._loading.start()

    def _load(self) -> None:
        if len(self._registry.models) == 1:
            with suppress(NnError):  # the registry tries again for a guest
                self._registry.graph(next(iter(self._registry.models)), self.backend, self._notice)
