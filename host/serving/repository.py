"""A deployment as a model repository of Triton's, for its Python backend."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from host.serving import deployment
from host.serving.description import BYTES

if TYPE_CHECKING:
    from host.serving.deployment import Deployment
    from host.serving.description import Tensor

PATHS: Final = "WASINN_PATH"
"""The variable with folders in which a model looks for packages before all others."""

MODEL: Final = "model.py"
VERSION: Final = "1"

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)

_MODEL_TEXT: Final = f'''\
"""Have Triton answer with the guest beside this file; `pip install wasinn-sdk` provides what runs it."""

import os
import sys

sys.path[:0] = [path for path in os.environ.get("{PATHS}", "").split(os.pathsep) if path]

from host.serving.triton_model import TritonPythonModel  # noqa: E402, F401
'''


class BadNameError(Exception):
    """A name that a model in a repository cannot have; the message is one line."""


class TakenNameError(Exception):
    """A repository has something of the model's name already."""


@dataclass(frozen=True, slots=True)
class Model:
    """A deployment under its name, and how many guests of it answer at once."""

    name: str
    what: Deployment
    instances: int


def write(folder: Path, model: Model, *, has_models: bool) -> Path:
    """Write the model into the repository `folder`, whole or not at all; return the model's file.

    Raises:
        TakenNameError: There is something of the model's name.
        OSError: The repository cannot be written.
        NnError: As `deployment.write`, of which `has_models` is.
    """
    final = folder / model.name
    if os.path.lexists(final):
        raise TakenNameError
    with ExitStack() as undo:
        for new in _new(folder):
            new.mkdir(exist_ok=True)
            undo.callback(_remove, new)
        with TemporaryDirectory(prefix=f".{model.name}.tmp", dir=folder) as name:
            made = Path(name, model.name)
            _write(made, model, has_models=has_models)
            made.rename(final)
        undo.pop_all()
    return final / VERSION / MODEL


def _new(folder: Path) -> list[Path]:
    """Return the folders that have to be made for there to be `folder`, in order."""
    return [each for each in (*reversed(folder.parents), folder) if not each.is_dir()]


def _remove(folder: Path) -> None:
    with suppress(OSError):  # somebody has put something there
        folder.rmdir()


def _write(folder: Path, model: Model, *, has_models: bool) -> None:
    version = folder / VERSION
    version.mkdir(parents=True)
    deployment.write(version, model.what, has_models=has_models)
    (version / MODEL).write_text(_MODEL_TEXT, encoding="utf-8")
    (folder / "config.pbtxt").write_text(configuration(model), encoding="utf-8")


def configuration(model: Model) -> str:
    """Return the text of `config.pbtxt`."""
    what, is_batched = model.what, model.what.per_call > 1
    lines = [
        f'name: "{model.name}"',
        'backend: "python"',
        f"max_batch_size: {what.per_call if is_batched else 0}",
        *(_port("input", each) for each in what.description.inputs),
        *(_port("output", each) for each in what.description.outputs),
        f"instance_group [ {{ count: {model.instances}, kind: KIND_CPU }} ]",
        *(["dynamic_batching { }"] if is_batched else []),
    ]
    return "\n".join(lines) + "\n"


def check_name(name: str) -> None:
    """Raise BadNameError for a name that is not fit for a folder and an address."""
    if not _NAME.fullmatch(name):
        raise BadNameError(
            f"`{name}` is no name of a model, of letters, digits and _.-: give one with `--name`"
        )


def _port(kind: str, tensor: Tensor) -> str:
    datatype = "STRING" if tensor.datatype == BYTES else tensor.datatype
    dims = ", ".join(map(str, tensor.shape))
    return f'{kind} [ {{ name: "{tensor.name}", data_type: TYPE_{datatype}, dims: [ {dims} ] }} ]'
