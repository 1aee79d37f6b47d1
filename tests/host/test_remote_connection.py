"""A connection to a server that breaks, hangs or is not to be trusted: an errno and a reason, in time."""

from __future__ import annotations

import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from host.abi import NnErrno
from host.errors import Condition
from tests.host.guests import f32
from tests.host.remotes import answer, by_grpc, compute, failed, guest, metadata_of
from tests.servers import wrong
from tests.servers.wrong import Act, Heard

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


def test_other_servers_are_heard() -> None:
    """The servers of these tests do answer: what fails above fails for its own reason."""
    with wrong.http(wrong.model()) as server:
        assert isinstance(server, Heard)
        assert compute(f"v2+http://127.0.0.1:{server.port}/m").output(2) == f32(1, 2)
    with by_grpc(lambda *_: answer().SerializeToString()) as text:
        assert compute(text).output(2) == f32(1, 2)
