"""The models an operator lets guests load by name: found at the start, compiled once, when first asked for.

A guest's name is only ever looked up here; it is never taken for a path. What the operator writes to register
models is read by `host.models.graphs`, their files by `host.models.files`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Final

from host.errors import Condition, NnError
from host.models import files
from host.models.options import DEFAULT, ModelOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from host.backends import Backend, Graph

CONFIGURATIONS: Final = 8
"""How many graphs the guests of a process may have of one named model, besides the operator's own."""

_OF_OPTIONS: Final = frozenset(
    {
        Condition.DEVICE_NOT_AVAILABLE,
        Condition.PRECISION_NOT_AVAILABLE,
        Condition.LAYOUT_DOES_NOT_FIT,
    }
)


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model file at an absolute path, and how to run it.

    `fixed` has the options, by the names of their fields, that the operator gave for this model: a guest that
    configures it cannot have them otherwise. `sha256`, when not None, is what the model has to have: in hex,
    of the file, followed by those of its weights.
    """

    path: Path
    options: ModelOptions = DEFAULT
    fixed: frozenset[str] = frozenset()
    sha256: str | None = None


@dataclass(slots=True)
class _Slot:
    """Where one graph gets compiled, once: who comes meanwhile waits at the lock."""

    lock: Lock = field(default_factory=Lock)
    graph: Graph | None = None


@dataclass(slots=True)
class Registry:
    """Named models and the graphs compiled from them so far; for all guests and threads of a process."""

    models: Mapping[str, NamedModel]
    _slots: dict[tuple[str, ModelOptions], _Slot] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    """Held to look at `_slots`, never while something compiles."""

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
        with self._lock:
            slot = self._slot(name, options, model.options)
        with slot.lock:
            if slot.graph is None:
                try:
                    slot.graph = _compile(name, model, options, backend, notice)
                finally:
                    if slot.graph is None:
                        self._forget(name, options, slot)
            return slot.graph

    def _slot(self, name: str, options: ModelOptions, own: ModelOptions) -> _Slot:
        """Return the slot of a graph, new or not; NnError when guests have had `name` compiled often enough.

        None is ever given up for another: else a guest could keep the host compiling with options that take
        turns.
        """
        if (name, options) not in self._slots:
            compiled = sum(known == name and asked != own for known, asked in self._slots)
            if options != own and compiled >= CONFIGURATIONS:
                reason = f"guests have `{name}` compiled with {compiled} configurations, which is the most"
                raise NnError(Condition.OUT_OF_CONFIGURATIONS, reason)
            self._slots[name, options] = _Slot()
        return self._slots[name, options]

    def _forget(self, name: str, options: ModelOptions, slot: _Slot) -> None:
        """Give up a slot in which nothing compiled, unless another has taken its place."""
        with self._lock:
            if self._slots.get((name, options)) is slot:
                del self._slots[name, options]


def _compile(
    name: str,
    model: NamedModel,
    options: ModelOptions,
    backend: Callable[[], Backend],
    notice: Callable[[str], None],
) -> Graph:
    notice(f"compiling `{name}` from {model.path} for {options.device}")
    before = perf_counter()
    try:
        graph = files.load(model.path, model.sha256, options, backend)
    except NnError as error:
        condition = Condition.NAMED_MODEL_FAILED
        if error.condition in _OF_OPTIONS:
            condition = error.condition if options != model.options else Condition.NAMED_MODEL_OPTIONS
        reason = f"model `{name}` ({model.path}) does not load: {error.reason}"
        raise NnError(condition, reason) from error
    notice(f"compiled `{name}` in {perf_counter() - before:.3f} s")
    return graph
