"""A connection to a server that breaks, hangs or is not to be trusted: an errno and a reason, in time."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import time
import warnings
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from host.abi import NnErrno
from host.backends.remote_http_connection import connected
from host.errors import Condition
from tests.host.guests import f32
from tests.host.remotes import address, answer, by_grpc, compute, failed, guest, metadata_of, output
from tests.servers import wrong
from tests.servers.wrong import RIGHT, Act, Asked, Heard, reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize("scheme", ["v2+grpc", "v2+http"])
def test_refused(scheme: str) -> None:
    made = guest(f"{scheme}://127.0.0.1:1/m")
    assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    condition, reason = failed(made)
    assert condition is Condition.NAMED_MODEL_FAILED
    assert "refused" in reason.lower()
    assert "127.0.0.1:1/m" in reason


@pytest.mark.parametrize("scheme", ["v2+grpc", "v2+http", "v2+grpcs", "v2+https"])
@pytest.mark.parametrize(
    ("act", "words"),
    [
        (Act.CLOSE, b""),
        (Act.RESET, b""),
        (Act.CLOSE, b"\0\xff garbage \r\n\r\n"),
        (Act.CLOSE, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"),
        (Act.RESET, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"),
        (Act.CLOSE, b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
        (Act.CLOSE, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        (Act.CLOSE, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n{}"),
        (Act.CLOSE, b"HTTP/1.1 200 OK\r\nX: " + bytes(1 << 17) + b"\r\n\r\n{}"),
    ],
)
def test_connection_that_breaks(scheme: str, act: Act, words: bytes) -> None:
    with wrong.blunt(act, words) as port:
        made = guest(f"{scheme}://127.0.0.1:{port}/m,timeout=2")
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
        assert failed(made)[0] is Condition.NAMED_MODEL_FAILED


@pytest.mark.parametrize("scheme", ["v2+grpc", "v2+http", "v2+grpcs", "v2+https"])
def test_server_that_says_nothing_ends_with_its_time(scheme: str) -> None:
    with wrong.blunt(Act.HANG) as port:
        made, before = guest(f"{scheme}://127.0.0.1:{port}/m,timeout=0.3"), time.monotonic()
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert time.monotonic() - before < 5
    assert "0.3 s" in failed(made)[1] or "UNAVAILABLE" in failed(made)[1]


@pytest.mark.parametrize(
    "words", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"]
)
def test_bytes_that_drip_do_not_lengthen_the_time(words: bytes) -> None:
    with wrong.http(lambda _: (words, Act.DRIP)) as server:
        made, before = guest(f"v2+http://127.0.0.1:{server.port}/m,timeout=0.4"), time.monotonic()
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
        assert time.monotonic() - before < 3
    assert "no answer within 0.4 s" in failed(made)[1]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate of 127.0.0.1 and its key."""
    return wrong.certificate(tmp_path_factory.mktemp("tls"))


@contextmanager
def with_tls(scheme: str, made: tuple[Path, Path]) -> Iterator[int]:
    """Serve the right model by TLS."""
    if scheme == "v2+grpcs":
        tls = made[1].read_bytes(), made[0].read_bytes()
        said = answer().SerializeToString()
        with wrong.by_grpc(lambda *_: metadata_of(), lambda *_: said, tls) as port:
            yield port
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*made)
        with wrong.http(wrong.model(), context) as server:
            yield server.port


@pytest.mark.parametrize("scheme", ["v2+grpcs", "v2+https"])
def test_tls_with_the_right_certificate(scheme: str, certificate: tuple[Path, Path]) -> None:
    with with_tls(scheme, certificate) as port:
        made = compute(f"{scheme}://127.0.0.1:{port}/m,ca={certificate[0]}")
        assert made.output(2) == f32(1, 2)


@pytest.mark.parametrize("scheme", ["v2+grpcs", "v2+https"])
def test_tls_with_a_certificate_that_nobody_signed(scheme: str, certificate: tuple[Path, Path]) -> None:
    with with_tls(scheme, certificate) as port:
        made = guest(f"{scheme}://127.0.0.1:{port}/m,timeout=2")
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR


