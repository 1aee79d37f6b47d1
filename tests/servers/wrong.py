"""Servers that speak wrong, over real sockets: for what a host does when a server of a model fails it."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]  # it has no types

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PORT: Final = {"datatype": "FP32", "shape": [2]}
METADATA: Final = {"name": "m", "inputs": [{"name": "x", **PORT}], "outputs": [{"name": "y", **PORT}]}
"""Of a model that takes and gives f32 [2]."""

RIGHT: Final = {"outputs": [{"name": "y", **PORT, "data": [1, 2]}]}
"""An answer of that model's."""


_DRIPS: Final = 100


class Act(Enum):
    """What a server does after it has sent what there is."""

    GO_ON = 0
    CLOSE = 1
    RESET = 2
    HANG = 3
    DRIP = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    """On which it came: a number that no other connection of the server's has."""


Answer = bytes | tuple[bytes, Act]


@dataclass(slots=True)
class Heard:
    """A server that runs, and what it was asked."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    closed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released for each connection that the server has closed."""


def reply(content: object = None, status: int = 200, **headers: str) -> bytes:
    """Return an HTTP response: JSON, or bytes as they are."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def model(
    infer: Callable[[Asked], Answer] = lambda _: reply(RIGHT),
    metadata: object = METADATA,
    extensions: tuple[str, ...] = (),
) -> Callable[[Asked], Answer]:
    """Return what answers for a model, right as far as it is not told otherwise."""

    def answer(asked: Asked) -> Answer:
        if asked.path == "/v2":
            return reply({"extensions": extensions})
        return infer(asked) if asked.path.endswith("/infer") else reply(metadata)

    return answer


@contextmanager
def http(answer: Callable[[Asked], Answer], tls: ssl.SSLContext | None = None) -> Iterator[Heard]:
    """Serve HTTP on the loopback, each connection in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as open_ones:
        heard = Heard(listener.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(listener, heard, answer, tls, open_ones), daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            heard.over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(
    listener: socket.socket,
    heard: Heard,
    answer: Callable[[Asked], Answer],
    tls: ssl.SSLContext | None,
    open_ones: ExitStack,
) -> None:
    while not heard.over.is_set():
        with suppress(OSError):
            accepted, _ = listener.accept()
            connection = tls.wrap_socket(accepted, server_side=True) if tls else accepted
            open_ones.callback(connection.close)
            threading.Thread(target=_serve, args=(connection, heard, answer), daemon=True).start()


def _serve(connection: socket.socket, heard: Heard, answer: Callable[[Asked], Answer]) -> None:
    _converse(connection, heard, answer)
    heard.closed.release()


def _converse(connection: socket.socket, heard: Heard, answer: Callable[[Asked], Answer]) -> None:
    with suppress(OSError, ValueError), connection, connection.makefile("rb") as reader:
        while line := reader.readline():
            method, path, _ = line.decode().split(" ", 2)
            headers = {}
            while (line := reader.readline().strip()) and b":" in line:
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = reader.read(int(headers.get("content-length", 0)))
            asked = Asked(method, path, headers, body, id(connection))
            heard.asked.append(asked)
            given = answer(asked)
            content, act = given if isinstance(given, tuple) else (given, Act.GO_ON)
            connection.sendall(content)
            if not _goes_on(connection, heard, act):
                return


def _goes_on(connection: socket.socket, heard: Heard, act: Act) -> bool:
    match act:
        case Act.HANG:
            heard.over.wait()
        case Act.DRIP:
            for _ in range(_DRIPS):  # not for ever: a host that waits for it is to fail, not to hang
                if not heard.over.wait(0.05):
                    connection.sendall(b"x")
        case Act.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return act is Act.GO_ON


@contextmanager
def blunt(act: Act, words: bytes = b"") -> Iterator[int]:
    """Accept every connection, send `words` and do `act`, whatever is said; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard, held = Heard(listener.getsockname()[1]), []

        def accept() -> None:
            while not heard.over.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    connection.sendall(words)
                    _goes_on(connection, heard, Act.GO_ON if act is Act.HANG else act)
                    held.append(connection) if act is Act.HANG else connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield heard.port
        finally:
            heard.over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()


@contextmanager
def by_grpc(
    metadata: Callable[[Any, Any], bytes],
    infer: Callable[[Any, Any], bytes],
    tls: tuple[bytes, bytes] = (b"", b""),
) -> Iterator[int]:
    """Serve gRPC on the loopback: each method gets and gives bytes, and a context to fail with."""
    handlers = {
        "ModelMetadata": grpc.unary_unary_rpc_method_handler(metadata),
        "ModelInfer": grpc.unary_unary_rpc_method_handler(infer),
    }
    server = grpc.server(ThreadPoolExecutor(2), options=(("grpc.max_send_message_length", -1),))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("inference.GRPCInferenceService", handlers),)
    )
    if any(tls):
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([tls]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def certificate(folder: Path, name: str = "IP:127.0.0.1") -> tuple[Path, Path]:
    """Make a certificate of the loopback's, signed by itself, and its key, by `openssl`."""
    key, made = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=test", "-addext", f"subjectAltName={name}", "-days", "2"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return made, key
