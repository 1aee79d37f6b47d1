"""A model on a server of the Open Inference Protocol v2, by HTTP: tensors as bytes or as JSON.

No redirect is followed, no proxy asked and nothing sent twice. `tritonclient` has an HTTP client too; it
reads answers of any size for any time, and one cannot use it from several threads.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from host.backends.remote_address import CredentialError, Remote, scrubbed
from host.backends.remote_tensors import (
    ANSWER_BYTES,
    ELEMENTS,
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
    from collections.abc import Iterator, Mapping, Sequence

_BINARY: Final = "binary_tensor_data"
"""What a server lists among its extensions that takes and gives tensors as bytes."""

_JSON_LENGTH: Final = "Inference-Header-Content-Length"
_JSON_BYTES: Final = 1 << 26
"""What an answer may have in JSON at most: it takes many times as much when it is read."""

_PIECE: Final = 1 << 20
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_NOT_OF_THE_CALL: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_TIMEOUT,
    }
)
"""The answers of 4xx that are not about the inputs."""


class HttpServer:
    """A model on a server, by a connection for each link."""

    def __init__(self, remote: Remote) -> None:
        """Prepare calls to `remote`; nothing is sent yet."""
        self._remote = remote
        self._is_binary = False

    @property
    def remark(self) -> str:
        """How tensors travel."""
        return f"by HTTP, tensors as {'bytes' if self._is_binary else 'JSON'}"

    def link(self) -> HttpLink:
        """Return a new connection, made at its first call."""
        return HttpLink(self._remote, is_binary=self._is_binary)

    def metadata(self) -> Metadata:
        """Ask the server for its extensions and the model's metadata."""
        link = self.link()
        try:
            given = link.json("GET", _model_path(self._remote))
            found = described(_tensors(given.get("inputs")), _tensors(given.get("outputs")))
            extensions = _extensions(link)
        finally:
            link.close()
        # Some servers take bytes and do not say so: where JSON cannot carry a type, bytes are tried.
        needs_bytes = any(ELEMENTS[each.datatype].code is None for each in (*found.inputs, *found.outputs))
        self._is_binary = _BINARY in extensions or needs_bytes
        return found


