"""What an operator writes to name models, each way to a list of entries, and the entries to a Registry.

Prints nothing, and compiles nothing: what is wrong with a name, a path or an option is said at the start.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.abi import GraphEncoding
from host.backends import remote_address
from host.backends.remote_address import AddressError, is_remote, remote
from host.models.files import FORMATS, SUFFIXES, RegistrationError, find_model, models_in
from host.models.options import DEFAULT, KEYS, ModelOptions, OptionsError, options_from, shown
from host.models.registry import NamedModel, Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_SHA256: Final = "sha256"
_PATH: Final = "path"

OPTIONS: Final = (*KEYS, _SHA256)
"""What can be said of one named model besides its path; of one on a server it is `remote_address.OPTIONS`."""

_OPTION: Final = re.compile(rf",({'|'.join(OPTIONS)})=")
_REMOTE_OPTION: Final = re.compile(rf",({'|'.join((*remote_address.OPTIONS, *OPTIONS))})=")
_LIKE_AN_OPTION: Final = re.compile(r",(\w+)=")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model under its name; `origin` is where the operator said so, for messages."""

    name: str
    model: NamedModel
    origin: str


def register(entries: Iterable[Entry]) -> Registry:
    """Return the registry of `entries`; RegistrationError when two have one name."""
    found: dict[str, Entry] = {}
    for entry in entries:
        other = found.setdefault(entry.name, entry)
        if other is not entry:
            raise RegistrationError(
                f"two models are named `{entry.name}`: {other.model.path} ({other.origin}) and "
                f"{entry.model.path} ({entry.origin})"
            )
    return Registry({name: entry.model for name, entry in found.items()})


def entry(
    origin: str, name: str, path: Path, given: Mapping[str, object], base: ModelOptions = DEFAULT
) -> Entry:
    """Return the entry of the model at `path`, a file or a folder.

    Args:
        origin: Where the operator said so; every message begins with it.
        name: What guests call the model.
        path: The model file, or a folder with one of FOLDER_MODELS in it.
        given: OPTIONS and their values, as text or as `host.models.options` has them.
        base: The options for which nothing is given.

    Raises:
        RegistrationError: The name or an option cannot be, or there is no such model.
    """
    try:
        _check_text("name", name)
        _check_text("path", str(path))
        _check_known(given, OPTIONS)
        options = options_from({key: value for key, value in given.items() if key in KEYS}, base)
        sha256 = _hash(given[_SHA256]) if _SHA256 in given else None
        with _reading(path):
            model = NamedModel(find_model(path), options, frozenset(given) & frozenset(KEYS), sha256)
    except (RegistrationError, OptionsError) as error:
        raise RegistrationError(f"{origin}: {error}") from error
    return Entry(name, model, origin)


def remote_entry(
    origin: str, name: str, address: str, given: Mapping[str, object], folder: Path = Path()
) -> Entry:
    """Return the entry of the model at `address`, on a server.

    Args:
        origin: Where the operator said so, without the address, which may have a password in it by mistake.
        name: What guests call the model.
        address: For which `is_remote`.
        given: `remote_address.OPTIONS` and their values.
        folder: What paths in them are relative to.

    Raises:
        RegistrationError: The name, the address or an option cannot be.
    """
    try:
        _check_text("name", name)
        model = NamedModel(remote(address, given, folder), fixed=frozenset(KEYS))
    except (RegistrationError, AddressError) as error:
        raise RegistrationError(f"{origin}: {error}") from error
    return Entry(name, model, origin)


def from_text(text: str, base: ModelOptions = DEFAULT) -> Entry:
    """Return the entry of `NAME=MODEL[,option=value]...`, what `--graph` takes.

    The path goes up to the first `,option=` of an option that there is, and each value up to the next: so
    both may hold commas, and a path `=`.
    """
    name, separator, rest = text.partition("=")
    if is_remote(rest) and not is_remote(name):
        return _from_remote_text(name, rest)
    if is_remote(name):  # never shown, as below
        raise RegistrationError("`--graph`: an address has a name in front of it: NAME=SCHEME://...")
    origin = f"`--graph {text}`"
    path, *more = _OPTION.split(rest)
    if not separator or not name or not path:
        raise RegistrationError(f"{origin} is not of the form NAME=MODEL[,option=value]...")
    keys, values = more[::2], more[1::2]
    _check_once(origin, keys)
    with _reading(Path(path), origin):
        is_there = Path(path).exists()
    for part in values if is_there else [path, *values]:
        for unknown in _LIKE_AN_OPTION.findall(part):
            raise RegistrationError(f"{origin}: {_no_option(unknown, OPTIONS)}, and there is no such file")
    return entry(origin, name, Path(path), dict(zip(keys, values, strict=True)), base)


def _from_remote_text(name: str, text: str) -> Entry:
    origin = f"`--graph {name}={text.partition(':')[0]}://...`"
    address, *more = _REMOTE_OPTION.split(text)
    keys, values = more[::2], more[1::2]
    _check_once(origin, keys)
    for part in (address, *values):  # never shown: a secret may be in it by mistake
        for unknown in _LIKE_AN_OPTION.findall(part):
            raise RegistrationError(f"{origin}: {_no_option(unknown, remote_address.OPTIONS)}")
    return remote_entry(origin, name, address, dict(zip(keys, values, strict=True)))


