"""A server of a model that answers wrong by HTTP: each way gives its errno and a reason."""

from __future__ import annotations

from typing import Final

import pytest

from host.abi import NnErrno
from host.errors import Condition
from tests.host.guests import f32
from tests.host.remotes import binary, compute, failed, guest, output
from tests.servers import wrong
from tests.servers.wrong import METADATA, RIGHT, Act, Asked, reply


def tensors(**changed: object) -> dict[str, object]:
    """Return metadata whose input is changed."""
    return {**METADATA, "inputs": [{"name": "x", "datatype": "FP32", "shape": [2], **changed}]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 10_000,
        b"[]",
        b"null",
        b"{}",
        {"inputs": [], "outputs": []},
        {"inputs": {}, "outputs": {}},
        {"inputs": 3, "outputs": 3},
        {**METADATA, "inputs": ["x"]},
        {**METADATA, "outputs": []},
        {**METADATA, "inputs": METADATA["inputs"] * 2},  # type: ignore[operator]  # a list
        {**METADATA, "inputs": [{"name": f"x{n}", **wrong.PORT} for n in range(1025)]},
        tensors(name=""),
        tensors(name=None),
        tensors(name="a\x1b[2Jb"),
        tensors(name="a\nb"),
        tensors(name="x" * 2000),
        tensors(datatype="BYTES"),
        tensors(datatype="STRING"),
        tensors(datatype="FP8"),
        tensors(datatype="BF16"),
        tensors(datatype="BOOL"),
        tensors(datatype=7),
        tensors(datatype=["FP32"]),
        tensors(shape=None),
        tensors(shape="2"),
        tensors(shape=[2.0]),
        tensors(shape=[True]),
        tensors(shape=[-2]),
        tensors(shape=[1 << 70]),
        tensors(shape=[1] * 33),
        {**METADATA, "outputs": [{"name": "y", "datatype": "BYTES", "shape": [2]}]},
    ],
)
def test_metadata_that_cannot_be(content: object) -> None:
    with wrong.http(lambda _: reply(content)) as server:
        made = guest(f"v2+http://127.0.0.1:{server.port}/m")
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert failed(made)[0] is Condition.NAMED_MODEL_FAILED
    assert failed(made)[1].isprintable()


def test_metadata_of_as_many_tensors_as_may_be() -> None:
    many = {**METADATA, "inputs": [{"name": f"x{n}", **wrong.PORT} for n in range(1024)]}
    with wrong.http(lambda _: reply(many)) as server:
        assert guest(f"v2+http://127.0.0.1:{server.port}/m").load_by_name(b"m") == 0


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 429, 500, 503])
def test_status_at_load(status: int) -> None:
    with wrong.http(lambda _: reply({"error": "so it is"}, status)) as server:
        made = guest(f"v2+http://127.0.0.1:{server.port}/m")
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert f"it answered {status}" in failed(made)[1]


def test_load_that_failed_works_when_the_server_does() -> None:
    answers = [reply({}, 500), *[reply(METADATA)] * 2]
    with wrong.http(lambda _: answers.pop(0)) as server:
        made = guest(f"v2+http://127.0.0.1:{server.port}/m")
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
        assert made.load_by_name(b"m") == 0


LIES: Final = {
    "nothing": reply(b""),
    "garbage": reply(b"\x80garbage"),
    "no outputs": reply({}),
    "outputs are none": reply({"outputs": None}),
    "an output is none": reply({"outputs": [None]}),
    "no name": reply(output(name=None)),
    "another name": reply(output(name="z")),
    "name with control characters": reply(output(name="y\x1b[2J")),
    "one output too many": reply({"outputs": RIGHT["outputs"] * 2}),
    "another type": reply(output(datatype="FP64")),
    "no type": reply(output(datatype=None)),
    "bfloat16 as numbers": reply(output(datatype="BF16")),
    "another shape": reply(output(shape=[3], data=[1, 2, 3])),
    "another rank": reply(output(shape=[1, 2])),
    "a negative length": reply(output(shape=[-2])),
    "too few numbers": reply(output(data=[1])),
    "too many numbers": reply(output(data=[1, 2, 3])),
    "no data": reply(output(data=None)),
    "text for numbers": reply(output(data=["1", "2"])),
    "text": reply(output(data="12")),
    "an object for numbers": reply(output(data={"0": 1})),
    "ragged": reply(output(data=[[1], 2])),
    "a number too large": reply(output(data=[1, 10**400])),
    "a number too large for its type": reply(output(data=[1, 1e39])),
    "a number too large for any": reply(
        b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1e999, 1]}]}'
    ),
    "no number": reply(output(data=[float("nan"), 1])),
    "an infinity": reply(output(data=[float("inf"), 1])),
    "truths for numbers": reply(output(data=[True, False])),
    "a truth among numbers": reply(output(data=[1, True])),
    "an id that is none": reply({**RIGHT, "id": ["1"]}),
    "bytes short": binary(data=f32(1)),
    "bytes left over": binary(data=f32(1, 2, 3)),
    "a size that is none": binary(size="8"),
    "a negative size": binary(size=-8),
    "a size far too large": binary(size=1 << 40),
    "a header length too large": binary(length=1 << 40),
    "a header length that is none": binary(length="x"),
    "a header length of more than there is": reply(RIGHT, Inference_Header_Content_Length="1000"),
    "a header length of too many digits": binary(length="9" * 5000),
    "a negative header length": binary(length=-1),
    "compressed": reply(RIGHT, Content_Encoding="gzip"),
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES.keys())
def test_answer_that_cannot_be(answer: bytes) -> None:
    with wrong.http(wrong.model(lambda _: answer)) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m,timeout=5")
        assert made.reports[-1][1].errno is NnErrno.RUNTIME_ERROR
        assert failed(made)[0] is Condition.REMOTE_FAILED
        assert failed(made)[1].isprintable()
        assert made.call("get_output", 2, 0, 0, 64, 0) == NnErrno.RUNTIME_ERROR  # no old answer is given out


