"""What a server of a model answers by HTTP is read up to what the answer may have."""

from __future__ import annotations

import json
import time
from typing import Final

import pytest

from host.backends.remote_tensors import answer_bytes, described
from host.errors import Condition
from tests.host.guests import f32
from tests.host.remotes import compute, failed, guest
from tests.servers import wrong
from tests.servers.wrong import METADATA, RIGHT, Act, Asked, reply

LONG: Final = 2 << 20
"""More bytes than an answer of two numbers may have."""


def chunked(*sizes: bytes) -> bytes:
    """Return the head of an answer in chunks of these sizes, and as many bytes as there can be in them."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(size + b"\r\n" + bytes(LONG) + b"\r\n" for size in sizes)


TOO_LONG: Final = {
    "as it says": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", Act.HANG),
    "all there": reply(bytes(LONG)),
    "without an end": (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(LONG), Act.HANG),
    "in chunks": (chunked(*[f"{LONG:x}".encode()] * 3), Act.HANG),
    "in a chunk": (chunked(b"ffffffffffffffff"), Act.HANG),
    "in what describes chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 + b"1;%b\r\nx\r\n" % (b"y" * 9000) * 500, Act.HANG),
    "before it begins": (b"HTTP/1.1 100 Continue\r\n\r\n" * (LONG // 8), Act.HANG),
}  # fmt: skip


@pytest.mark.parametrize("said", TOO_LONG.values(), ids=TOO_LONG.keys())
@pytest.mark.parametrize("is_metadata", [True, False])
def test_answer_that_is_too_long_is_not_read(said: wrong.Answer, is_metadata: bool) -> None:  # noqa: FBT001 - a case
    def metadata(asked: Asked) -> wrong.Answer:
        return said if is_metadata else wrong.model(lambda _: said)(asked)

    with wrong.http(metadata) as server:
        text = f"v2+http://127.0.0.1:{server.port}/m,timeout=20"
        before = time.monotonic()
        made = guest(text)
        assert (made.load_by_name(b"m") != 0) is is_metadata
        if not is_metadata:
            made = compute(text)
            assert failed(made)[0] is Condition.ABSURD_SIZE
    assert "the server's answer has more than" in failed(made)[1]
    assert time.monotonic() - before < 10


def test_chunk_of_a_negative_size_is_refused() -> None:
    with wrong.http(wrong.model(lambda _: (chunked(b"-1"), Act.HANG))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m,timeout=20")
    assert failed(made)[0] is Condition.REMOTE_FAILED
    assert "a chunk of a negative size" in failed(made)[1]


def test_outputs_say_how_long_an_answer_may_be() -> None:
    """Here of three MiB, where two numbers may have one and a little."""
    port = {"name": "y", "datatype": "UINT8", "shape": [3 << 20]}
    head = json.dumps({"outputs": [{**port, "parameters": {"binary_data_size": 3 << 20}}]}).encode()
    said = reply(head + bytes(3 << 20), Inference_Header_Content_Length=str(len(head)))
    with wrong.http(wrong.model(lambda _: said, {**METADATA, "outputs": [port]})) as server:
        assert not compute(f"v2+http://127.0.0.1:{server.port}/m").reports
    port["shape"] = [-1]
    with wrong.http(wrong.model(lambda _: said, {**METADATA, "outputs": [port]})) as server:
        assert not compute(f"v2+http://127.0.0.1:{server.port}/m").reports


MIB: Final = 1 << 20


@pytest.mark.parametrize(
    ("outputs", "most"),
    [
        ([("y", "FP32", [2])], MIB + 64),
        ([("y", "FP32", []), ("z", "UINT8", [3])], MIB + 128),
        ([("y", "UINT8", [MIB])], 33 * MIB),
        ([("y", "UINT8", [4 * MIB])], 65 * MIB),
        ([("y", "FP64", [50, MIB])], 401 * MIB),
        ([("y", "FP64", [MIB, MIB])], 1024 * MIB),
        ([("y", "FP32", [2]), ("z", "UINT8", [-1])], 1024 * MIB),
    ],
)
def test_outputs_may_come_as_bytes_or_as_numbers(outputs: list[tuple[object, ...]], most: int) -> None:
    """Of 32 characters each, as long as all the JSON has at most 64 MiB."""
    assert answer_bytes(described([("x", "FP32", [2])], outputs)) == most


def test_answer_in_chunks_is_read() -> None:
    body = json.dumps(RIGHT).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, body[i : i + 1]) for i in range(len(body))) + b"0\r\n\r\n"
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    with wrong.http(wrong.model(lambda _: said)) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert made.output(2) == f32(1, 2)
        assert made.call("compute", 2) == 0
    assert len({asked.connection for asked in server.asked}) == 2, (
        "that of the metadata, and one that was kept"
    )


def test_error_that_is_long_is_not_read_or_told() -> None:
    with wrong.http(wrong.model(lambda _: reply(b"a " * (30 << 20), 500))) as server:
        before = time.monotonic()
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert time.monotonic() - before < 2
    assert failed(made)[1].endswith("it answered 500: more than 65536 bytes")


def test_json_over_its_cap_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.backends.remote_http_body.JSON_BYTES", 200)
    long = {**RIGHT, "x": "x" * 300}
    with wrong.http(wrong.model(lambda _: reply(long))) as server:
        assert failed(compute(f"v2+http://127.0.0.1:{server.port}/m"))[0] is Condition.ABSURD_SIZE
