"""The files of a conversion: the source, found and told apart; the result, put in place whole or not at all.

It reads no model.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.backends.openvino_convert_plan import ConvertError
from host.errors import NnError
from host.formats import sniff
from host.models.files import SUFFIXES, RegistrationError, checked_format, files_of, find_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SAVED_MODEL: Final = "saved_model.pb"
_HEAD_BYTES: Final = 4096

_TORCH: Final = (
    "this is a PyTorch file, and OpenVINO reads those only with PyTorch: where that is installed make ONNX "
    "of the model (`torch.onnx.export(model, example, 'model.onnx')`) or IR (`openvino.convert_model`), "
    "and convert that"
)
_KERAS: Final = (
    "this is a Keras file: where TensorFlow is installed, `model.export('folder')`, then convert the folder"
)
_ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".pt": _TORCH,
        ".pth": _TORCH,
        ".pt2": _TORCH,
        ".ckpt": _TORCH,
        ".safetensors": "these are weights without a model: export the model that they belong to as ONNX",
        ".gguf": "GGUF holds a language model for other runtimes: take the model as OpenVINO IR or ONNX",
        ".h5": _KERAS,
        ".keras": _KERAS,
    }
)


@dataclass(frozen=True, slots=True)
class Source:
    """A model to convert: what OpenVINO is to read, and all the files it consists of."""

    path: Path
    format: str
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(path.stat().st_size for path in self.files)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the result goes: the XML, and the weights beside it."""

    xml: Path
    is_forced: bool

    @property
    def files(self) -> tuple[Path, Path]:
        """The weights and the XML: in that order they appear."""
        return self.xml.with_suffix(".bin"), self.xml


def find_source(path: Path) -> Source:
    """Return the model in the file or folder `path`; ConvertError when there is none that can be read."""
    if path.name == _SAVED_MODEL:
        path = path.parent
    try:
        if (path / _SAVED_MODEL).is_file():
            files = tuple(sorted(part for part in path.rglob("*") if part.is_file()))
            return Source(path, "SavedModel", files)
        _refuse(path)
        model = find_model(path)
        return Source(model, checked_format(model, model.read_bytes()).value, files_of(model))
    except RegistrationError as error:
        raise ConvertError(str(error)) from error
    except NnError as error:
        raise ConvertError(f"model `{path}`: {error.reason}") from error
    except OSError as error:
        raise ConvertError(f"cannot read `{error.filename or path}`: {error.strerror or error}") from error
    except ValueError as error:  # a name that no file can have
        raise ConvertError(f"cannot read `{path}`: {error}") from error


def check_target(target: Target, source: Source) -> None:
    """Raise ConvertError when the result cannot go there: before the work, not after."""
    if target.xml.suffix != ".xml":
        raise ConvertError(f"`{target.xml}` does not end in `.xml`: the result is an OpenVINO IR")
    folder = target.xml.parent
    if not folder.is_dir():
        raise ConvertError(f"the folder `{folder}` does not exist: make it first")
    ours = {path.resolve() for path in source.files}
    for path in target.files:
        if path.resolve() in ours:
            raise ConvertError(f"`{path}` is a file of the model to convert: choose another name")
    _check_free(target)


@contextmanager
def made_beside(target: Target) -> Iterator[Path]:
    """Give a path to write the XML to, weights beside it; after the block both are put in place.

    When the block or anything here fails, neither is there, and what was there before is there again. The
    XML comes last, and an old one goes first: no reader meets it with weights of another model.
    """
    with tempfile.TemporaryDirectory(prefix=".convert.", dir=target.xml.parent) as name:
        folder = Path(name)
        yield folder / target.xml.name
        _check_free(target)
        _put(folder, target)


def _put(folder: Path, target: Target) -> None:
    (folder / "old").mkdir()
    done: list[tuple[Path, Path]] = []
    old = [(path, folder / "old" / path.name) for path in reversed(target.files) if os.path.lexists(path)]
    new = [(folder / path.name, path) for path in target.files]
    try:
        for source, final in (*old, *new):
            source.rename(final)
            done.append((source, final))
    except BaseException:
        for source, final in reversed(done):
            final.rename(source)
        raise


def _check_free(target: Target) -> None:
    for path in target.files:
        if path.is_dir():
            raise ConvertError(f"`{path}` is a folder")
        if not target.is_forced and os.path.lexists(path):
            raise ConvertError(f"`{path}` exists: choose another name, or overwrite it with `--force`")


def _refuse(path: Path) -> None:
    """Raise ConvertError for a file of a known kind that OpenVINO alone cannot read."""
    if not path.is_file() or path.suffix.lower() in SUFFIXES:
        return
    advice = _ADVICE.get(path.suffix.lower())
    if advice is not None:
        raise ConvertError(f"model `{path}`: {advice}")
    with path.open("rb") as file:
        found = sniff((file.read(_HEAD_BYTES),))
    if found == "pytorch":
        raise ConvertError(f"model `{path}`: {_TORCH}")
