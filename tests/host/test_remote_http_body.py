"""The form that tensors have over HTTP, as bytes and as JSON."""

from __future__ import annotations

import json
import struct

import pytest

from host.abi import NnErrno, TensorType
from host.backends import remote_tensors
from host.errors import NnError
from tests.host.guests import f32
from tests.host.remotes import binary, compute, failed, guest, output
from tests.servers import wrong
from tests.servers.wrong import METADATA, RIGHT, Asked, reply


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


@pytest.mark.parametrize("status", [200, 415])
def test_input_without_json_goes_as_bytes_only(status: int) -> None:
    """Also where bytes are refused: then the reason is the server's."""
    metadata = {**METADATA, "inputs": [{"name": "x", "datatype": "FP16", "shape": [2]}]}
    with wrong.http(wrong.model(lambda _: reply(RIGHT, status), metadata)) as server:
        made = guest(f"v2+http://127.0.0.1:{server.port}/m")
        assert made.load_by_name(b"m") == 0
        context = made.context_of(made.u32())
        assert made.set_input(context, b"abcd", (2,), TensorType.F16) == 0
        assert (made.call("compute", context) == 0) is (status == 200)
    assert server.asked[-1].body.endswith(b"}abcd")
    assert [asked.method for asked in server.asked].count("POST") == 1
    assert not made.reports or "it answered 415" in failed(made)[1]


@pytest.mark.parametrize("extensions", [(), ("binary_tensor_data",)])
def test_outputs_of_the_metadata_are_asked_for_in_the_form_of_the_inputs(extensions: tuple[str, ...]) -> None:
    with wrong.http(wrong.model(extensions=extensions)) as server:
        assert not compute(f"v2+http://127.0.0.1:{server.port}/m").reports
    asked = server.asked[-1]
    head = asked.body[: int(asked.headers.get("inference-header-content-length", len(asked.body)))]
    wanted = {"name": "y", "parameters": {"binary_data": True}} if extensions else {"name": "y"}
    assert json.loads(head)["outputs"] == [wanted]


def test_model_and_version_are_in_the_path() -> None:
    with wrong.http(wrong.model()) as server:
        assert not compute(f"v2+http://127.0.0.1:{server.port}/a%2Fb/7%2F8").reports
    assert server.asked[-1].path == "/v2/models/a%2Fb/versions/7%2F8/infer"


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


def test_numbers_of_every_type_become_bytes() -> None:
    for datatype, element in remote_tensors.ELEMENTS.items():
        if element.code is not None:
            assert remote_tensors.packed(datatype, [[1], [0]]) == struct.pack(f"<2{element.code}", 1, 0)
            assert len(remote_tensors.packed(datatype, [1, 0])) == 2 * element.size


def test_number_that_its_type_has_not() -> None:
    for datatype, values in (("UINT8", [256]), ("UINT8", [-1]), ("INT32", [1.5]), ("INT64", [1 << 63])):
        with pytest.raises(NnError):
            remote_tensors.packed(datatype, values)
