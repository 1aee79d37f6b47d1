"""A backend, and the only model that a guest is given, made by a thread while the guest itself is got ready.

Decides nothing and tells nothing: what fails here is tried again, and told, when the guest asks for it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from host.errors import NnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends import Backend
    from host.cache import Cache
    from host.models.registry import Registry


class Early:
    """A thread's work, begun when this is made."""

    def __init__(self, registry: Registry, kept: Cache | None, notice: Callable[[str], None]) -> None:
        """Begin with a backend that has `kept`, and go on to the model of `registry` if it has only one.

        Models on a server are let be: nobody is asked before the guest does.
        """
        self._registry = registry
        self._is_local = any(isinstance(model.path, Path) for model in registry.models.values())
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
        if not self._is_local:
            return
        with suppress(Exception):  # raised in `backend`, to who needs it
            self._backend = self._new()
            self._loading.start()

    def _load(self) -> None:
        if len(self._registry.models) == 1:
            with suppress(NnError):  # the registry tries again for a guest
                self._registry.graph(next(iter(self._registry.models)), self.backend, self._notice)
