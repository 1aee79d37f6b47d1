"""A model on a server that fails: each way gives its errno and a reason, in time, and tells no secret."""

from __future__ import annotations

import json
import ssl
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]  # it has no types
import pytest
from tritonclient.grpc import service_pb2  # type: ignore[import-untyped]  # likewise

from host.abi import NnErrno, TensorType
from host.api import Graphs
from host.backends import remote_tensors
from host.backends.remote import connect
from host.backends.remote_address import Remote
from host.commands.results import identity
from host.errors import Condition, NnError
from host.job import Bounds, Job
from host.models.files import RegistrationError
from host.models.graphs import from_manifest, from_text, register
from host.nn import Limits, Serving, Session
from tests.host.guests import Guest, f32
from tests.host.scripts import command, inference
from tests.servers import wrong
from tests.servers.wrong import METADATA, RIGHT, Act, Asked, Heard, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from host.backends import Backend

ROOT: Final = Path(__file__).resolve().parents[2]
SECRET: Final = "s3cr3t-t0ken"  # noqa: S105 - no real one
M = service_pb2


def address(text: str) -> Remote:
    """Return the address in what `--graph` takes."""
    path = from_text(f"m={text}").model.path
    assert isinstance(path, Remote)
    return path


def guest(text: str) -> Guest:
    """Return a guest with a model on a server, `m`."""

    def none() -> Backend:
        raise AssertionError("a remote model needs no backend")

    return Guest(Session(none, register([from_text(f"m={text}")]), lambda _: None))


def compute(text: str) -> Guest:
    """Return a guest that has loaded `m` and computed on [1, 2]; how that went is in its reports."""
    made = guest(text)
    assert made.load_by_name(b"m") == 0, made.reports
    context = made.context_of(made.u32())
    assert made.set_input(context, f32(1, 2), (2,)) == 0, made.reports
    made.call("compute", context)
    return made


def failed(made: Guest) -> tuple[Condition, str]:
    """Return what the last call that failed failed with."""
    assert made.reports, "nothing failed"
    error = made.reports[-1][1]
    return error.condition, error.reason


# What an operator writes


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("v2+grpc://h/m", "it must be"),
        ("v2+grpc://h:0/m", "it must be"),
        ("v2+grpc://:1/m", "it must be"),
        ("v2+grpc://h:1", "it must be"),
        ("v2+grpc://h:1/m/1/2", "it must be"),
        ("v2+grpc://h:1/", "have a name"),
        ("v2+grpc://h:1/m/", "have a name"),
        ("v2+http://h:1/..", "have a name"),
        ("v2+http://h:1/%2e%2e", "have a name"),
        ("v2+http://h:1/m%0d%0aX", "have a name"),
        ("v2+http://h:1/m%ff", "not UTF-8"),
        ("v2+http://h:1/m\nX", "control characters"),
        ("v2+http://h:1/a b", "blanks"),
        ("v2+grpc://h:65536/m", "the port is none"),
        ("v2+grpc://h:x/m", "the port is none"),
        ("v2+grpc://[::g]:1/m", "the host"),
        ("v2+grpc://unix%3a:1/m", "it must be"),
        ("v2+tcp://h:1/m", "there is no such scheme, only v2+grpc, v2+grpcs, v2+http, v2+https"),
        ("v2+http://h:1/m?x=1", "`?`"),
        ("v2+http://h:1/m#x", "`?`"),
        ("v2+http://h:1/m,device=CPU", "has no `device`, only timeout, ca, header"),
        ("v2+http://h:1/m,sha256=0", "has no `sha256`"),
        ("v2+http://h:1/m,timeuot=1", "there is no option `timeuot`"),
        ("v2+http://h:1/m,timeout=0", "`timeout`: `0` is no time"),
        ("v2+http://h:1/m,timeout=1,timeout=2", "`timeout` is given 2 times"),
        ("v2+https://h:1/m,ca=/no/such", "`ca`: there is no file"),
        (f"v2+http://h:1/m,ca={__file__}", "`ca` is for v2+https only"),
        ("v2+http://h:1/m,header=Host:env:X", "`Host` is not for you to set"),
        ("v2+http://h:1/m,header=grpc-timeout:env:X", "not for you"),
        ("v2+http://h:1/m,header=a-bin:env:X", "not for you"),
        ("v2+http://h:1/m,header=A b:env:X", "`header` is NAME:env:VARIABLE"),
        ("v2+http://h:1/m,header=A:env:", "`header` is NAME:env:VARIABLE"),
    ],
)
def test_address_or_option_that_cannot_be_is_refused_at_the_start(text: str, problem: str) -> None:
    with pytest.raises(RegistrationError) as caught:
        from_text(f"m={text}")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"v2+grpc://user:{SECRET}@h:1/m",
        f"v2+grpc://user:a/{SECRET}@h:1/m",
        f"v2+grpc://{SECRET}@h:1/m",
        f"v2+http://h:1/m?token={SECRET}",
        f"v2+http://h:1/m,header=Authorization:Bearer {SECRET}",
        f"v2+http://h:1/m,header={SECRET}",
        f"v2+http://h:1/m,timeout=x,header=Authorization:{SECRET}",
        f"v2+nope://{SECRET}:1/m",
        f"v2+http://h:1/m,token={SECRET}",
    ],
)
def test_secret_that_is_written_out_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(RegistrationError) as caught:
        from_text(f"m={text}")
    assert SECRET not in str(caught.value)


