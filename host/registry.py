"""The models an operator lets guests load by name: found at the start, compiled once, when first asked for.

A guest's name is only ever looked up here; it is never taken for a path.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.backends.onnx_guard import NotOnnxError, external_locations
from host.errors import Condition, NnError
from host.options import DEFAULT, ModelOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from host.backends import Backend, Graph

SUFFIXES: Final = (".xml", ".onnx", ".tflite", ".pb", ".pdmodel")
"""Model files by name: OpenVINO IR, ONNX, TensorFlow Lite, frozen TensorFlow, Paddle."""

FOLDER_MODELS: Final = ("model.xml", "model.onnx")
"""What a model folder holds, one of; `model.xml` has its weights beside it in `model.bin`."""


class ModelPathError(Exception):
    """A model that cannot be registered; the message says why and what would do."""


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model file at an absolute path, and how to run it."""

    path: Path
    options: ModelOptions = DEFAULT


@dataclass(slots=True)
class Registry:
    """Named models and the graphs compiled from them so far."""

    models: Mapping[str, NamedModel]
    _graphs: dict[str, Graph] = field(default_factory=dict)

    def graph(self, name: str, backend: Callable[[], Backend], notice: Callable[[str], None]) -> Graph:
        """Return the graph called `name`, compiled at the first call.

        `notice` hears of a compilation before it starts. Raises NnError: UNKNOWN_NAME, or NAMED_MODEL_FAILED
        with the model's path and the backend's reason.
        """
        if name in self._graphs:
            return self._graphs[name]
        model = self.models.get(name)
        if model is None:
            known = ", ".join(f"`{known}`" for known in sorted(self.models)) or "none"
            raise NnError(Condition.UNKNOWN_NAME, f"no model is registered as `{name}` (registered: {known})")
        path = model.path
        notice(f"compiling `{name}` from {path}")
        try:
            _confine(path)
            graph = backend().load_path(path, model.options)
        except NnError as error:
            reason = f"model `{name}` ({path}) does not load: {error.reason}"
            raise NnError(Condition.NAMED_MODEL_FAILED, reason) from error
        self._graphs[name] = graph
        return graph


def register(named: Sequence[tuple[str, Path]]) -> Registry:
    """Return the registry of `named`: (name, path to a model file or folder); ModelPathError on a bad one."""
    for name, count in Counter(name for name, _ in named).items():
        if count > 1:
            raise ModelPathError(f"model name `{name}` is given {count} times")
    return Registry({name: NamedModel(find_model(path)) for name, path in named})


def find_model(path: Path) -> Path:
    """Return the absolute path of the model file that `path` is or holds; ModelPathError when there is none.

    Links are resolved in its folder but not in its name: where a store keeps files under their hash, the name
    alone tells the format, and the weights lie beside the link.
    """
    if not path.exists():
        raise ModelPathError(f"model `{path}` does not exist")
    if not path.is_dir():
        if path.suffix.lower() not in SUFFIXES:
            raise ModelPathError(f"model `{path}` has no known model suffix ({', '.join(SUFFIXES)})")
        return _fixed(path)
    found = [path / name for name in FOLDER_MODELS if (path / name).is_file()]
    if len(found) != 1:
        raise ModelPathError(
            f"model folder `{path}` must hold exactly one of {', '.join(FOLDER_MODELS)}; "
            f"it holds {'more: name the file' if found else 'none'}"
        )
    return _fixed(found[0])


def _fixed(path: Path) -> Path:
    return path.parent.resolve() / path.name


def _confine(path: Path) -> None:
    """Raise NnError when the ONNX model at `path` keeps data outside of its own folder."""
    if path.suffix.lower() != ".onnx":
        return
    try:
        locations = external_locations(path.read_bytes())
    except (OSError, NotOnnxError) as error:
        raise NnError(Condition.NOT_A_MODEL, f"not an ONNX model: {error}") from error
    for location in locations:
        # By name, not by following links: the model chooses the name, only the operator makes links.
        if not Path(normpath(path.parent / location)).is_relative_to(path.parent):
            raise NnError(Condition.MODEL_REFERS_TO_FILES, f"tensors in {location!r}, outside of its folder")
