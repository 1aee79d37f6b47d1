"""The files of a registered model: found, held to their own folder and to a hash, given to a backend.

Decides nothing about names and keeps nothing; what a guest brings is checked by `host.formats`.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.backends.remote_address import Remote
from host.errors import Condition, NnError
from host.formats import Format, sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from host.backends import Backend, Graph
    from host.models.options import ModelOptions

FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        ".xml": Format.OPENVINO,
        ".onnx": Format.ONNX,
        ".tflite": Format.TENSORFLOWLITE,
        ".pb": Format.TENSORFLOW,
        ".pdmodel": Format.PADDLE,
    }
)
"""The formats of model files, by their suffix."""

SUFFIXES: Final = tuple(FORMATS)

FOLDER_MODELS: Final = tuple(f"model{suffix}" for suffix in SUFFIXES)
"""What a model folder holds, one of; its weights lie beside it, as `model.bin` or `model.pdiparams`."""

_WEIGHTS: Final[Mapping[Format, str]] = MappingProxyType(
    {Format.OPENVINO: ".bin", Format.PADDLE: ".pdiparams"}
)
_CONSTANT: Final = b'type="Const"'
_XML: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")


class RegistrationError(Exception):
    """A model that cannot be registered; the message says why and what would do."""


def find_model(path: Path) -> Path:
    """Return the absolute path of the model file that `path` is or holds.

    Links are resolved in its folder but not in its name: where a store keeps files under their hash, the name
    alone tells the format, and the weights lie beside the link. RegistrationError when there is no such file.
    """
    if not path.exists():
        raise RegistrationError(f"model `{path}` does not exist")
    if path.is_dir():
        found = models_in(path)
        if len(found) != 1:
            held = " and ".join(model.name for model in found) or "none"
            raise RegistrationError(
                f"model folder `{path}` must hold exactly one of {', '.join(FOLDER_MODELS)}; "
                f"it holds {held}: name the model file instead"
            )
        path = found[0]
    if path.suffix.lower() not in SUFFIXES:
        raise RegistrationError(f"model `{path}` has no known model suffix ({', '.join(SUFFIXES)})")
    if not path.is_file():
        raise RegistrationError(f"model `{path}` is not a file")
    _check_weights(path)
    return path.parent.resolve() / path.name


def models_in(folder: Path) -> tuple[Path, ...]:
    """Return the model files that make `folder` a model folder: it may be one when there is exactly one."""
    return tuple(folder / name for name in FOLDER_MODELS if (folder / name).is_file())


def load(path: Path, sha256: str | None, options: ModelOptions, backend: Callable[[], Backend]) -> Graph:
    """Compile the model at `path`, an absolute path that `find_model` gave.

    What has a hash is read once: the bytes that have it are those that get compiled. Only an ONNX model with
    data in other files the backend reads again, from its path.

    Raises NnError: NOT_A_MODEL, also when the files are not those of `sha256`; MODEL_REFERS_TO_FILES; what
    the backend raises.
    """
    try:
        format_, builders, files = _checked(path, sha256)
        if builders:
            return backend().load(builders, format_, options)
        return backend().load_path(path, files, options)
    except OSError as error:
        raise NnError(Condition.NOT_A_MODEL, f"cannot be read: {error}") from error


def checked_format(path: Path, model: bytes) -> Format:
    """Return the format of the model at `path`, which `model` are the bytes of.

    OpenVINO goes by the bytes alone: it would read ONNX under any suffix, and the files that this names.

    Raises NnError(NOT_A_MODEL) when they are not of the format that the suffix tells. Before the XML of an IR
    there may be a mark of the byte order, blanks and comments, which a guest's IR may not have.
    """
    format_ = _format(path)
    if format_ is Format.OPENVINO and _XML.match(model):
        return format_
    found = sniff((model,))
    if found == format_.value:
        return format_
    if found is None:
        raise NnError(Condition.NOT_A_MODEL, f"no {format_.value}: its bytes are of no format known here")
    suffix = next((suffix for suffix, known in FORMATS.items() if known.value == found), None)
    advice = f"give it a name that ends in `{suffix}`" if suffix else "convert it to OpenVINO IR or ONNX"
    raise NnError(Condition.NOT_A_MODEL, f"it looks like {found}: {advice}")


def files_of(path: Path | Remote) -> tuple[Path, ...]:
    """Return the files that the model at `path` consists of, itself first; of one on a server there are none.

    Raises NnError when it has data or weights outside of its own folder, and OSError.
    """
    if isinstance(path, Remote):
        return ()
    if _format(path) is Format.ONNX:
        return path, *_data_files(path, _locations(path.read_bytes()))
    weights = _weights(path)
    return (path, weights) if weights is not None and weights.is_file() else (path,)


def fingerprint(path: Path | Remote) -> str:
    """Return the SHA-256 of a model's files, or of where it is when that is a server.

    What runs there is the server's affair, and may change. Raises as `files_of`.
    """
    return sha256_of(*files_of(path), after=(str(path).encode(),) if isinstance(path, Remote) else ())


def sha256_of(*files: Path, after: tuple[bytes, ...] = ()) -> str:
    """Return the SHA-256 of `after` and then the files, one after the other, in hex; OSError."""
    sha = hashlib.sha256()
    for content in after:
        sha.update(content)
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: sha)
    return sha.hexdigest()


def _format(path: Path) -> Format:
    return FORMATS[path.suffix.lower()]


def _checked(path: Path, sha256: str | None) -> tuple[Format, tuple[bytes, ...], tuple[Path, ...]]:
    """Return the format of a model, the bytes to compile, and its files.

    There are no bytes when the backend is to read its path.
    """
    model = path.read_bytes()
    format_ = checked_format(path, model)
    weights = _weights(path)
    if format_ is Format.ONNX:
        locations = _locations(model)
        files = _data_files(path, locations)
        _check_hash(sha256, (model,), files)
        return format_, () if locations else (model,), (path, *files)
    files = (path,) if weights is None or not weights.is_file() else (path, weights)
    if sha256 is None:
        return format_, (), files
    builders: tuple[bytes, ...] = (model,)
    if weights is not None:
        is_needed = format_ is not Format.OPENVINO or weights.exists()
        builders = (model, weights.read_bytes() if is_needed else b"")
    _check_hash(sha256, builders, ())
    return format_, builders, files


def _weights(path: Path) -> Path | None:
    """Return where the weights of a model are, there or not; None for a format that has none of its own.

    NnError for a link that leads out of the model's folder, unless the model is such a link itself: then the
    operator keeps both in a store, and it is not the work of whoever packed the folder.
    """
    suffix = _WEIGHTS.get(_format(path))
    if suffix is None:
        return None
    weights = path.with_suffix(suffix)
    if _leads_out(weights) and not _leads_out(path):
        raise NnError(
            Condition.MODEL_REFERS_TO_FILES,
            f"weights in `{weights.name}`, which leads to {os.path.realpath(weights)!r}, "
            "outside of the model's folder",
        )
    return weights


def _leads_out(path: Path) -> bool:
    folder, real = map(os.path.realpath, (path.parent, path))  # as `resolve`, which fails at a circle
    return Path(folder) not in Path(real).parents


def _check_weights(path: Path) -> None:
    """Raise RegistrationError for weights that are not there; an IR without constants needs none."""
    try:
        weights = _weights(path)
    except NnError as error:
        raise RegistrationError(f"model `{path}`: {error.reason}") from error
    if weights is None or weights.is_file():
        return
    if _format(path) is not Format.OPENVINO or _CONSTANT in path.read_bytes():
        raise RegistrationError(f"model `{path}` has no weights beside it: `{weights.name}` is missing")


def _locations(model: bytes) -> tuple[str, ...]:
    """Return what an ONNX model says of places outside of itself, sorted."""
    from host.backends.onnx_guard import NotOnnxError, external_locations  # noqa: PLC0415 - as in `host.formats`

    try:
        return tuple(sorted(set(external_locations(model))))
    except NotOnnxError as error:
        raise NnError(Condition.NOT_A_MODEL, f"not an ONNX model: {error}") from error


def _data_files(path: Path, locations: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the files that the ONNX model at `path` names; NnError when one is not in its folder.

    Links are followed first: the model chooses the name, and whoever packed it may have made the link.
    """
    named = tuple(
        location for location in locations if location
    )  # "" is a tensor's mark that it is elsewhere
    for location in named:
        try:
            real = (path.parent / location).resolve()
            is_there = real.is_file()
        except (OSError, ValueError, RuntimeError) as error:  # no name of a file, or a link in a circle
            raise NnError(Condition.MODEL_REFERS_TO_FILES, f"tensors in {location!r}: {error}") from error
        if path.parent not in real.parents:
            raise NnError(
                Condition.MODEL_REFERS_TO_FILES,
                f"tensors in {location!r}, which leads to {str(real)!r}, outside of the model's folder",
            )
        if not is_there:
            raise NnError(Condition.NOT_A_MODEL, f"tensors in {location!r}, which is not there")
    return tuple(path.parent / location for location in named)


def _check_hash(expected: str | None, contents: tuple[bytes, ...], files: tuple[Path, ...]) -> None:
    """Raise NnError when `contents` and `files`, one after the other, do not have the SHA-256 expected."""
    if expected is None:
        return
    found = sha256_of(*files, after=contents)
    if found != expected:
        raise NnError(Condition.NOT_A_MODEL, f"its sha256 is {found}, not {expected} as expected")