class HttpLink:
    """A connection that is kept from call to call; for one thread at a time."""

    def __init__(self, remote: Remote, *, is_binary: bool) -> None:
        """Prepare calls to `remote`, whose server takes tensors as bytes or not."""
        self._remote = remote
        self._is_binary = is_binary
        self._connection: HTTPConnection | None = None

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> tuple[Tensor, ...]:
        """Send the inputs; return the outputs as they come, as bytes or as JSON."""
        path = f"{_model_path(self._remote)}/infer"
        if self._is_binary:
            status, answer, header = self._call("POST", path, *_as_bytes(inputs, outputs))
            can_go_as_json = all(ELEMENTS[tensor.datatype].code for tensor in inputs)
            if status != HTTPStatus.UNSUPPORTED_MEDIA_TYPE or not can_go_as_json:
                return _answered(_content(status, answer), header)
            self._is_binary = False
        status, answer, header = self._call("POST", path, *_as_json(inputs, outputs))
        return _answered(_content(status, answer), header)

    def json(self, method: str, path: str) -> dict[str, object]:
        """Return the JSON object at `path`."""
        status, answer, _ = self._call(method, path)
        return _object(_content(status, answer))

    def close(self) -> None:
        """End the connection; the next call makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, str | None]:
        """Return status, content and the length of the JSON in it; of a status of no success, the reason."""
        header, secret = self._remote.header, ""
        try:
            secret = header.value() if header else ""
            sent = {**(headers or {}), **({header.name: secret} if header else {})}
            with self._in_time() as connection:
                connection.request(method, path, body, sent)
                response = connection.getresponse()
                content = _read(response)
        except CredentialError as error:
            raise NnError(Condition.REMOTE_FAILED, str(error)) from error
        if response.status != HTTPStatus.OK:
            said = _reason(content) or response.reason
            return response.status, scrubbed(said, secret).encode(), None
        return response.status, content, response.getheader(_JSON_LENGTH)

    @contextmanager
    def _in_time(self) -> Iterator[HTTPConnection]:
        """Give the connection for one call, and end it when the call fails or takes too long."""
        deadline = monotonic() + self._remote.timeout
        timer, is_done = None, False
        try:
            connection = self._connected()
            # A time on the socket alone begins again with each byte that a server lets drip.
            timer = Timer(max(deadline - monotonic(), 0), _end, [connection.sock])
            timer.daemon = True
            timer.start()
            yield connection
            if monotonic() >= deadline:  # ended by the timer, an answer may look whole
                raise TimeoutError
            is_done = True
        except (OSError, HTTPException, ValueError) as error:
            if monotonic() >= deadline or isinstance(error, TimeoutError):
                reason = f"no answer within {self._remote.timeout:g} s, which is its `timeout`"
            else:
                reason = f"the connection failed: {shown(str(error) or type(error).__name__)}"
            # Without its cause: that may have what the server said.
            raise NnError(Condition.REMOTE_FAILED, reason) from None
        finally:
            if timer is not None:
                timer.cancel()
            if not is_done:
                self.close()

    def _connected(self) -> HTTPConnection:
        """Return the connection, made if need be; its time is for connecting, and then for each byte."""
        if self._connection is not None and _has_ended(self._connection.sock):
            self.close()
        if self._connection is None:
            remote = self._remote
            connection = (
                HTTPSConnection(remote.host, remote.port, timeout=remote.timeout, context=_context(remote))
                if remote.has_tls
                else HTTPConnection(remote.host, remote.port, timeout=remote.timeout)
            )
            connection.connect()
            self._connection = connection
        return self._connection


def _context(remote: Remote) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=remote.ca)
    except OSError as error:
        raise NnError(Condition.REMOTE_FAILED, f"`ca`: {error.strerror or error}") from error


def _end(connected: socket.socket) -> None:
    """End a connection that another thread waits for; its HTTPConnection may have let go of it already."""
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not TLS's own, which would take state away


def _has_ended(connected: socket.socket | None) -> bool:
    """Return whether the server has closed a connection that was kept."""
    if connected is None:
        return True
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))


def _read(response: HTTPResponse) -> bytes:
    """Return the content, whole."""
    if response.getheader("Content-Encoding", "identity") != "identity":
        raise lies("it is compressed, which nobody asked for")
    pieces, size = [], 0
    if response.length is not None and response.length > ANSWER_BYTES:
        raise too_large(f"{response.length} bytes")
    while piece := response.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > ANSWER_BYTES:
            raise too_large("more than that")
    if response.length:
        raise HTTPException(f"the answer ended {response.length} bytes early")
    return b"".join(pieces)


def _content(status: int, content: bytes) -> bytes:
    """Return the content of a success; NnError for any other status, of which it is the reason."""
    if status == HTTPStatus.OK:
        return content
    reason = f"it answered {status}: {content.decode(errors='replace')}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise NnError(Condition.REMOTE_FAILED, f"it answered {status}, and redirects are not followed")
    if status in _BUSY:
        raise NnError(Condition.REMOTE_BUSY, reason)
    is_of_the_call = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_of_the_call and status not in _NOT_OF_THE_CALL:
        raise NnError(Condition.COMPUTE_FAILED, reason)
    raise NnError(Condition.REMOTE_FAILED, reason)


def _reason(content: bytes) -> str:
    """Return what an error says: its member `error`, or all of it."""
    try:
        said = _object(content).get("error")
    except NnError:
        said = None
    return said if isinstance(said, str) else content[:_JSON_BYTES].decode(errors="replace").strip()


def _model_path(remote: Remote) -> str:
    version = f"/versions/{quote(remote.version, safe='')}" if remote.version else ""
    return f"/v2/models/{quote(remote.model, safe='')}{version}"


def _extensions(link: HttpLink) -> list[object]:
    """Return what the server says it can do; a server may not say it."""
    try:
        found = link.json("GET", "/v2").get("extensions")
    except NnError:
        return []
    return found if isinstance(found, list) else []


def _tensors(given: object) -> Iterator[tuple[object, ...]]:
    if given is not None and not isinstance(given, list):
        raise lies("its metadata is not as the protocol has it")
    for each in given or ():
        if not isinstance(each, dict):
            raise lies("its metadata is not as the protocol has it")
        yield each.get("name"), each.get("datatype"), each.get("shape")


def _object(content: bytes) -> dict[str, object]:
    if len(content) > _JSON_BYTES:
        raise too_large(f"{len(content)} bytes of JSON, of which {_JSON_BYTES} is the most")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise lies("it is not JSON") from None
    if not isinstance(found, dict):
        raise lies("it is not a JSON object")
    return found


def _as_bytes(inputs: Sequence[Tensor], outputs: Sequence[str]) -> tuple[bytes, dict[str, str]]:
    header = json.dumps(
        {
            "inputs": [
                {**_head(tensor), "parameters": {"binary_data_size": len(tensor.data)}} for tensor in inputs
            ],
            "outputs": [{"name": name, "parameters": {"binary_data": True}} for name in outputs],
        }
    ).encode()
    body = b"".join((header, *(tensor.data for tensor in inputs)))
    return body, {"Content-Type": "application/octet-stream", _JSON_LENGTH: str(len(header))}


def _as_json(inputs: Sequence[Tensor], outputs: Sequence[str]) -> tuple[bytes, dict[str, str]]:
    content = {
        "inputs": [{**_head(tensor), "data": unpacked(tensor)} for tensor in inputs],
        "outputs": [{"name": name} for name in outputs],
    }
    try:
        body = json.dumps(content, allow_nan=False).encode()
    except ValueError:
        reason = "an input has NaN or an infinity in it, and the server takes JSON only, which has none"
        raise NnError(Condition.COMPUTE_FAILED, reason) from None
    return body, {"Content-Type": "application/json"}


def _head(tensor: Tensor) -> dict[str, object]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}


def _answered(content: bytes, json_length: str | None) -> tuple[Tensor, ...]:
    """Return the outputs in an answer: JSON, and after that the bytes of those that are not in it."""
    length = len(content)
    if json_length is not None:
        if not (json_length.isascii() and json_length.isdecimal() and len(json_length) < len(str(1 << 64))):
            raise lies(f"`{_JSON_LENGTH}` is no number")
        length = int(json_length)
    if length > len(content):
        raise lies(f"`{_JSON_LENGTH}` is more than it has")
    given = _object(content[:length]).get("outputs")
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


def _output(given: dict[str, object], rest: memoryview) -> tuple[Tensor, memoryview]:
    name, datatype = str(given["name"]), shown(given.get("datatype"))
    shape = shape_of(given.get("shape"))
    parameters = given.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        return Tensor(name, datatype, shape, packed(given.get("datatype"), given.get("data"))), rest
    if type(size) is not int or not 0 <= size <= len(rest):
        raise lies(f"the output `{shown(name)}` has not as many bytes as it says")
    return Tensor(name, datatype, shape, bytes(rest[:size])), rest[size:]
