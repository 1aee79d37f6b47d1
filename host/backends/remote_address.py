"""Where a model on a server of the Open Inference Protocol v2 is, and how to ask for it; plain data.

Connects to nothing. A credential is never in here: only the name of the variable or file that holds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from host.quantities import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES: Final = ("v2+grpc", "v2+grpcs", "v2+http", "v2+https")
"""What addresses begin with; those in `s` are by TLS."""

OPTIONS: Final = ("timeout", "ca", "header")
"""What can be said of a remote model besides its address."""

TIMEOUT: Final = 30.0
"""Seconds that a call may take from its beginning to the last byte of the answer, unless told otherwise."""

FORM: Final = "v2+grpc://HOST:PORT/MODEL[/VERSION], or v2+grpcs, v2+http, v2+https"

_REMOTE: Final = re.compile(r"[a-z][a-z0-9+.-]*://|v2\+\w*:", re.ASCII | re.IGNORECASE)
_HOST: Final = re.compile(r"[a-z0-9_-][a-z0-9._-]*", re.ASCII)
_HEADER: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*):(?:(env):([^,=]+)|(file):(.+))")
_OURS: Final = re.compile(
    r"(?:host|user-agent|connection|te|trailer|transfer-encoding|upgrade|accept-encoding|expect|content-.*"
    r"|inference-.*|grpc-.*|.*-bin)"
)


class AddressError(Exception):
    """An address or an option of it that cannot be; the message is one line, and repeats neither."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header that goes with every call; its value is in the variable or the file called `place`."""

    name: str
    is_file: bool
    place: str

    def __str__(self) -> str:
        return f"{self.name}:{'file' if self.is_file else 'env'}:{self.place}"


@dataclass(frozen=True, slots=True)
class Remote:
    """A model on a server; `version` is "" for the one that the server chooses.

    `timeout` is in seconds, for each call. `ca` is a file of certificates in PEM to trust in place of the
    system's. As text it is its address.
    """

    scheme: str
    host: str
    port: int
    model: str
    version: str = ""
    timeout: float = TIMEOUT
    ca: Path | None = None
    header: Header | None = None

    @property
    def is_grpc(self) -> bool:
        """Whether it is spoken to by gRPC, else by HTTP."""
        return self.scheme.startswith("v2+grpc")

    @property
    def has_tls(self) -> bool:
        """Whether what goes there is encrypted, and comes from whom it should."""
        return self.scheme.endswith("s")

    @property
    def authority(self) -> str:
        """Host and port as in an address."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def __str__(self) -> str:
        version = f"/{quote(self.version, safe='')}" if self.version else ""
        return f"{self.scheme}://{self.authority}/{quote(self.model, safe='')}{version}"


def is_remote(text: str) -> bool:
    """Return whether `text` is meant as an address, if perhaps not one of SCHEMES, and not as a path."""
    return _REMOTE.match(text) is not None


def remote(text: str, given: Mapping[str, object], folder: Path = Path()) -> Remote:
    """Return the model at the address `text`.

    Args:
        text: Of the form FORM; parts of the path may be percent-encoded.
        given: OPTIONS and their values: seconds, or text as `host.quantities.duration` has it; a path; and
            `NAME:env:VARIABLE` or `NAME:file:PATH`.
        folder: What paths are relative to.

    Raises:
        AddressError: It is not of that form, holds a credential, or an option cannot be.
    """
    if not text.isprintable() or " " in text:
        raise AddressError("the address has blanks or control characters in it")
    scheme = text.partition("://")[0]
    if scheme not in SCHEMES:
        raise AddressError(f"there is no such scheme: it must be {FORM}")
    if "@" in text:  # a password may have a `/` in it, so it is looked for everywhere
        raise AddressError(
            "the address has a user or a password in it: give a `header` instead; an @ in a name is %40"
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressError(f"the host or the port is none: it must be {FORM}") from None
    if re.search("[?#,=]", text):
        options = ", ".join(f"`,{option}=`" for option in OPTIONS)
        reason = "the address has a `?`, `#`, `,` or `=` in it: write %3F, %23, %2C, %3D in a name"
        raise AddressError(f"{reason}; options are {options}")
    names = [_named(part) for part in parts.path.split("/")[1:]]
    if not _is_host(host) or not port or len(names) not in {1, 2}:
        raise AddressError(f"it must be {FORM}")
    made = Remote(scheme, host, port, *names, **_given(given, folder))  # type: ignore[arg-type]  # checked there
    if made.ca and not made.has_tls:
        raise AddressError(f"`ca` is for {scheme}s only")
    return made


def _is_host(host: str) -> bool:
    import socket  # noqa: PLC0415 - most hosts are none of these, and most runs have no remote model

    if ":" not in host:
        return _HOST.fullmatch(host) is not None
    try:
        socket.inet_pton(socket.AF_INET6, host)
    except (OSError, ValueError):
        return False
    return True


def _named(part: str) -> str:
    try:
        name = unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise AddressError("the model's name is not UTF-8") from None
    if not name or not name.isprintable() or name in {".", ".."}:
        raise AddressError("a model and a version have a name, without control characters")
    return name


def _given(given: Mapping[str, object], folder: Path) -> dict[str, object]:
    for key in given:
        if key not in OPTIONS:
            raise AddressError(f"a remote model has no `{key}`, only {', '.join(OPTIONS)}")
    made: dict[str, object] = {}
    if "timeout" in given:
        made["timeout"] = _timeout(given["timeout"])
    if "ca" in given:
        made["ca"] = _ca(given["ca"], folder)
    if "header" in given:
        made["header"] = _header(given["header"], folder)
    return made


def _timeout(value: object) -> float:
    try:
        return duration(str(value))
    except ValueError as error:
        raise AddressError(f"`timeout`: {error}") from None


def _ca(value: object, folder: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise AddressError("`ca` is the path of a file of certificates in PEM")
    path = folder / value
    if not path.is_file():
        raise AddressError(f"`ca`: there is no file `{path}`")
    return path.absolute()


def _header(value: object, folder: Path) -> Header:
    found = _HEADER.fullmatch(value) if isinstance(value, str) else None
    if found is None or "\0" in found[0]:
        raise AddressError(
            "`header` is NAME:env:VARIABLE or NAME:file:PATH: what is secret is not written here"
        )
    name, source, place = filter(None, found.groups())
    if _OURS.fullmatch(name.lower()):
        raise AddressError(f"`header`: `{name}` is not for you to set")
    is_file = source == "file"
    return Header(name, is_file, str((folder / place).absolute()) if is_file else place)
