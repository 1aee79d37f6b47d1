"""A server of a model that answers wrong by gRPC: each way gives its errno and a reason."""

from __future__ import annotations

import struct
import threading
import time
from typing import Final

import grpc  # type: ignore[import-untyped]  # it has no types
import pytest

from host.abi import NnErrno
from host.errors import Condition
from tests.host.guests import f32
from tests.host.remotes import M, answer, by_grpc, compute, failed, guest, metadata_of
from tests.servers import wrong

GRPC_LIES: Final = {
    "garbage": b"\xff\xff\xff garbage",
    "nothing": b"",
    "no data": answer(raw_output_contents=[]).SerializeToString(),
    "more data than outputs": answer(raw_output_contents=[f32(1, 2), b""]).SerializeToString(),
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
        ("OUT_OF_RANGE", Condition.COMPUTE_FAILED),
        ("UNIMPLEMENTED", Condition.COMPUTE_FAILED),
        ("ALREADY_EXISTS", Condition.COMPUTE_FAILED),
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


def test_answer_by_grpc_that_is_too_long() -> None:
    """Two numbers may have a MiB and a little."""
    long = answer(raw_output_contents=[bytes(2 << 20)]).SerializeToString()
    with by_grpc(lambda *_: long) as text:
        assert failed(compute(text))[0] is Condition.ABSURD_SIZE


def test_metadata_by_grpc_that_is_too_long() -> None:
    with by_grpc(lambda *_: b"", metadata_of(name="x" * (2 << 20))) as text:
        made = guest(text)
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert "the server's answer has more than 1048576 bytes" in failed(made)[1]


def test_answer_by_grpc_that_is_too_long_when_it_is_unpacked() -> None:
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


@pytest.mark.parametrize(
    ("datatype", "contents", "code"),
    [
        ("BOOL", "bool_contents", "?"),
        ("UINT8", "uint_contents", "B"),
        ("UINT16", "uint_contents", "H"),
        ("UINT32", "uint_contents", "I"),
        ("UINT64", "uint64_contents", "Q"),
        ("INT8", "int_contents", "b"),
        ("INT16", "int_contents", "h"),
        ("INT32", "int_contents", "i"),
        ("INT64", "int64_contents", "q"),
        ("FP32", "fp32_contents", "f"),
        ("FP64", "fp64_contents", "d"),
    ],
)
def test_numbers_in_an_answer_by_grpc_are_read(datatype: str, contents: str, code: str) -> None:
    port = {"name": "y", "datatype": datatype, "shape": [2]}
    told = M.ModelMetadataResponse(
        inputs=[{"name": "x", "datatype": "FP32", "shape": [2]}], outputs=[port]
    ).SerializeToString()
    said = answer(outputs=[{**port, "contents": {contents: [1, 0]}}], raw_output_contents=[])
    with by_grpc(lambda *_: said.SerializeToString(), told) as text:
        assert compute(text).output(2) == struct.pack(f"<2{code}", 1, 0)


@pytest.mark.parametrize(("path", "version"), [("a%2Fb/7", "7"), ("a%2Fb", "")])
def test_model_version_and_outputs_are_in_what_is_asked(path: str, version: str) -> None:
    described, asked = [], []

    def metadata(request: bytes, _: object) -> bytes:
        described.append(M.ModelMetadataRequest.FromString(request))
        return metadata_of()

    def infer(request: bytes, _: object) -> bytes:
        asked.append(M.ModelInferRequest.FromString(request))
        return bytes(answer().SerializeToString())

    with wrong.by_grpc(metadata, infer) as port:
        assert not compute(f"v2+grpc://127.0.0.1:{port}/{path}").reports
    assert [(each.name, each.version) for each in described] == [("a/b", version)]
    assert [(each.model_name, each.model_version) for each in asked] == [("a/b", version)]
    assert [each.name for each in asked[0].outputs] == ["y"]
    assert [(each.name, each.datatype, [*each.shape]) for each in asked[0].inputs] == [("x", "FP32", [2])]


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
