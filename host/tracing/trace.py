"""Write down the wasi-nn calls of a run: a line of JSON for each in a file, or a line of text for a person.

`docs/trace.md` is the format. Reads no trace (`host.tracing.trace_reader` does) and prints nothing.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, assert_never

from host.tracing.observe import GetOutput, Load, LoadByName, OnHandle, SetInput

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from host.job import Job
    from host.tracing.observe import Call, Operation

FORMAT: Final = 1
"""The version of the format, in the first line of every trace."""

_NS_PER_US: Final = 1000


class TraceFile:
    """A trace on its way to a file, each line there before the next call is made."""

    def __init__(self, path: Path, job: Job) -> None:
        """Make the file, for its owner's eyes only as it holds what the guest saw, and write its first line.

        Raises OSError when it cannot be made or written, and when there is one already.
        """
        self._file = private_file(path)
        self._write(_header(job))

    def call(self, call: Call) -> None:
        """Write a call; OSError when the file takes no more, and it has to be left as it is."""
        self._write(_entry(call))

    def end(self, how: str, code: int, message: str | None) -> None:
        """Write the last line and close.

        Args:
            how: `exit`, `trap`, `limit` or `refused` (before anything of the guest ran).
            code: the guest's own exit code where `how` is `exit`, else the host's.
            message: what else there is to say.
        """
        with suppress(OSError), self._file:  # a trace without its end says itself that it has none
            self._write({"end": how, "code": code, "message": message})

    def _write(self, entry: dict[str, object]) -> None:
        self._file.write(json.dumps(entry, separators=(",", ":")).encode("ascii") + b"\n")
        self._file.flush()


def private_file(path: Path) -> BinaryIO:
    """Return a new file at `path` that only its owner may read; OSError when there is one already."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def shown(call: Call) -> str:
    """Return a call as a line for a person."""
    given = ", ".join(f"{name}={value}" for name, value in _arguments(call).items())
    what = _said(call.operation) if call.operation else ""
    if call.error is None:
        answer = f"{call.errno} success" + ("" if call.handle is None else f", handle {call.handle}")
    else:
        answer = f"{call.errno} {call.error.errno.name.lower()}: {call.error.reason}"
    took = f"{_us(call.duration_ns):.0f} us"
    return f"{call.number} {call.function.name}({given}){what} -> {answer} ({took})"


def _said(operation: Operation) -> str:
    match operation:
        case Load(builders=builders):
            return f" {' + '.join(f'{builder.size} bytes' for builder in builders)}"
        case LoadByName(name=name):
            return f" `{name.decode(errors='backslashreplace')}`"
        case SetInput(dimensions=dimensions, type_name=type_name, data=data):
            return f" {type_name or 'no type'} {list(dimensions)}, {len(data)} bytes"
        case GetOutput(type_name=type_name, size=size):
            return "" if size is None else f" {type_name}, {size} bytes"
        case OnHandle():
            return ""
        case _:
            assert_never(operation)


def _header(job: Job) -> dict[str, object]:
    return {
        "trace": FORMAT,
        "host": _version("wasinn-sdk"),
        "openvino": _version("openvino"),
        "started": datetime.now(UTC).isoformat(),
        "guest": _guest(job),
        "abi": job.abi,
        "limits": asdict(job.limits),
        "options": asdict(job.serving.options),
        "graphs": tuple(job.registry.models),
    }


def _guest(job: Job) -> dict[str, object] | None:
    try:
        code = job.guest.read_bytes() if job.code is None else job.code
    except OSError:  # the run will say so
        return None
    return {"name": job.guest.name, "bytes": len(code), "sha256": sha256(code).hexdigest()}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _entry(call: Call) -> dict[str, object]:
    error = call.error
    return {
        "call": call.number,
        "module": call.function.module,
        "function": call.function.name,
        "arguments": _arguments(call),
        "operation": call.operation and _operation(call.operation),
        "handle": call.handle,
        "errno": call.errno,
        "error": error and error.errno.name.lower(),
        "condition": error and error.condition.name.lower(),
        "reason": error and error.reason,
        "findings": call.findings,
        "at_us": _us(call.started_ns),
        "us": _us(call.duration_ns),
        "bytes_in": call.bytes_in,
        "bytes_out": call.bytes_out,
    }


def _arguments(call: Call) -> dict[str, int]:
    pairs = zip(call.function.params, call.arguments, strict=True)
    return {param.name or f"argument_{number}": value for number, (param, value) in enumerate(pairs)}


def _operation(operation: Operation) -> dict[str, object]:
    match operation:
        case Load(builders, encoding, target):
            blobs = [{"sha256": builder.sha256, "bytes": builder.size} for builder in builders]
            return {"method": "load", "builders": blobs, "encoding": encoding, "target": target}
        case LoadByName(name, config):
            given = {} if config is None else {"config": _text(config)}
            method = "load_by_name" if config is None else "load_by_name_with_config"
            return {"method": method, "name": _text(name), **given}
        case SetInput():
            fields = asdict(operation)
            return {"method": "set_input", **fields, "data": _base64(operation.data)}
        case GetOutput(data=data):
            fields = asdict(operation)
            return {"method": "get_output", **fields, "data": None if data is None else _base64(data)}
        case OnHandle(method, handle):
            return {"method": method, "handle": handle}
        case _:
            assert_never(operation)


def _text(data: bytes) -> str:
    """Return bytes that should be UTF-8 as text; those that are not become lone surrogates."""
    return data.decode(errors="surrogateescape")


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _us(nanoseconds: int) -> float:
    return nanoseconds / _NS_PER_US
