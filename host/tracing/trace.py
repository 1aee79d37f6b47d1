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
from typing import TYPE_CHECKING, Final, assert_never

from host.errors import NnError
from host.models.files import fingerprint
from host.tracing.observe import GetOutput, Load, LoadByName, OnHandle, SetInput
from host.versions import version_of

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from host.backends.remote_address import Remote
    from host.job import Job
    from host.tracing.observe import Call, Operation

FORMAT: Final = 1
"""The version of the format, in the first line of every trace."""

_NS_PER_US: Final = 1000
_NAME_SHOWN: Final = 200


class TraceFullError(Exception):
    """A trace has as many bytes as it may have."""


class TraceFile:
    """A trace on its way to a file, each line there before the next call is made."""

    def __init__(self, path: Path, job: Job, most: int) -> None:
        """Make the file, for its owner's eyes only as it holds what the guest saw, and write its first line.

        Its lines for calls come to at most `most` bytes. The guest is in `job.code`. Raises OSError when the
        file cannot be made or written, and when there is one already.
        """
        self._room = most
        self._file = private_file(path)
        self._write(_line(_header(job)))

    def call(self, call: Call) -> None:
        """Write a call; after OSError or TraceFullError the file takes no more and is to be left as it is."""
        line = _line(_entry(call))
        self._room -= len(line)
        if self._room < 0:
            raise TraceFullError
        self._write(line)

    def end(self, how: str, code: int, message: str | None) -> None:
        """Write the last line and close.

        Args:
            how: `exit`, `trap`, `limit` or `refused` (before anything of the guest ran).
            code: the guest's own exit code where `how` is `exit`, else the host's.
            message: what else there is to say.
        """
        with suppress(OSError), self._file:  # a trace without its end says itself that it has none
            self._write(_line({"end": how, "code": code, "message": message}))

    def _write(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()


def _line(entry: dict[str, object]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode("ascii") + b"\n"


def private_file(path: Path) -> BinaryIO:
    """Return a new file at `path` that only its owner may read; OSError when there is one already."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def shown(call: Call) -> str:
    """Return a call as a line for a person."""
    given = ", ".join(f"{name}={value}" for name, value in _arguments(call).items())
    what = _said(call.operation) if call.operation else ""
    if call.error is None:
        answer = "success" + ("" if call.handle is None else f", handle {call.handle}")
        why = ""
    else:
        answer, why = call.error.errno.name.lower(), f": {call.error.reason}"
    took = f"{_us(call.duration_ns):.0f} us"
    # The reason comes last: it may have the guest's own words in it, as long as the guest likes.
    return f"{call.number} {call.function.name}({given}){what} -> {call.errno} {answer} ({took}){why}"


def _said(operation: Operation) -> str:
    match operation:
        case Load(builders=builders):
            return f" {' + '.join(f'{builder.size} bytes' for builder in builders)}"
        case LoadByName(name=name):
            cut = "..." if len(name) > _NAME_SHOWN else ""
            return f" `{name[:_NAME_SHOWN].decode(errors='backslashreplace')}{cut}`"
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
        "host": version_of("wasinn-sdk"),
        "openvino": version_of("openvino"),
        "started": datetime.now(UTC).isoformat(),
        "guest": _guest(job),
        "abi": job.abi,
        "limits": asdict(job.limits),
        "options": asdict(job.serving.options),
        "devices": {target.name.lower(): device for target, device in job.serving.devices.items()},
        "graphs": {
            name: {"sha256": model_sha256(model.path), "options": asdict(model.options)}
            for name, model in job.registry.models.items()
        },
    }


def model_sha256(path: Path | Remote) -> str | None:
    """Return the hash of a registered model's files, or its address; None when they cannot be read."""
    try:
        return fingerprint(path)
    except (NnError, OSError):  # whoever loads the model is told why
        return None


def _guest(job: Job) -> dict[str, object]:
    code = job.code or b""
    return {"name": job.guest.name, "bytes": len(code), "sha256": sha256(code).hexdigest()}


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