def test_address_is_read_whole(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    found = address(f"v2+https://[::1]:8001/a%2Fb%2C/3,timeout=2m,ca={ca},header=X-Key:env:KEY")
    assert (found.host, found.port, found.model, found.version) == ("::1", 8001, "a/b,", "3")
    assert (found.timeout, found.ca) == (120.0, ca)
    assert str(found) == "v2+https://[::1]:8001/a%2Fb%2C/3"


def test_time_is_bounded_unless_told() -> None:
    assert address("v2+grpc://h:1/m").timeout == 30.0


def test_three_ways_to_register_give_the_same(tmp_path: Path) -> None:
    manifest = tmp_path / "m.toml"
    manifest.write_text('[graphs.m]\npath = "v2+grpc://h:1/m"\ntimeout = 5\nheader = "A:file:token"\n')
    header = f"A:file:{tmp_path / 'token'}"
    made = from_text(f"m=v2+grpc://h:1/m,timeout=5,header={header}").model
    assert from_manifest(manifest)[0].model == made
    by_api = Graphs().add("m", "v2+grpc://h:1/m", timeout=5, header=header).registry()
    assert by_api.models["m"] == made


def test_manifest_refuses_options_of_local_models(tmp_path: Path) -> None:
    manifest = tmp_path / "m.toml"
    manifest.write_text('[graphs.m]\npath = "v2+grpc://h:1/m"\nthreads = 2\n')
    with pytest.raises(RegistrationError, match="a remote model has no `threads`"):
        from_manifest(manifest)


def test_guest_cannot_configure_it() -> None:
    made = guest("v2+grpc://127.0.0.1:1/m")
    assert made.load_by_name_with_config(b"m", b'{"device": "NPU"}') == NnErrno.UNSUPPORTED_OPERATION
    assert made.condition is Condition.OPTION_FIXED


def test_without_tritonclient_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['tritonclient'] = None\n"
        "from host.models.graphs import from_text\nfrom host.backends.remote import connect\n"
        "connect(from_text('m=v2+grpc://127.0.0.1:1/m').model.path)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "pip install 'wasinn-sdk[remote]'" in done.stderr.splitlines()[-1]


def test_registering_loads_neither_tritonclient_nor_a_socket() -> None:
    code = (
        "import sys\nfrom host.models.graphs import from_text\n"
        "from_text('m=v2+grpc://127.0.0.1:1/m')\n"
        "print([m for m in ('tritonclient', 'grpc', 'numpy', 'ssl', 'http.client') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


# Servers that fail at once, whatever they are asked


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


# Metadata


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


# Answers over HTTP


def output(**changed: object) -> dict[str, object]:
    """Return an answer whose output is changed."""
    return {"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1, 2], **changed}]}


def binary(size: object = 8, data: bytes = f32(1, 2), length: object = None) -> bytes:
    """Return an answer whose output is bytes."""
    head = json.dumps(output(parameters={"binary_data_size": size}, data=None)).encode()
    told = str(len(head) if length is None else length)
    return reply(head + data, Inference_Header_Content_Length=told)


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
    "bytes short": binary(data=f32(1)),
    "bytes left over": binary(data=f32(1, 2, 3)),
    "a size that is none": binary(size="8"),
    "a negative size": binary(size=-8),
    "a size far too large": binary(size=1 << 40),
    "a header length too large": binary(length=1 << 40),
    "a header length that is none": binary(length="x"),
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


def test_answer_over_the_cap_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.backends.remote_http.ANSWER_BYTES", 1000)
    told = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", Act.HANG
    endless = b"HTTP/1.1 200 OK\r\n\r\n", Act.DRIP
    for answer in (told, endless, reply(bytes(2000))):
        with wrong.http(wrong.model(lambda _, answer=answer: answer)) as server:  # type: ignore[misc]  # its own
            made = compute(f"v2+http://127.0.0.1:{server.port}/m,timeout=1")
            expected = Condition.REMOTE_FAILED if answer is endless else Condition.ABSURD_SIZE
            assert failed(made)[0] is expected


def test_json_over_its_cap_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.backends.remote_http._JSON_BYTES", 200)
    long = {**RIGHT, "x": "x" * 300}
    with wrong.http(wrong.model(lambda _: reply(long))) as server:
        assert failed(compute(f"v2+http://127.0.0.1:{server.port}/m"))[0] is Condition.ABSURD_SIZE


# The form that tensors have over HTTP


def test_bytes_go_to_a_server_that_lists_them() -> None:
    with wrong.http(wrong.model(lambda _: binary(), extensions=("binary_tensor_data",))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert made.output(2) == f32(1, 2)
    asked = server.asked[-1]
    length = int(asked.headers["inference-header-content-length"])
    assert asked.body[length:] == f32(1, 2)
    assert json.loads(asked.body[:length])["inputs"][0]["parameters"] == {"binary_data_size": 8}


def test_json_goes_to_a_server_that_does_not() -> None:
    with wrong.http(wrong.model()) as server:
        assert compute(f"v2+http://127.0.0.1:{server.port}/m").output(2) == f32(1, 2)
    asked = server.asked[-1]
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body)["inputs"] == [
        {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}
    ]


def test_json_goes_where_bytes_are_no_supported_media_type() -> None:
    def infer(asked: Asked) -> wrong.Answer:
        return reply(RIGHT) if asked.headers["content-type"] == "application/json" else reply({}, 415)

    with wrong.http(wrong.model(infer, extensions=("binary_tensor_data",))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert made.output(2) == f32(1, 2)
        assert made.call("compute", 2) == 0
    kinds = [asked.headers.get("content-type") for asked in server.asked if asked.method == "POST"]
    assert kinds == ["application/octet-stream", "application/json", "application/json"]


def test_json_in_answer_to_bytes_is_read() -> None:
    nested = output(data=[[1], [2]])
    with wrong.http(wrong.model(lambda _: reply(nested), extensions=("binary_tensor_data",))) as server:
        assert compute(f"v2+http://127.0.0.1:{server.port}/m").output(2) == f32(1, 2)


def test_nan_has_no_json() -> None:
    with wrong.http(wrong.model()) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        assert made.set_input(2, f32(float("nan"), 1), (2,)) == 0
        assert made.call("compute", 2) == NnErrno.RUNTIME_ERROR
    assert "NaN" in failed(made)[1]


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_types_without_json_go_as_bytes(datatype: str) -> None:
    port = {"datatype": datatype, "shape": [2]}
    metadata = {**METADATA, "outputs": [{"name": "y", **port}]}
    head = json.dumps({"outputs": [{"name": "y", **port, "parameters": {"binary_data_size": 4}}]}).encode()
    answer = reply(head + b"abcd", Inference_Header_Content_Length=str(len(head)))
    with wrong.http(wrong.model(lambda _: answer, metadata)) as server:
        assert compute(f"v2+http://127.0.0.1:{server.port}/m").output(2) == b"abcd"


def test_model_and_version_are_in_the_path() -> None:
    with wrong.http(wrong.model()) as server:
        assert not compute(f"v2+http://127.0.0.1:{server.port}/a%2Fb/7").reports
    assert server.asked[-1].path == "/v2/models/a%2Fb/versions/7/infer"


def test_type_and_dimensions_of_inputs_are_those_of_the_metadata() -> None:
    with wrong.http(wrong.model()) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m")
        for data, dimensions, kind in (
            (f32(1), (1,), TensorType.F32),
            (bytes(8), (2,), TensorType.I32),
            (f32(1, 2), (1, 2), TensorType.F32),
        ):
            assert made.set_input(2, data, dimensions, kind) == NnErrno.INVALID_ARGUMENT
        assert made.set_input(2, f32(1, 2), (2,), index=1) == NnErrno.INVALID_ARGUMENT


# Answers over gRPC


def answer(**changed: object) -> Any:  # noqa: ANN401 - a message
    """Return the right answer, changed."""
    tensor = {"name": "y", "datatype": "FP32", "shape": [2]}
    return M.ModelInferResponse(**{"outputs": [tensor], "raw_output_contents": [f32(1, 2)], **changed})


def metadata_of(**changed: object) -> bytes:
    """Return the metadata as a message, its input changed."""
    port = {"datatype": "FP32", "shape": [2]}
    made = M.ModelMetadataResponse(inputs=[{"name": "x", **port, **changed}], outputs=[{"name": "y", **port}])
    return bytes(made.SerializeToString())


@contextmanager
def by_grpc(infer: Callable[[Any, Any], bytes], metadata: bytes | None = None) -> Iterator[str]:
    """Serve a model that answers so; give its address."""
    told = metadata_of() if metadata is None else metadata
    with wrong.by_grpc(lambda *_: told, infer) as port:
        yield f"v2+grpc://127.0.0.1:{port}/m,timeout=5"


GRPC_LIES: Final = {
    "garbage": b"\xff\xff\xff garbage",
    "nothing": b"",
    "no data": answer(raw_output_contents=[]).SerializeToString(),
    "more data than outputs": answer(raw_output_contents=[b"", b""]).SerializeToString(),
    "data too short": answer(raw_output_contents=[f32(1)]).SerializeToString(),
    "data too long": answer(raw_output_contents=[f32(1, 2, 3)]).SerializeToString(),
    "another type": answer(outputs=[{"name": "y", "datatype": "INT32", "shape": [2]}]).SerializeToString(),
    "another shape": answer(
        outputs=[{"name": "y", "datatype": "FP32", "shape": [3]}], raw_output_contents=[f32(1, 2, 3)]
    ).SerializeToString(),
    "a negative shape": answer(
        outputs=[{"name": "y", "datatype": "FP32", "shape": [-2]}]
    ).SerializeToString(),
    "another name": answer(outputs=[{"name": "z", "datatype": "FP32", "shape": [2]}]).SerializeToString(),
    "text": answer(
        outputs=[{"name": "y", "datatype": "BYTES", "shape": [2], "contents": {"bytes_contents": [b"a"]}}],
        raw_output_contents=[],
    ).SerializeToString(),
}


@pytest.mark.parametrize("said", GRPC_LIES.values(), ids=GRPC_LIES.keys())
def test_answer_by_grpc_that_cannot_be(said: bytes) -> None:
    with by_grpc(lambda *_: said) as text:
        made = compute(text)
    assert failed(made)[0] is Condition.REMOTE_FAILED
    assert made.reports[-1][1].errno is NnErrno.RUNTIME_ERROR


@pytest.mark.parametrize(
    "metadata",
    [
        b"\xff\xff",
        b"",
        metadata_of(name=""),
        metadata_of(name="a\x1bb"),
        metadata_of(datatype="BYTES"),
        metadata_of(datatype="TYPE_FP32"),
        metadata_of(shape=[-2]),
        metadata_of(shape=[1 << 40]),
    ],
)
def test_metadata_by_grpc_that_cannot_be(metadata: bytes) -> None:
    with by_grpc(lambda *_: b"", metadata) as text:
        made = guest(text)
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert failed(made)[0] is Condition.NAMED_MODEL_FAILED


@pytest.mark.parametrize(
    ("code", "condition"),
    [
        ("INVALID_ARGUMENT", Condition.COMPUTE_FAILED),
        ("FAILED_PRECONDITION", Condition.COMPUTE_FAILED),
        ("RESOURCE_EXHAUSTED", Condition.REMOTE_BUSY),
        ("UNAVAILABLE", Condition.REMOTE_FAILED),
        ("UNAUTHENTICATED", Condition.REMOTE_FAILED),
        ("NOT_FOUND", Condition.REMOTE_FAILED),
        ("INTERNAL", Condition.REMOTE_FAILED),
    ],
)
def test_code_of_an_inference(code: str, condition: Condition) -> None:
    with by_grpc(lambda _, context: context.abort(grpc.StatusCode[code], "so it is")) as text:
        made = compute(text)
    assert failed(made)[0] is condition
    assert f"{code}: so it is" in failed(made)[1]


def test_time_of_a_call_by_grpc_is_bounded() -> None:
    over = threading.Event()

    def hang(*_: object) -> bytes:
        over.wait(10)
        return b""

    with by_grpc(hang) as text:
        before = time.monotonic()
        made = compute(f"{text.partition(',')[0]},timeout=0.3")
        assert time.monotonic() - before < 5
        over.set()
    assert failed(made)[0] is Condition.REMOTE_FAILED
    assert "no answer within 0.3 s" in failed(made)[1]


def test_answer_by_grpc_over_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    options = (("grpc.max_receive_message_length", 1000),)
    monkeypatch.setattr("host.backends.remote_grpc._OPTIONS", options)
    long = answer(raw_output_contents=[bytes(2000)]).SerializeToString()
    with by_grpc(lambda *_: long) as text:
        assert failed(compute(text))[0] is Condition.ABSURD_SIZE


def test_answer_by_grpc_that_is_over_the_cap_when_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    options = (("grpc.max_receive_message_length", 1 << 16),)
    monkeypatch.setattr("host.backends.remote_grpc._OPTIONS", options)

    def bomb(_: bytes, call: grpc.ServicerContext) -> bytes:
        call.set_compression(grpc.Compression.Gzip)
        return bytes(answer(raw_output_contents=[bytes(1 << 24)]).SerializeToString())

    with by_grpc(bomb) as text:
        assert failed(compute(text))[0] is Condition.ABSURD_SIZE


def test_answer_by_grpc_beyond_its_usual_four_mebibytes() -> None:
    count = 2 << 20
    port = {"name": "y", "datatype": "FP32", "shape": [count]}
    told = M.ModelMetadataResponse(
        inputs=[{"name": "x", "datatype": "FP32", "shape": [2]}], outputs=[port]
    ).SerializeToString()
    said = answer(outputs=[port], raw_output_contents=[bytes(4 * count)]).SerializeToString()
    with by_grpc(lambda *_: said, told) as text:
        assert not compute(text).reports


def test_numbers_in_an_answer_by_grpc_are_read() -> None:
    tensor = {"name": "y", "datatype": "FP32", "shape": [2], "contents": {"fp32_contents": [1, 2]}}
    said = answer(outputs=[tensor], raw_output_contents=[]).SerializeToString()
    with by_grpc(lambda *_: said) as text:
        assert compute(text).output(2) == f32(1, 2)


def test_contexts_do_not_share_inputs() -> None:
    def echo(request: bytes, _: object) -> bytes:
        raw = M.ModelInferRequest.FromString(request).raw_input_contents
        return bytes(answer(raw_output_contents=raw).SerializeToString())

    with by_grpc(echo) as text:
        made = guest(text)
        assert made.load_by_name(b"m") == 0
        graph = made.u32()
        contexts = [made.context_of(graph) for _ in range(2)]
        for number, context in enumerate(contexts):
            assert made.set_input(context, f32(number, 9), (2,)) == 0
        for context in contexts:
            assert made.call("compute", context) == 0
        assert [made.output(context) for context in contexts] == [f32(0, 9), f32(1, 9)]


# TLS


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


# Credentials


@dataclass
class Echoes:
    """Servers that give back every header they get, in errors and in names."""

    heard: list[str]

    def http(self, asked: Asked) -> wrong.Answer:
        """Answer with an error, of HTTP."""
        said = asked.headers.get("authorization", "")
        self.heard.append(said)
        if asked.path.endswith("/infer"):
            return reply({"error": f"what is {said}? and {said.split()[-1]}"}, 400)
        return reply(METADATA)

    def http_name(self, asked: Asked) -> wrong.Answer:
        """Answer with an output of that name."""
        return wrong.model(lambda asked: reply(output(name=asked.headers["authorization"])))(asked)

    def grpc(self, _: object, context: Any) -> bytes:  # noqa: ANN401 - it has no type
        """Answer with an error, of gRPC."""
        said = dict(context.invocation_metadata()).get("authorization", "")
        self.heard.append(said)
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"what is {said}? and {said.split()[-1]}")
        return b""


@contextmanager
def echoing(scheme: str) -> Iterator[tuple[str, list[str]]]:
    """Serve a model that tells what it was told; give its address and what it heard."""
    echoes = Echoes([])
    if scheme == "v2+grpc":
        with wrong.by_grpc(lambda *_: metadata_of(), echoes.grpc) as port:
            yield f"{scheme}://127.0.0.1:{port}/m", echoes.heard
    else:
        with wrong.http(echoes.http) as server:
            yield f"{scheme}://127.0.0.1:{server.port}/m", echoes.heard


@pytest.mark.parametrize("scheme", ["v2+grpc", "v2+http"])
@pytest.mark.parametrize("source", ["env", "file"])
def test_credential_reaches_the_server_and_nothing_else(
    scheme: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not stdout, stderr, the trace or the guest's variables, even when the server says it again."""
    module, trace, token = tmp_path / "g.wasm", tmp_path / "trace.jsonl", tmp_path / "token"
    module.write_bytes(command(*inference(1, 2)))
    token.write_text(f"Bearer {SECRET}\n")
    monkeypatch.setenv("TEST_TOKEN", f"Bearer {SECRET}")
    place = {"env": "TEST_TOKEN", "file": str(token)}[source]
    with echoing(scheme) as (text, heard):
        done = subprocess.run(
            [sys.executable, "-m", "host", "run", "-v", "--stats", f"--trace={trace}",
             "--graph", f"net={text},header=Authorization:{source}:{place}", str(module)],
            capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert heard[-1] == f"Bearer {SECRET}"
    assert "what is ***? and ***" in done.stderr
    for told in (done.stdout, done.stderr, trace.read_text()):
        assert SECRET not in told


def test_credential_as_a_name_in_an_answer_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", SECRET)
    with wrong.http(Echoes([]).http_name) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m,header=Authorization:env:TEST_TOKEN")
    assert "`***`" in failed(made)[1]
    assert all(SECRET not in str(error) for _, error in made.reports)


def test_credential_is_in_no_text_of_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", SECRET)
    with wrong.http(wrong.model()) as server:
        graph = connect(address(f"v2+http://127.0.0.1:{server.port}/m,header=A:env:TEST_TOKEN"))
        assert SECRET not in f"{graph!r} {graph.remark} {graph.request()!r} {graph.remote}"


@pytest.mark.parametrize("scheme", ["v2+grpc", "v2+http"])
@pytest.mark.parametrize(
    "content", [None, "", " \n", f"{SECRET}\nX: y", f"{SECRET}\0", f"{SECRET}é", SECRET * 4000]
)
def test_credential_that_cannot_be_is_not_sent_or_told(
    scheme: str, content: str | None, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_text(content)
    with echoing(scheme) as (text, heard):
        made = guest(f"{text},header=Authorization:file:{token}")
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert not heard
    assert str(token) in failed(made)[1]
    assert SECRET not in failed(made)[1]


def test_variable_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_TOKEN", raising=False)
    made = guest("v2+http://127.0.0.1:1/m,header=Authorization:env:TEST_TOKEN")
    assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert "variable `TEST_TOKEN` for `Authorization` is not set" in failed(made)[1]


def test_new_token_in_the_file_goes_with_the_next_call(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    with wrong.http(wrong.model()) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m,header=X-Key:file:{token}")
        token.write_text("second")
        assert made.call("compute", 2) == 0
    assert [asked.headers["x-key"] for asked in server.asked][-2:] == ["first", "second"]


def test_job_of_another_server_is_another_job(tmp_path: Path) -> None:
    def told(text: str) -> object:
        registry = register([from_text(f"m={text}")])
        bounds = Bounds(None, None, None)
        job = Job(tmp_path / "g", (), (), (), registry, "auto", Limits(), bounds, Serving())
        return identity(job, b"")["models"]

    assert told("v2+grpc://h:1/m") == told("v2+grpc://h:1/m,timeout=9")
    assert told("v2+grpc://h:1/m") != told("v2+grpc://h:2/m")


def test_numbers_of_every_type_become_bytes() -> None:
    for datatype, element in remote_tensors.ELEMENTS.items():
        if element.code is not None:
            assert remote_tensors.packed(datatype, [[1], [0]]) == struct.pack(f"<2{element.code}", 1, 0)
            assert len(remote_tensors.packed(datatype, [1, 0])) == 2 * element.size


def test_number_that_its_type_has_not() -> None:
    for datatype, values in (("UINT8", [256]), ("UINT8", [-1]), ("INT32", [1.5]), ("INT64", [1 << 63])):
        with pytest.raises(NnError):
            remote_tensors.packed(datatype, values)


def test_other_servers_are_heard() -> None:
    """The servers of these tests do answer: what fails above fails for its own reason."""
    with wrong.http(wrong.model()) as server:
        assert isinstance(server, Heard)
        assert compute(f"v2+http://127.0.0.1:{server.port}/m").output(2) == f32(1, 2)
    with by_grpc(lambda *_: answer().SerializeToString()) as text:
        assert compute(text).output(2) == f32(1, 2)
