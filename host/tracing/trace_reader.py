"""Read a trace back, taking nothing in it on trust; makes no session and runs nothing.

The format is in `docs/trace.md`. A trace whose writer was killed ends inside a line, or without its last one:
that is told, and what is there is used.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from host.abi import EPOCHS, NnErrno
from host.dialects import CHOICES
from host.memory import U32_MASK
from host.nn import Limits
from host.tracing.observe import Blob, GetOutput, Load, LoadByName, OnHandle, SetInput
from host.tracing.trace import FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from host.tracing.observe import Operation

_LINE_BYTES: Final = 1 << 30
"""Of a line, at most; a tensor in it takes a third more than it has."""

_ITEMS: Final = 4096
"""Of a list, at most: far more than a tensor has dimensions, or a model builders."""

_LIMIT_MOST: Final = 1 << 63
_SHA256: Final = re.compile("[0-9a-f]{64}")
_MODULES: Final = frozenset(epoch.module for epoch in EPOCHS.values())

_ON_HANDLE: Final = frozenset({"init_execution_context", "compute", "unload", "finalize_execution_context"})


class TraceError(Exception):
    """A file that is no trace; the message is one line that says where and why."""


@dataclass(frozen=True, slots=True)
class Header:
    """Of the first line, what the calls depend on."""

    abi: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call as it was.

    `operation` is None when the call was refused before it came to the session; `handle` is the one it made;
    `error` is None when it succeeded, and a number of today's otherwise, whatever the guest's dialect.
    """

    number: int
    module: str
    function: str
    operation: Operation | None
    handle: int | None
    error: NnErrno | None
    reason: str


def header(path: Path) -> Header:
    """Return what the trace at `path` starts with; TraceError when it is none."""
    with _open(path) as file:
        return _header(file, path)


def calls(path: Path, note: Callable[[str], None]) -> Iterator[Recorded]:
    """Yield the calls of the trace at `path`, in their order.

    `note` hears when the end of the trace is missing. Raises TraceError at the first line that is not right.
    """
    number = 0
    with _open(path) as file:
        _header(file, path)
        while (line := _next(file, number + 2)) is not None:
            if "end" in line.values:
                line.text("end")
                if file.read(1):
                    raise TraceError(f"line {line.number + 1}: there is something after the end")
                return
            number += 1
            if line.u32("call") != number:
                raise line.wrong("call", f"{number}: a line is missing, or out of place")
            yield _recorded(line)
    note(f"the trace has no end: it was cut off, or its run was killed, after call {number}")


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise TraceError(f"cannot read trace `{path}`: {error.strerror}") from error


