"""The models an operator lets guests load by name: found at the start, compiled once, when asked for.

A guest's name is only ever looked up here; it is never taken for a path. What the operator writes to register
models is read by `host.models.graphs`, their files by `host.models.files`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Final
from weakref import ref

from host.backends.remote_address import Remote
from host.errors import Condition, NnError
from host.models import files
from host.models.options import DEFAULT, ModelOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from host.backends import Backend, Graph

CONFIGURATIONS: Final = 8
"""How many graphs the guests of a process may have at a time of one named model, besides the usual one."""

_OF_OPTIONS: Final = frozenset(
    {
        Condition.DEVICE_NOT_AVAILABLE,
        Condition.PRECISION_NOT_AVAILABLE,
        Condition.LAYOUT_DOES_NOT_FIT,
    }
)


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model file at an absolute path, or a model on a server, and how to run it.

    `fixed` has the options, by the names of their fields, that the operator gave for this model: a guest that
    configures it cannot have them otherwise. `sha256`, when not None, is what the model has to have: in hex,
    of the file, followed by those of its weights.
    """

    path: Path | Remote
    options: ModelOptions = DEFAULT
    fixed: frozenset[str] = frozenset()
    sha256: str | None = None


@dataclass(slots=True)
class _Slot:
    """Where one graph gets compiled, once: who comes meanwhile waits at the lock."""

    lock: Lock = field(default_factory=Lock)
    graph: Graph | None = None

    def give_up(self) -> bool:
        """Let go of a graph that nobody else has; return whether it is gone."""
        if self.graph is None:
            return False
        other = ref(self.graph)
        self.graph = None
        self.graph = other()
        return self.graph is None


@dataclass(slots=True)
class Registry:
    """Named models and the graphs compiled from them so far; for all guests and threads of a process."""

    models: Mapping[str, NamedModel]
    _slots: dict[tuple[str, ModelOptions], _Slot] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    """Held to look at `_slots` and what is in them, never while something compiles."""

    def graph(
        self,
        name: str,
        backend: Callable[[], Backend],
        notice: Callable[[str], None],
        configure: Callable[[NamedModel], ModelOptions] | None = None,
    ) -> Graph:
        """Return the graph called `name`, compiled at the first call; a call that fails is no first one.

        `notice` hears of a compilation before it starts, and then how long it took. `configure` gives the
        options a guest wants the model with, in place of the operator's; for each of a few such options the
        model is compiled once more.

        Raises NnError: UNKNOWN_NAME; OUT_OF_CONFIGURATIONS; with the model's path and the backend's reason
        NAMED_MODEL_FAILED, or, for options that cannot be had, NAMED_MODEL_OPTIONS when they are the
        operator's and the backend's own condition when they are the guest's.
        """
        model = self.models.get(name)
        if model is None:
            known = ", ".join(f"`{known}`" for known in sorted(self.models)) or "none"
            raise NnError(Condition.UNKNOWN_NAME, f"no model is registered as `{name}` (registered: {known})")
        options = configure(model) if configure else model.options
        key = name, options
        while True:
            slot = self._slot(key, model.options)
            with slot.lock:
                with self._lock:
                    graph, is_in_place = slot.graph, self._slots.get(key) is slot
                if graph is None and is_in_place:  # else it was given up while this waited
                    try:
                        slot.graph = graph = _compile(name, model, options, backend, notice)
                    finally:
                        if graph is None:
                            self._forget(key)
            if graph is not None:
                return graph

    def _slot(self, key: tuple[str, ModelOptions], own: ModelOptions) -> _Slot:
        """Return the slot of a graph, new or not; NnError when guests have too many others of the model.

        The oldest that no guest has any more makes room for a new one.
        """
        with self._lock:
            if key not in self._slots:
                name, options = key
                others = [known for known in self._slots if known[0] == name and known[1] != own]
                if options != own and len(others) >= CONFIGURATIONS:
                    spare = next((known for known in others if self._slots[known].give_up()), None)
                    if spare is None:
                        reason = f"guests have `{name}` with {len(others)} configurations, which is the most"
                        raise NnError(Condition.OUT_OF_CONFIGURATIONS, reason)
                    del self._slots[spare]
                self._slots[key] = _Slot()
            return self._slots[key]

    def _forget(self, key: tuple[str, ModelOptions]) -> None:
        """Give up the slot in which nothing compiled."""
        with self._lock:
            del self._slots[key]


def _load(model: NamedModel, options: ModelOptions, backend: Callable[[], Backend]) -> Graph:
    if isinstance(model.path, Remote):
        from host.backends.remote import connect  # noqa: PLC0415 - only for who has such a model

        return connect(model.path)
    return files.load(model.path, model.sha256, options, backend)


def _compile(
    name: str,
    model: NamedModel,
    options: ModelOptions,
    backend: Callable[[], Backend],
    notice: Callable[[str], None],
) -> Graph:
    on = "" if isinstance(model.path, Remote) else f" for {options.device}"
    notice(f"loading `{name}` from {model.path}{on}")
    before = perf_counter()
    try:
        graph = _load(model, options, backend)
    except NnError as error:
        condition = Condition.NAMED_MODEL_FAILED
        if error.condition in _OF_OPTIONS:
            condition = error.condition if options != model.options else Condition.NAMED_MODEL_OPTIONS
        reason = f"model `{name}` ({model.path}) does not load: {error.reason}"
        raise NnError(condition, reason) from error
    notice(f"loaded `{name}` in {perf_counter() - before:.3f} s, {graph.remark}")
    return graph
