"""A model on a server of the Open Inference Protocol v2, by HTTP: calls, their time, and what errors mean.

No redirect is followed, no proxy asked and nothing sent twice. `tritonclient` has an HTTP client too; it
reads answers of any size for any time, and one cannot use it from several threads. The bodies are in
`host.backends.remote_http_body`, the connections in `host.backends.remote_http_connection`.
"""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from http.client import BadStatusLine, HTTPConnection, HTTPException, HTTPResponse
from itertools import count
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from host.backends.remote_http_body import (
    JSON_LENGTH,
    answered,
    as_bytes,
    as_json,
    json_object,
    metadata_in,
)
from host.backends.remote_http_connection import bounded, connected, end, has_ended
from host.backends.remote_tensors import (
    ELEMENTS,
    METADATA_BYTES,
    Metadata,
    Tensor,
    answer_bytes,
    lies,
    too_large,
)
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from host.backends.remote_address import Remote
    from host.backends.remote_credential import Credential

_BINARY: Final = "binary_tensor_data"
"""What a server lists among its extensions that takes and gives tensors as bytes."""

_PIECE: Final = 1 << 20
_ERROR_BYTES: Final = 1 << 16
"""What an error may have that is shown: in part none is, for a credential could be cut off in it."""

_NO_SUCH_PAGE: Final = frozenset(
    {
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.GONE,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
"""The answers of a server that has the model, and does not say what it can do."""

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

    def __init__(self, remote: Remote, credential: Credential) -> None:
        """Prepare calls to `remote`; nothing is sent yet."""
        self._remote = remote
        self._credential = credential
        self._is_binary = False
        self._most = METADATA_BYTES

    @property
    def remark(self) -> str:
        """How tensors travel."""
        return f"by HTTP, tensors as {'bytes' if self._is_binary else 'JSON'}"

    def link(self) -> HttpLink:
        """Return a new connection, made at its first call."""
        return HttpLink(self._remote, self._credential, self._most, is_binary=self._is_binary)

    def metadata(self) -> Metadata:
        """Ask the server for its extensions and the model's metadata."""
        link = self.link()
        try:
            found = metadata_in(_content(*link.get(_model_path(self._remote))))
            extensions = _extensions(link)
        finally:
            link.close()
        # Some servers take bytes and do not say so: where JSON cannot carry a type, bytes are tried.
        needs_bytes = any(ELEMENTS[each.datatype].code is None for each in (*found.inputs, *found.outputs))
        self._is_binary = _BINARY in extensions or needs_bytes
        self._most = answer_bytes(found)
        return found


class HttpLink:
    """A connection that is kept from call to call; for one thread at a time."""

    def __init__(self, remote: Remote, credential: Credential, most: int, *, is_binary: bool) -> None:
        """Prepare calls to `remote`, with tensors as bytes or not; an answer may have `most` bytes."""
        self._remote = remote
        self._credential = credential
        self._most = most
        self._is_binary = is_binary
        self._calls = count(1)
        self._connection: HTTPConnection | None = None

    def __del__(self) -> None:
        """End the connection with the context that has it."""
        self.close()

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> tuple[Tensor, ...]:
        """Send the inputs; return the outputs as they come, as bytes or as JSON."""
        path, call = f"{_model_path(self._remote)}/infer", str(next(self._calls))
        if self._is_binary:
            status, answer, header = self._call("POST", path, *as_bytes(call, inputs, outputs))
            can_go_as_json = all(ELEMENTS[tensor.datatype].code for tensor in inputs)
            if status != HTTPStatus.UNSUPPORTED_MEDIA_TYPE or not can_go_as_json:
                return answered(call, _content(status, answer), header)
            self._is_binary = False
        status, answer, header = self._call("POST", path, *as_json(call, inputs, outputs))
        return answered(call, _content(status, answer), header)

    def get(self, path: str) -> tuple[int, bytes]:
        """Return the status and the content of the page at `path`."""
        return self._call("GET", path)[:2]

    def close(self) -> None:
        """End the connection; the next call makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, str | None]:
        """Return status, content and the length of the JSON in it; of a status of no success, the reason."""
        sent = {**(headers or {}), **self._credential.headers()}
        with self._in_time() as connection:
            connection.request(method, path, body, sent)
            with connection.getresponse() as response:
                content = _read(response, self._most)
                if not response.isclosed():  # there may be more of it, which is no answer to the next call
                    self.close()
        if response.status != HTTPStatus.OK:
            return response.status, (_reason(content) or response.reason).encode(), None
        return response.status, content, response.getheader(JSON_LENGTH)

    @contextmanager
    def _in_time(self) -> Iterator[HTTPConnection]:
        """Give the connection for one call, and end it when the call fails or takes too long."""
        deadline = monotonic() + self._remote.timeout
        timer, is_done = None, False
        try:
            connection = self._connected(deadline)
            # A time on the socket alone begins again with each byte that a server lets drip.
            timer = Timer(max(deadline - monotonic(), 0), end, [connection.sock])
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
                reason = f"the connection failed: {_why(error)}"
            # Without its cause: that may have what the server said.
            raise NnError(Condition.REMOTE_FAILED, reason) from None
        finally:
            if timer is not None:
                timer.cancel()
            if not is_done:
                self.close()

    def _connected(self, deadline: float) -> HTTPConnection:
        """Return the connection, made if need be."""
        if self._connection is not None and has_ended(self._connection):
            self.close()
        if self._connection is None:
            self._connection = connected(self._remote, deadline)
            self._connection.response_class = bounded(2 * self._most)  # with what frames it
        return self._connection


def _read(response: HTTPResponse, most: int) -> bytes:
    """Return the content, whole; of an error that is long not even a part."""
    if response.status < HTTPStatus.OK:
        raise HTTPException(f"it answered {response.status}, which is no answer")
    if response.getheader("Content-Encoding", "identity") != "identity":
        raise lies("it is compressed, which nobody asked for")
    is_error = response.status != HTTPStatus.OK
    most = _ERROR_BYTES if is_error else most
    pieces, size, told = [], 0, response.length or 0
    while max(told, size) <= most and (piece := response.read(_PIECE)):
        pieces.append(piece)
        size += len(piece)
    if max(told, size) > most:
        if is_error:
            return f"more than {most} bytes".encode()
        raise too_large(most)
    if response.length:
        raise HTTPException(f"the answer ended {response.length} bytes early")
    return b"".join(pieces)


def _why(error: Exception) -> str:
    if isinstance(error, BadStatusLine) and str(error).startswith("\0\0"):
        return "what it answers is HTTP/2: is this its port for gRPC?"
    return str(error) or type(error).__name__


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
        said = json_object(content).get("error")
    except NnError:
        said = None
    return said if isinstance(said, str) else content.decode(errors="replace").strip()


def _model_path(remote: Remote) -> str:
    version = f"/versions/{quote(remote.version, safe='')}" if remote.version else ""
    return f"/v2/models/{quote(remote.model, safe='')}{version}"


def _extensions(link: HttpLink) -> list[object]:
    """Return what the server says it can do; a server may have no page for it."""
    status, content = link.get("/v2")
    if status in _NO_SUCH_PAGE:
        return []
    found = json_object(_content(status, content)).get("extensions")
    return found if isinstance(found, list) else []