@pytest.mark.parametrize("scheme", ["v2+grpcs", "v2+https"])
def test_tls_with_the_certificate_of_another(scheme: str, tmp_path: Path) -> None:
    other = wrong.certificate(tmp_path, "DNS:example.com")
    with with_tls(scheme, other) as port:
        made = guest(f"{scheme}://127.0.0.1:{port}/m,timeout=2,ca={other[0]}")
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR


@pytest.mark.parametrize("scheme", ["v2+grpcs", "v2+https"])
def test_certificates_that_are_none(scheme: str, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("none")
    made = guest(f"{scheme}://127.0.0.1:1/m,timeout=2,ca={ca}")
    assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR


@pytest.mark.parametrize("scheme", ["v2+grpcs", "v2+https"])
def test_tls_is_never_left_out(scheme: str) -> None:
    with wrong.http(wrong.model()) as server:
        made = guest(f"{scheme}://127.0.0.1:{server.port}/m,timeout=2")
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert not server.asked


@pytest.mark.parametrize("status", ["101 Switching Protocols", "102 Processing", "103 Early Hints"])
def test_status_that_is_no_answer_does_not_put_the_answers_behind(status: str) -> None:
    """The answer that follows it, and may be long in coming, is not the one to the next call."""
    numbers, due = itertools.count(1), defaultdict[int, list[int]](list)

    def infer(asked: Asked) -> wrong.Answer:
        number = next(numbers)
        due[asked.connection].append(number)
        if number == 1:
            return f"HTTP/1.1 {status}\r\n\r\n".encode()
        return reply(output(data=[due[asked.connection].pop(0)] * 2))

    with wrong.http(wrong.model(infer)) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert failed(made)[0] is Condition.REMOTE_FAILED
        for number in (2, 3):
            assert made.call("compute", 2) == 0, made.reports
            assert made.output(2) == f32(number, number)


def test_answer_to_another_request_is_refused() -> None:
    """A server says which request it answers; one that comes late is not taken for the next."""

    def infer(asked: Asked) -> wrong.Answer:
        return reply({**RIGHT, "id": json.loads(asked.body)["id"]})

    def late(asked: Asked) -> wrong.Answer:
        return reply({**RIGHT, "id": str(int(json.loads(asked.body)["id"]) - 1)})

    with wrong.http(wrong.model(infer)) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert made.call("compute", 2) == 0
    assert len({json.loads(asked.body)["id"] for asked in server.asked if asked.body}) == 2
    with wrong.http(wrong.model(late)) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
    assert "the one to another request" in failed(made)[1]


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 500 Said\r\nContent-Length: 200000\r\n\r\n",
        reply(RIGHT, Content_Encoding="gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n",
        reply(b"x" * 2_000_000),
    ],
)
def test_connection_is_not_kept_whose_answer_was_not_read_to_its_end(said: bytes) -> None:
    answers: list[bytes] = [said, reply(RIGHT), reply(RIGHT)]
    with wrong.http(wrong.model(lambda _: answers.pop(0))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert made.reports
        for _ in range(2):
            assert made.call("compute", 2) == 0, made.reports
    connections = [asked.connection for asked in server.asked if asked.method == "POST"]
    assert connections[0] != connections[1] == connections[2]


@pytest.mark.parametrize("has_tls", [False, True])
def test_bytes_behind_an_answer_do_not_reach_the_next_call(
    has_tls: bool,  # noqa: FBT001 - a case
    certificate: tuple[Path, Path],
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    behind = reply(output(data=[8, 8])) * 100  # more than is read ahead
    answers = [reply(RIGHT) + behind, reply(RIGHT)]
    with wrong.http(wrong.model(lambda _: answers.pop(0)), context if has_tls else None) as server:
        scheme, option = ("v2+https", f",ca={certificate[0]}") if has_tls else ("v2+http", "")
        made = compute(f"{scheme}://127.0.0.1:{server.port}/m{option}")
        assert made.call("compute", 2) == 0, made.reports
        assert made.output(2) == f32(1, 2)


@pytest.mark.parametrize("act", [Act.CLOSE, Act.RESET])
def test_request_is_not_sent_again_to_a_server_that_drops_it(act: Act) -> None:
    with wrong.http(wrong.model(lambda _: (b"", act))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert failed(made)[0] is Condition.REMOTE_FAILED
    assert [asked.method for asked in server.asked] == ["GET", "GET", "POST"]


def test_connection_ends_with_its_context() -> None:
    with wrong.http(wrong.model()) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert server.closed.acquire(timeout=5), "that of the metadata"
        assert made.call("finalize_execution_context", 2) == 0
        assert server.closed.acquire(timeout=5)
    assert not [each for each in caught if "socket" in str(each.message)], (
        "left to be found by the interpreter"
    )


@contextmanager
def deaf() -> Iterator[tuple[str, ...]]:
    """Give addresses of one port at which nobody accepts, and connecting takes for ever."""
    with ExitStack() as open_ones:
        first = open_ones.enter_context(socket.create_server(("127.0.0.2", 0), backlog=0))
        places = [first.getsockname(), ("127.0.0.3", first.getsockname()[1])]
        open_ones.enter_context(socket.create_server(places[1], backlog=0))
        for place in places:
            for _ in range(4):
                waits = open_ones.enter_context(socket.socket())
                waits.setblocking(False)  # noqa: FBT003 - its only argument
                waits.connect_ex(place)
        yield tuple(f"{host}:{port}" for host, port in places)


def resolving(monkeypatch: pytest.MonkeyPatch, *places: str) -> None:
    """Have every host be at these addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, int(port)))
             for host, _, port in (place.partition(":") for place in places)]  # fmt: skip
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_time_is_for_all_addresses_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with deaf() as places:
        resolving(monkeypatch, *places)
        made, before = guest("v2+http://two:1/m,timeout=0.6"), time.monotonic()
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert time.monotonic() - before < 1
    assert "no answer within 0.6 s" in failed(made)[1]


def test_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        deaf() as places,
        wrong.http(wrong.model()) as server,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always", ResourceWarning)
        resolving(monkeypatch, places[0], f"127.0.0.1:{server.port}")
        assert guest("v2+http://two:1/m,timeout=2").load_by_name(b"m") == 0
    assert not caught


def test_time_of_an_answer_is_not_that_of_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with wrong.http(wrong.model()) as server:
        resolving(monkeypatch, f"127.0.0.1:{server.port}", "127.0.0.1:1")
        made = connected(address("v2+http://two:1/m,timeout=60"), time.monotonic() + 60)
        assert made.sock.gettimeout() == 60
        made.close()


def test_handshake_that_drips_does_not_lengthen_the_time() -> None:
    with wrong.blunt(Act.DRIP, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc") as port:
        made, before = guest(f"v2+https://127.0.0.1:{port}/m,timeout=0.4"), time.monotonic()
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
        assert time.monotonic() - before < 2
    assert "no answer within 0.4 s" in failed(made)[1]


def test_port_for_grpc_that_is_asked_by_http_is_told() -> None:
    with by_grpc(lambda *_: b"") as text:
        made = guest(text.replace("v2+grpc", "v2+http"))
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert "is this its port for gRPC?" in failed(made)[1]


def test_other_servers_are_heard() -> None:
    """The servers of these tests do answer: what fails above fails for its own reason."""
    with wrong.http(wrong.model()) as server:
        assert isinstance(server, Heard)
        assert compute(f"v2+http://127.0.0.1:{server.port}/m").output(2) == f32(1, 2)
    with by_grpc(lambda *_: answer().SerializeToString()) as text:
        assert compute(text).output(2) == f32(1, 2)
