"""Connections for HTTP: made within a time, and read up to a number of bytes.

What is said on them is not known here.
"""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from host.backends.remote_tensors import too_large
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from io import BufferedReader

    from host.backends.remote_address import Remote

_HEAD_BYTES: Final = 1 << 16


def connected(remote: Remote, deadline: float) -> HTTPConnection:
    """Return a connection to the server; OSError, TimeoutError at the `deadline`.

    The handshake of TLS comes with the first byte that is sent: in the time of that.
    """
    context = _context(remote) if remote.has_tls else None
    made = _socket(remote, deadline)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body are sent one after the other
    made.settimeout(remote.timeout)
    if context is None:
        connection = HTTPConnection(remote.host, remote.port)
    else:
        connection = HTTPSConnection(remote.host, remote.port, context=context)
        made = context.wrap_socket(made, server_hostname=remote.host, do_handshake_on_connect=False)
    connection.sock = made
    return connection


def end(connected: socket.socket) -> None:
    """End a connection that another thread waits for; its HTTPConnection may have let go of it already."""
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not TLS's own, which would take state away


def has_ended(connection: HTTPConnection) -> bool:
    """Return whether a connection that was kept is no good: closed, or with bytes that nobody asked for."""
    made = connection.sock
    if made is None or (isinstance(made, ssl.SSLSocket) and made.pending()):
        return True
    poll = select.poll()
    poll.register(made, select.POLLIN)
    return bool(poll.poll(0))


def bounded(most: int) -> Any:  # noqa: ANN401 - a `response_class`, which need not be the class it is said to be
    """Return what makes responses that are read up to `most` bytes besides their head: NnError after that."""

    def made(connected: socket.socket, method: str) -> HTTPResponse:
        response = HTTPResponse(connected, method=method)
        response.fp = _Bounded(response.fp, most, most + _HEAD_BYTES)  # type: ignore[assignment]  # all that is used of it
        return response

    return made


@dataclass(slots=True)
class _Bounded:
    """A file of which so much can be read: `http.client` would read a chunk of -1 bytes until memory ends."""

    file: BufferedReader
    most: int
    left: int

    def read(self, size: int) -> bytes:
        if size < 0:
            raise HTTPException("the answer has a chunk of a negative size")
        return self._counted(self.file.read(size))

    def readline(self, limit: int) -> bytes:
        return self._counted(self.file.readline(limit))

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()

    def _counted(self, piece: bytes) -> bytes:
        self.left -= len(piece)
        if self.left < 0:
            raise too_large(self.most)
        return piece


def _socket(remote: Remote, deadline: float) -> socket.socket:
    """Return a socket to the first address that answers; each has its share of the time that is left."""
    places = socket.getaddrinfo(remote.host, remote.port, type=socket.SOCK_STREAM)
    problem = OSError("it has no address")
    for tried, (family, kind, protocol, _, place) in enumerate(places):
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(left / (len(places) - tried))
            made.connect(place)
        except OSError as error:
            made.close()
            problem = error
        else:
            return made
    raise problem


def _context(remote: Remote) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=remote.ca)
    except OSError as error:
        raise NnError(Condition.REMOTE_FAILED, f"`ca`: {error.strerror or error}") from error
