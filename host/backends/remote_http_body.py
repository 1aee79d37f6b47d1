"""The bodies of the Open Inference Protocol v2 over HTTP: tensors as bytes behind JSON, or in it.

Sends and receives nothing.
"""

from __future__ import annotations

import json
import math
from array import array
from typing import TYPE_CHECKING, Final

from host.backends.remote_tensors import (
    ELEMENTS,
    JSON_BYTES,
    Metadata,
    Tensor,
    described,
    lies,
    packed,
    shape_of,
    shown,
    too_large,
    unpacked,
)
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

JSON_LENGTH: Final = "Inference-Header-Content-Length"
"""The header that says how much of a body is JSON."""


def as_bytes(call: str, inputs: Sequence[Tensor], outputs: Sequence[str]) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a request of the name `call`, with inputs and outputs as bytes."""
    header = json.dumps(
        {
            "id": call,
            "inputs": [
                {**_head(tensor), "parameters": {"binary_data_size": len(tensor.data)}} for tensor in inputs
            ],
            "outputs": [{"name": name, "parameters": {"binary_data": True}} for name in outputs],
        }
    ).encode()
    body = b"".join((header, *(tensor.data for tensor in inputs)))
    return body, {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(header))}


def as_json(call: str, inputs: Sequence[Tensor], outputs: Sequence[str]) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a request of the name `call`, with inputs and outputs as JSON; NnError."""
    content = {
        "id": call,
        "inputs": [{**_head(tensor), "data": unpacked(tensor)} for tensor in inputs],
        "outputs": [{"name": name} for name in outputs],
    }
    try:
        body = json.dumps(content, allow_nan=False).encode()
    except ValueError:
        reason = "an input has NaN or an infinity in it, and the server takes JSON only, which has none"
        raise NnError(Condition.COMPUTE_FAILED, reason) from None
    return body, {"Content-Type": "application/json"}


def answered(call: str, content: bytes, json_length: str | None) -> tuple[Tensor, ...]:
    """Return the outputs in an answer to `call`: JSON, then the bytes of those that are not in it."""
    length = len(content)
    if json_length is not None:
        if not json_length.isdecimal() or len(json_length) >= len(str(1 << 64)):
            raise lies(f"`{JSON_LENGTH}` is no number")
        length = int(json_length)
    if length > len(content):
        raise lies(f"`{JSON_LENGTH}` is more than it has")
    said = json_object(content[:length])
    if said.get("id") not in (call, "", None):  # a server need not know of it
        raise lies("it is the one to another request")
    given = said.get("outputs")
    if not isinstance(given, list):
        raise lies("it has no outputs")
    rest, tensors = memoryview(content)[length:], []
    for each in given:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise lies("an output has no name")
        tensor, rest = _output(each, rest)
        tensors.append(tensor)
    if rest:
        raise lies(f"it has {len(rest)} bytes that belong to no output")
    return tuple(tensors)


def metadata_in(content: bytes) -> Metadata:
    """Return the metadata that an answer has; NnError when it cannot be."""
    given = json_object(content)
    return described(_tensors(given.get("inputs")), _tensors(given.get("outputs")))


def json_object(content: bytes) -> dict[str, object]:
    """Return the JSON object that is all of `content`; NnError when it is none."""
    if len(content) > JSON_BYTES:
        raise too_large(JSON_BYTES, "bytes of JSON")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise lies("it is not JSON") from None
    if not isinstance(found, dict):
        raise lies("it is not a JSON object")
    return found


def _head(tensor: Tensor) -> dict[str, object]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}


def _tensors(given: object) -> Iterator[tuple[object, ...]]:
    if given is not None and not isinstance(given, list):
        raise lies("its metadata is not as the protocol has it")
    for each in given or ():
        if not isinstance(each, dict):
            raise lies("its metadata is not as the protocol has it")
        yield each.get("name"), each.get("datatype"), each.get("shape")


def _output(given: dict[str, object], rest: memoryview) -> tuple[Tensor, memoryview]:
    name, datatype = str(given["name"]), str(given.get("datatype"))
    shape = shape_of(given.get("shape"))
    parameters = given.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        data = packed(given.get("datatype"), given.get("data"))
        if not _is_finite(datatype, data):
            raise lies(f"its data are not all numbers of {datatype}")
        return Tensor(name, datatype, shape, data), rest
    if type(size) is not int or not 0 <= size <= len(rest):
        raise lies(f"the output `{shown(name)}` has not as many bytes as it says")
    return Tensor(name, datatype, shape, bytes(rest[:size])), rest[size:]


def _is_finite(datatype: str, data: bytes) -> bool:
    """Return whether all are numbers, as JSON has them: Python reads NaN, too, and 1e999 as an infinity."""
    code = ELEMENTS[datatype].code or ""
    return code not in {"f", "d"} or all(map(math.isfinite, array(code, data)))