@pytest.mark.parametrize(
    ("status", "condition"),
    [
        (204, Condition.REMOTE_FAILED),
        (301, Condition.REMOTE_FAILED),
        (307, Condition.REMOTE_FAILED),
        (400, Condition.COMPUTE_FAILED),
        (401, Condition.REMOTE_FAILED),
        (404, Condition.REMOTE_FAILED),
        (408, Condition.REMOTE_FAILED),
        (413, Condition.COMPUTE_FAILED),
        (422, Condition.COMPUTE_FAILED),
        (429, Condition.REMOTE_BUSY),
        (500, Condition.REMOTE_FAILED),
        (502, Condition.REMOTE_FAILED),
        (503, Condition.REMOTE_BUSY),
    ],
)
def test_status_of_an_inference(status: int, condition: Condition) -> None:
    answer = reply({"error": "so\x1b it\nis"} if status != 204 else b"", status)
    with wrong.http(wrong.model(lambda _: answer)) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
    assert failed(made)[0] is condition
    assert str(status) in failed(made)[1]


def test_redirect_is_not_followed() -> None:
    with wrong.http(wrong.model()) as other:
        elsewhere = f"http://127.0.0.1:{other.port}/v2/models/m"
        with wrong.http(lambda _: reply({}, 307, Location=elsewhere)) as server:
            made = guest(f"v2+http://127.0.0.1:{server.port}/m")
            assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert not other.asked
    assert "redirects are not followed" in failed(made)[1]


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with wrong.http(wrong.model()) as proxy, wrong.http(wrong.model()) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        assert not compute(f"v2+http://127.0.0.1:{server.port}/m").reports
        assert guest(f"v2+grpc://127.0.0.1:{server.port}/m,timeout=1").load_by_name(b"m")
    assert not proxy.asked


@pytest.mark.parametrize("act", [Act.CLOSE, Act.RESET])
def test_reset_mid_answer_and_the_next_call_works(act: Act) -> None:
    whole = reply(RIGHT)
    answers: list[wrong.Answer] = [(whole[:-5], act), whole]
    with wrong.http(wrong.model(lambda _: answers.pop(0))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert failed(made)[0] is Condition.REMOTE_FAILED
        assert made.call("compute", 2) == 0
        assert made.output(2) == f32(1, 2)


def test_connection_that_the_server_closed_between_calls_is_made_anew() -> None:
    with wrong.http(wrong.model(lambda _: (reply(RIGHT), Act.CLOSE))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert server.closed.acquire(timeout=5), "that of the metadata"
        for _ in range(3):
            assert server.closed.acquire(timeout=5)
            assert made.call("compute", 2) == 0, made.reports


@pytest.mark.parametrize("status", [403, 404, 405, 410, 501])
def test_server_that_has_no_page_of_its_extensions_gets_json(status: int) -> None:
    def answer(asked: Asked) -> wrong.Answer:
        return reply({}, status) if asked.path == "/v2" else wrong.model()(asked)

    with wrong.http(answer) as server:
        assert compute(f"v2+http://127.0.0.1:{server.port}/m").output(2) == f32(1, 2)


@pytest.mark.parametrize(
    "said", [reply({}, 503), reply({}, 500), reply(b"<html>"), (b"", Act.RESET), (b"", Act.HANG)]
)
def test_server_that_does_not_tell_its_extensions_now_is_asked_again(said: wrong.Answer) -> None:
    """JSON for ever is not what comes of a moment."""
    pages: list[wrong.Answer] = [said, reply({"extensions": ["binary_tensor_data"]})]

    def answer(asked: Asked) -> wrong.Answer:
        if asked.path == "/v2":
            return pages.pop(0)
        return wrong.model(lambda _: binary())(asked)

    with wrong.http(answer) as server:
        made = guest(f"v2+http://127.0.0.1:{server.port}/m,timeout=0.5")
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
        assert made.load_by_name(b"m") == 0
        context = made.context_of(made.u32())
        assert made.infer(context, f32(1, 2), (2,)) == f32(1, 2)
    assert server.asked[-1].headers["content-type"] == "application/octet-stream"


def test_answer_that_ends_early_says_so() -> None:
    with wrong.http(wrong.model(lambda _: (reply(RIGHT)[:-5], Act.CLOSE))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
    assert "the answer ended 5 bytes early" in failed(made)[1]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b'{"error": "so it is"}', "400: so it is"),
        (b'{"error": ["so"]}', '400: {"error": ["so"]}'),
        (b'{"detail": "so"}', '400: {"detail": "so"}'),
        (b"so\n it is \xff", "400: so it is \ufffd"),
        (b"", "400: Said"),
    ],
)
def test_reason_of_an_error(said: bytes, told: str) -> None:
    with wrong.http(wrong.model(lambda _: reply(said, 400))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
    assert failed(made)[1].endswith(told)


def test_reason_is_not_long() -> None:
    with wrong.http(wrong.model(lambda _: reply({"error": "x" * 5000}, 400))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
    assert failed(made)[1].endswith("x...")
    assert len(failed(made)[1]) < 500