def _next(file: BinaryIO, number: int) -> _Object | None:
    """Return the next line; None where the file ends, be it inside a line."""
    try:
        line = file.readline(_LINE_BYTES)
    except OSError as error:
        raise TraceError(f"line {number}: {error.strerror}") from error
    if not line.endswith(b"\n"):
        if len(line) == _LINE_BYTES:
            raise TraceError(f"line {number} is longer than {_LINE_BYTES} bytes")
        return None
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, a number too long, too deep
        raise TraceError(f"line {number} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise TraceError(f"line {number} is not a JSON object")
    return _Object(number, values)


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON object of a trace and the line it is in; each member is taken out as what it has to be."""

    number: int
    values: Mapping[str, object]

    def wrong(self, key: str, wanted: str) -> TraceError:
        """Return the error that `key` is not what is `wanted`."""
        return TraceError(f"line {self.number}: `{key}` is not {wanted}")

    def has(self, key: str) -> bool:
        """Return whether there is a `key`, and it is not null."""
        return self.values.get(key) is not None

    def u32(self, key: str) -> int:
        """Return a number of 32 bits."""
        return self._u32(key, self.values.get(key))

    def u32s(self, key: str) -> tuple[int, ...]:
        """Return a list of them."""
        return tuple(self._u32(key, item) for item in self._list(key))

    def text(self, key: str) -> str:
        """Return a string."""
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def octets(self, key: str) -> bytes:
        """Return bytes that were written as text."""
        try:
            return self.text(key).encode(errors="surrogateescape")
        except UnicodeEncodeError:
            raise self.wrong(key, "text that bytes could have been") from None

    def data(self, key: str) -> bytes:
        """Return bytes that were written in base64."""
        try:
            return b64decode(self.text(key), validate=True)
        except ValueError:
            raise self.wrong(key, "base64") from None

    def child(self, key: str) -> _Object:
        """Return an object."""
        return self._object(key, self.values.get(key))

    def children(self, key: str) -> tuple[_Object, ...]:
        """Return a list of them."""
        return tuple(self._object(key, item) for item in self._list(key))

    def _u32(self, key: str, value: object) -> int:
        if type(value) is not int or not 0 <= value <= U32_MASK:  # a bool is an int, but not of this type
            raise self.wrong(key, "a number of 32 bits")
        return value

    def _object(self, key: str, value: object) -> _Object:
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return _Object(self.number, value)

    def _list(self, key: str) -> list[object]:
        value = self.values.get(key)
        if not isinstance(value, list) or len(value) > _ITEMS:
            raise self.wrong(key, f"a list of at most {_ITEMS}")
        return value


def _header(file: BinaryIO, path: Path) -> Header:
    line = _next(file, 1)
    if line is None or "trace" not in line.values:
        raise TraceError(f"`{path}` is not a trace: its first line does not say so")
    if line.u32("trace") != FORMAT:
        raise line.wrong("trace", f"{FORMAT}, the format that this host reads")
    abi = line.text("abi")
    if abi not in CHOICES:
        raise line.wrong("abi", f"one of {', '.join(CHOICES)}")
    return Header(abi, _limits(line.child("limits")))


def _limits(given: _Object) -> Limits:
    limits = asdict(Limits())
    for name, standard in limits.items():
        value = given.values.get(name, standard)
        if not isinstance(value, int) or type(value) is not type(standard):
            raise given.wrong(name, "of the type of this limit")
        if not 0 <= value <= _LIMIT_MOST:
            raise given.wrong(name, f"from 0 to {_LIMIT_MOST}")
        limits[name] = value
    return Limits(**limits)


def _recorded(line: _Object) -> Recorded:
    operation = _operation(line.child("operation")) if line.has("operation") else None
    handle = line.u32("handle") if line.has("handle") else None
    error = _error(line) if line.has("error") else None
    if operation is None and error is None:
        raise line.wrong("operation", "there, though the call succeeded")
    if bool(handle) != (error is None and _makes_handle(operation)):
        raise line.wrong("handle", "that of what the call made")
    if error is None and isinstance(operation, GetOutput) and operation.data is None:
        raise line.wrong("data", "there, though the call succeeded")
    module = line.text("module")
    if module not in _MODULES:
        raise line.wrong("module", f"one of {', '.join(sorted(_MODULES))}")
    return Recorded(
        number=line.u32("call"),
        module=module,
        function=line.text("function"),
        operation=operation,
        handle=handle,
        error=error,
        reason=line.text("reason") if line.has("reason") else "",
    )


def _makes_handle(operation: Operation | None) -> bool:
    match operation:
        case Load() | LoadByName() | OnHandle(method="init_execution_context"):
            return True
    return False


def _error(line: _Object) -> NnErrno:
    name = line.text("error")
    for errno in NnErrno:
        if errno is not NnErrno.SUCCESS and errno.name.lower() == name:
            return errno
    raise line.wrong("error", "the name of an error")


def _operation(given: _Object) -> Operation:
    method = given.text("method")
    if method in _ON_HANDLE:
        return OnHandle(method, given.u32("handle"))
    match method:
        case "load":
            return Load(_blobs(given), given.u32("encoding"), given.u32("target"))
        case "load_by_name":
            return LoadByName(given.octets("name"), None)
        case "load_by_name_with_config":
            return LoadByName(given.octets("name"), given.octets("config"))
        case "set_input":
            return SetInput(
                given.u32("context"),
                given.u32("index"),
                given.u32s("dimensions"),
                given.u32("type"),
                given.text("type_name") if given.has("type_name") else None,
                given.data("data"),
            )
        case "get_output":
            return GetOutput(
                given.u32("context"),
                given.u32("index"),
                given.text("type_name") if given.has("type_name") else None,
                given.u32("size") if given.has("size") else None,
                given.data("data") if given.has("data") else None,
            )
    raise given.wrong("method", "one of a session")


def _blobs(given: _Object) -> tuple[Blob, ...]:
    blobs = tuple(Blob(each.text("sha256"), each.u32("bytes")) for each in given.children("builders"))
    if not all(_SHA256.fullmatch(blob.sha256) for blob in blobs):
        raise given.wrong("builders", "a list of SHA-256 in hex")
    return blobs
