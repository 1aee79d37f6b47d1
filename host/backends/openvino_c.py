"""OpenVINO's C library: found beside its Python package, loaded without that, its failures made exceptions.

What to do with it is in `host.backends.openvino`; what of it can be called, in `host.backends.openvino_cdef`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from host.backends import openvino_ffi

if TYPE_CHECKING:
    from collections.abc import Callable

CData: TypeAlias = Any
"""What cffi makes: a pointer, an array, a library. It has the members that the C type has."""

ffi: Final[CData] = openvino_ffi.ffi

OLDEST: Final = (2025, 4)
"""The first version whose element types have the numbers they have here."""

_LIBRARIES: Final = ("libs/libopenvino_c.so*", "libs/libopenvino_c*.dylib", "libs/openvino_c.dll")
_MESSAGE_FROM: Final = -14
"""From this status down the C layer itself refused the call, and set no message."""

_REASON_CHARACTERS: Final = 300


class OpenVinoMissingError(Exception):
    """OpenVINO cannot be used; the message is one line and says what would help."""


class OpenVinoError(Exception):
    """A call of OpenVINO's C API failed; the message is one line."""


@dataclass(frozen=True, slots=True)
class Library:
    """The loaded library; `lib` has its functions."""

    lib: CData
    version: str

    def check(self, status: int) -> None:
        """Raise OpenVinoError when a call's `status` says that it failed."""
        if status:
            raise OpenVinoError(self._problem(status))

    def make(
        self, kind: str, function: Callable[..., int], *arguments: object, free: Callable[..., None]
    ) -> CData:
        """Return the object that `function` puts into its last parameter, a `kind **`.

        It lives as long as what is returned, and is given to `free` after that. An object of OpenVINO's
        keeps alive what it was made of, so the order in which they go does not matter.
        """
        made = ffi.new(f"{kind} **")
        self.check(function(*arguments, made))
        return ffi.gc(made[0], free)

    def number(self, kind: str, function: Callable[..., int], *arguments: object) -> int:
        """Return the number that `function` puts into its last parameter, a `kind *`."""
        out = ffi.new(f"{kind} *")
        self.check(function(*arguments, out))
        return int(out[0])

    def text(self, function: Callable[..., int], *arguments: object) -> str:
        """Return the string that `function` puts into its last parameter, a `char **`."""
        out = ffi.new("char **")
        self.check(function(*arguments, out))
        return self._taken(out[0])

    def _problem(self, status: int) -> str:
        if status <= _MESSAGE_FROM:
            return _string(self.lib.ov_get_error_info(status))
        # The last one of any thread: another's failure at the same time can only mislead a person.
        return reason(self._taken(self.lib.ov_get_last_err_msg()))

    def _taken(self, content: CData) -> str:
        """Return a string of OpenVINO's that is ours to free."""
        try:
            return _string(content)
        finally:
            self.lib.ov_free(content)


@cache
def library() -> Library:
    """Return the C library of the OpenVINO that is installed, loaded once; raises OpenVinoMissingError."""
    return load(find())


def load(path: Path) -> Library:
    """Return the library at `path`; OpenVinoMissingError when it is none, too old or lacks a function."""
    try:
        # By a call, beside which other threads run, unlike beside `ffi.dlopen`; that then only finds it.
        ffi.dlopen(None).dlopen(os.fsencode(path), ffi.RTLD_LAZY)
        lib = ffi.dlopen(str(path))
    except OSError as error:
        raise OpenVinoMissingError(f"OpenVINO's C library does not load: {error}") from error
    found = _version(lib)
    for name in dir(lib):
        try:
            getattr(lib, name)
        except ffi.error as error:
            raise OpenVinoMissingError(
                f"OpenVINO {found} ({path}) has no `{name}`: this host was made for another version"
            ) from error
    numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:2])
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise OpenVinoMissingError(f"OpenVINO {found} ({path}) is too old: install {oldest} or later")
    return Library(lib, found)


def reason(message: str) -> str:
    """Return what an OpenVINO exception says, without the places in OpenVINO's sources it went through."""
    lines = (line.strip() for line in message.splitlines())
    said = " ".join(line for line in lines if line and not line.startswith("Exception from "))
    return said[:_REASON_CHARACTERS] or "OpenVINO does not say why"


def find() -> Path:
    """Return where the C library is; OpenVinoMissingError when OpenVINO is not installed."""
    spec = find_spec("openvino")  # finds it, and imports nothing
    for folder in (spec and spec.submodule_search_locations) or ():
        for pattern in _LIBRARIES:
            found = sorted(Path(folder).glob(pattern))
            if found:
                return found[-1]
    raise OpenVinoMissingError("OpenVINO is not installed: install the Python package `openvino`")


def _version(lib: CData) -> str:
    version = ffi.new("ov_version_t *")
    try:
        if lib.ov_get_openvino_version(version):
            return "of an unknown version"
        try:
            return _string(version.buildNumber)
        finally:
            lib.ov_version_free(version)
    except ffi.error as error:
        raise OpenVinoMissingError(f"this is no OpenVINO that the host knows: {error}") from error


def _string(content: CData) -> str:
    data: bytes = ffi.string(content) if content else b""
    return data.decode(errors="replace")
