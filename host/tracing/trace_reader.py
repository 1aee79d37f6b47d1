"""Read a trace back, taking nothing in it on trust; makes no session and runs nothing.

The format is in `docs/trace.md`. A trace whose writer was killed ends inside a line, or without its last one:
that is told, and what is there is used.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from stat import S_ISREG
from typing import TYPE_CHECKING, Final

from host.abi import EPOCHS, NnErrno
from host.dialects import CHOICES
from host.nn import Limits
from host.tracing.members import Members, TraceError
from host.tracing.observe import Blob, GetOutput, Load, LoadByName, OnHandle, SetInput
from host.tracing.trace import FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from host.models.options import ModelOptions
    from host.tracing.observe import Operation

_LINE_BYTES: Final = 1 << 30
"""Of a line, at most; a tensor in it takes a third more than it has."""

_PARTS: Final = 1 << 18
"""Of a line, at most: objects, lists and members, each of which takes far more memory than it has bytes.

A guest's configuration is some 64 KiB of text at most, and a text may be nothing but commas.
"""

_LIMIT_MOST: Final = 1 << 63
_MODULES: Final = frozenset(epoch.module for epoch in EPOCHS.values())

_ON_HANDLE: Final = frozenset({"init_execution_context", "compute", "unload", "finalize_execution_context"})


@dataclass(frozen=True, slots=True)
class Header:
    """Of the first line, what the calls depend on.

    `options` and `devices` (by target) are how models ran for which nothing else was asked; `models` has
    those that could be loaded by name.
    """

    abi: str
    limits: Limits
    options: ModelOptions
    devices: Mapping[str, str]
    models: Mapping[str, Model]


@dataclass(frozen=True, slots=True)
class Model:
    """A named model: the hash of its files, None where they could not be read, and how it ran."""

    sha256: str | None
    options: ModelOptions


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
        return _header(file)


def calls(path: Path, note: Callable[[str], None]) -> Iterator[Recorded]:
    """Yield the calls of the trace at `path`, in their order.

    `note` hears when the end of the trace is missing. Raises TraceError at the first line that is not right.
    """
    number = 0
    with _open(path) as file:
        _header(file)
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
        if not S_ISREG(path.stat().st_mode):  # a pipe would be empty the second time
            raise TraceError("cannot read trace: it is no regular file, and it is read several times")
        return path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, in a call of `main` from Python
        raise TraceError(f"cannot read trace: {getattr(error, 'strerror', None) or error}") from error


def _next(file: BinaryIO, number: int) -> Members | None:
    """Return the next line; None where the file ends, be it inside a line."""
    try:
        line = file.readline(_LINE_BYTES)
    except OSError as error:
        raise TraceError(f"line {number}: {error.strerror}") from error
    if not line.endswith(b"\n"):
        if len(line) == _LINE_BYTES:
            raise TraceError(f"line {number} is longer than {_LINE_BYTES} bytes")
        return None
    where = f"line {number}" if number > 1 else "this is not a trace: line 1"
    if not line.isascii():
        raise TraceError(f"{where} is not ASCII")
    if sum(map(line.count, (b"[", b"{", b","))) > _PARTS:
        raise TraceError(f"{where} has more than {_PARTS} parts")
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, a number too long, too deep
        raise TraceError(f"{where} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise TraceError(f"{where} is not a JSON object")
    return Members(number, values)


def _header(file: BinaryIO) -> Header:
    line = _next(file, 1)
    if line is None or "trace" not in line.values:
        raise TraceError("this is not a trace: its first line does not say so")
    if line.u32("trace") != FORMAT:
        raise line.wrong("trace", f"{FORMAT}, the format that this host reads")
    abi = line.text("abi")
    if abi not in CHOICES:
        raise line.wrong("abi", f"one of {', '.join(CHOICES)}")
    devices, graphs = line.child("devices"), line.child("graphs")
    return Header(
        abi,
        _limits(line.child("limits")),
        line.model_options("options"),
        {target: devices.text(target) for target in devices.values},
        {name: _model(graphs.child(name)) for name in graphs.values},
    )


def _model(given: Members) -> Model:
    return Model(given.sha256("sha256") if given.has("sha256") else None, given.model_options("options"))


def _limits(given: Members) -> Limits:
    limits = asdict(Limits())
    for name, standard in limits.items():
        value = given.values.get(name, standard)
        if not isinstance(value, int) or type(value) is not type(standard):
            raise given.wrong(name, "of the type of this limit")
        if not 0 <= value <= _LIMIT_MOST:
            raise given.wrong(name, f"from 0 to {_LIMIT_MOST}")
        limits[name] = value
    return Limits(**limits)


def _recorded(line: Members) -> Recorded:
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


def _error(line: Members) -> NnErrno:
    name = line.text("error")
    for errno in NnErrno:
        if errno is not NnErrno.SUCCESS and errno.name.lower() == name:
            return errno
    raise line.wrong("error", "the name of an error")


def _operation(given: Members) -> Operation:
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


def _blobs(given: Members) -> tuple[Blob, ...]:
    return tuple(Blob(each.sha256("sha256"), each.u32("bytes")) for each in given.children("builders"))