def from_folder(
    folder: Path, base: ModelOptions = DEFAULT, notice: Callable[[str], None] = lambda _: None
) -> tuple[Entry, ...]:
    """Return an entry for each model file in `folder` and each folder in it that is a model folder.

    A file's name is that of its stem, a folder's its own. What is hidden is passed over, and so is what is no
    model; of folders without one `notice` hears. RegistrationError when there is no model at all.
    """
    origin = f"`--graph-dir {folder}`"
    found = []
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            if not path.is_dir():
                if path.suffix.lower() in SUFFIXES:
                    found.append(entry(origin, path.stem, path, {}, base))
            elif models_in(path):
                found.append(entry(origin, path.name, path, {}, base))
            else:
                notice(f"{origin}: no model in `{path}`, which is passed over")
    except OSError as error:
        raise RegistrationError(f"{origin}: `{error.filename}`: {error.strerror}") from error
    if not found:
        raise RegistrationError(f"{origin}: there is no model in it, neither a file nor a folder")
    return tuple(found)


def from_wasmtime(text: str, base: ModelOptions = DEFAULT) -> Entry:
    """Return the entry of `ENCODING::DIR`, as Wasmtime's `-S nn-graph=` takes it.

    The last part of DIR is the name; the model in it is called `model`, with the suffix of the encoding.
    """
    origin = f"`--nn-graph {text}`"
    spelled, separator, folder = text.partition("::")
    if not separator or not folder:
        raise RegistrationError(f"{origin} is not of the form ENCODING::DIR")
    known = [encoding.name.lower() for encoding in GraphEncoding]
    if spelled not in known:
        raise RegistrationError(f"{origin}: there is no encoding `{spelled}`, only {', '.join(known)}")
    path = Path(folder)
    with _reading(path, origin):
        is_folder = path.is_dir()
    if not is_folder:
        raise RegistrationError(f"{origin}: `{folder}` is not a folder")
    if spelled != GraphEncoding.AUTODETECT.name.lower():
        suffix = next((suffix for suffix, format_ in FORMATS.items() if format_.value == spelled), None)
        if suffix is None:
            raise RegistrationError(f"{origin}: no backend loads {spelled}; convert the model to IR or ONNX")
        path /= f"model{suffix}"
    return entry(origin, Path(os.path.abspath(folder)).name, path, {}, base)  # noqa: PTH100 - links keep their names


def from_manifest(file: Path, base: ModelOptions = DEFAULT) -> tuple[Entry, ...]:
    """Return an entry for each table `[graphs.NAME]` of a TOML file.

    A table has `path`, relative to the file, and any of OPTIONS.
    """
    import tomllib  # noqa: PLC0415 - with all that it needs it takes as long as ten guests' imports of this

    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegistrationError(f"`{file}` cannot be read: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or not TOML; then it tells the line
        raise RegistrationError(f"`{file}` is not TOML: {error}") from error
    except RecursionError as error:
        raise RegistrationError(f"`{file}` is nested too deep") from error
    tables = content.pop("graphs", None)
    if content or not isinstance(tables, dict) or not tables:
        also = f", and has `{next(iter(content))}`" if content else ""
        raise RegistrationError(f"`{file}` must have tables [graphs.NAME] and nothing else{also}")
    return tuple(from_table(f"`{file}`, graph `{name}`", name, table, base, file.parent)
                 for name, table in tables.items())  # fmt: skip


def from_table(origin: str, name: str, table: object, base: ModelOptions, folder: Path) -> Entry:
    """Return the entry of a table as a manifest has it, whose paths are relative to `folder`.

    RegistrationError when it is none, or as of `entry` and `remote_entry`.
    """
    if not isinstance(table, dict):
        raise RegistrationError(f"{origin}: it must be a table with a `{_PATH}`, not {shown(table)}")
    path = table.get(_PATH)
    try:
        if not (isinstance(path, str) and is_remote(path)):
            _check_known(table, (_PATH, *OPTIONS))
    except RegistrationError as error:
        raise RegistrationError(f"{origin}: {error}") from error
    if not isinstance(path, str) or not path:
        problem = "is missing" if path is None else f"must be text that is not empty, not {shown(path)}"
        raise RegistrationError(f"{origin}: `{_PATH}` {problem}")
    given = {key: value for key, value in table.items() if key != _PATH}
    if is_remote(path):
        return remote_entry(origin, name, path, given, folder)
    return entry(origin, name, folder / path, given, base)


@contextmanager
def _reading(path: Path, origin: str = "") -> Iterator[None]:
    """Turn an OSError into a RegistrationError: a folder may not let one look, and a name be too long."""
    try:
        yield
    except OSError as error:
        at = f"{origin}: " if origin else ""
        raise RegistrationError(f"{at}model `{path}` cannot be read: {error.strerror}") from error


def _check_once(origin: str, keys: list[str]) -> None:
    for key in keys:
        if keys.count(key) > 1:
            raise RegistrationError(f"{origin}: `{key}` is given {keys.count(key)} times")


def _check_known(given: Iterable[str], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise RegistrationError(_no_option(key, known))


def _no_option(key: str, known: tuple[str, ...]) -> str:
    return f"there is no option `{key}`, only {', '.join(known)}"


def _check_text(what: str, text: str) -> None:
    if not text:
        raise RegistrationError(f"the {what} is empty")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise RegistrationError(f"the {what} has to be UTF-8, and without NUL")


def _hash(value: object) -> str:
    if isinstance(value, str) and _HASH.fullmatch(value.lower()):
        return value.lower()
    raise RegistrationError(f"`{_SHA256}` has 64 hexadecimal digits, {shown(value)} is not that")
