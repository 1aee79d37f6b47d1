"""One guest, unchanged, on models of a real Triton: by gRPC and HTTP it gets what a local model gives."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from host import abi
from host.abi import NnErrno, TensorType
from host.errors import Condition
from host.models.graphs import from_text, register
from host.nn import Session
from host.serving import installation
from tests.host import models
from tests.host.guests import DATA, DIMENSIONS, TENSOR, Guest, f32
from tests.host.scripts import command, inference
from tests.servers import triton
from tests.servers.triton_models import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from host.backends.openvino import OpenVino
    from host.serving.installation import Triton
    from tests.servers.triton import Running

pytestmark = pytest.mark.triton

ROOT: Final = Path(__file__).resolve().parents[2]
SCHEMES: Final = ("v2+grpc", "v2+http")


@pytest.fixture(scope="session")
def installed(triton_home: str) -> Triton:
    """Return Triton."""
    return installation.find({installation.VARIABLE: triton_home})


@pytest.fixture(scope="session")
def server(installed: Triton, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a running server of all models."""
    folder = tmp_path_factory.mktemp("triton")
    with triton.running(installed, triton.repository(folder / "models", MODELS), folder / "log") as started:
        yield started


def address(server: Running, scheme: str, model: str) -> str:
    """Return the address of a model."""
    return f"{scheme}://127.0.0.1:{server.grpc if scheme == 'v2+grpc' else server.http}/{model}"


def guest(text: str, backend: Callable[[], OpenVino]) -> Guest:
    """Return a guest that has the model `m` at what `--graph` takes."""
    return Guest(Session(backend, register([from_text(f"m={text}")]), lambda _: None))


def context(made: Guest) -> int:
    """Return a context of `m`."""
    assert made.load_by_name(b"m") == 0, made.reports
    return made.context_of(made.u32())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("rows", [1, 100])
def test_same_guest_gets_the_answers_of_the_local_model(
    scheme: str, rows: int, server: Running, mlp: Path, backend: Callable[[], OpenVino]
) -> None:
    values = np.random.RandomState(1).standard_normal(rows * 64).astype(np.float32).tobytes()
    answers = []
    for text in (str(mlp), address(server, scheme, "mlp")):
        made = guest(text, backend)
        answers.append(np.frombuffer(made.infer(context(made), values, (rows, 64)), np.float32))
    assert answers[0].shape == (rows * 10,)
    np.testing.assert_allclose(answers[1], answers[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_guest_of_the_command_line_runs_unchanged(scheme: str, server: Running, tmp_path: Path) -> None:
    """The trace has what it got: the same module, with a local model and with the remote one."""
    module, ir = tmp_path / "g.wasm", models.double([-1, 2])
    script, memory = inference(3, 4)
    memory[TENSOR] = abi.TENSOR.pack(DIMENSIONS, 2, TensorType.F32, DATA, 8)
    memory[DIMENSIONS] = struct.pack("<2I", 1, 2)
    module.write_bytes(command(script, memory))
    (tmp_path / "double.xml").write_bytes(ir[0])
    (tmp_path / "double.bin").write_bytes(ir[1])
    answers: list[dict[str, Any]] = []
    for text in (str(tmp_path / "double.xml"), address(server, scheme, "double_fp32")):
        trace = tmp_path / "trace.jsonl"
        done = subprocess.run(
            [sys.executable, "-m", "host", "run", f"--trace={trace}", "--graph", f"net={text}", str(module)],
            capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        calls = map(json.loads, trace.read_text().splitlines())
        answers.append(next(call for call in calls if call.get("function") == "get_output"))
        trace.unlink()
    assert [answer["errno"] for answer in answers] == [NnErrno.SUCCESS, NnErrno.SUCCESS]
    assert answers[0]["operation"] == answers[1]["operation"]
    assert base64.b64decode(answers[1]["operation"]["data"]) == f32(6, 8)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", list(TensorType), ids=lambda kind: str(kind.name))
def test_every_type_of_wasi_nn(
    scheme: str, kind: TensorType, server: Running, backend: Callable[[], OpenVino]
) -> None:
    name, code = {
        "F16": ("fp16", "e"), "F32": ("fp32", "f"), "F64": ("fp64", "d"),
        "U8": ("uint8", "B"), "I32": ("int32", "i"), "I64": ("int64", "q"),
    }[kind.name]  # fmt: skip
    made = guest(address(server, scheme, f"double_{name}"), backend)
    given, wanted = struct.pack(f"<4{code}", 1, 2, 3, 4), struct.pack(f"<4{code}", 2, 4, 6, 8)
    assert made.infer(context(made), given, (2, 2), kind) == wanted


@pytest.mark.parametrize("scheme", SCHEMES)
def test_indices_are_the_order_of_the_metadata(
    scheme: str, server: Running, backend: Callable[[], OpenVino]
) -> None:
    """Whose names are in the order of neither the alphabet nor the answer."""
    made = guest(address(server, scheme, "subtract"), backend)
    live = context(made)
    assert made.set_input(live, f32(5, 7), (2,), index=0) == 0
    assert made.set_input(live, f32(1, 1), (2,), index=1) == 0
    assert made.call("compute", live) == 0, made.reports
    assert made.output(live, 0) == f32(4, 6)
    assert made.output(live, 1) == f32(-4, -6)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("version", "factor"), [("/1", 1), ("/2", 2), ("", 2)])
def test_version_is_the_one_of_the_address(
    scheme: str, version: str, factor: int, server: Running, backend: Callable[[], OpenVino]
) -> None:
    made = guest(address(server, scheme, f"versions{version}"), backend)
    assert made.infer(context(made), f32(3, 4), (2,)) == f32(3 * factor, 4 * factor)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_version_that_there_is_not(scheme: str, server: Running, backend: Callable[[], OpenVino]) -> None:
    made = guest(address(server, scheme, "versions/3"), backend)
    assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR


@pytest.mark.parametrize("scheme", SCHEMES)
def test_input_is_kept_for_the_next_compute(
    scheme: str, server: Running, backend: Callable[[], OpenVino]
) -> None:
    made = guest(address(server, scheme, "double_fp32"), backend)
    live = context(made)
    assert made.infer(live, f32(1, 2), (1, 2)) == f32(2, 4)
    assert made.call("compute", live) == 0
    assert made.output(live) == f32(2, 4)
    assert made.infer(live, f32(3, 4), (1, 2)) == f32(6, 8)
    assert made.infer(live, f32(1, 2, 3, 4), (2, 2)) == f32(2, 4, 6, 8)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_output_that_wasi_nn_has_no_type_for(
    scheme: str, server: Running, backend: Callable[[], OpenVino]
) -> None:
    made = guest(address(server, scheme, "not"), backend)
    assert made.infer(context(made), b"\0\1\0", (3,), TensorType.U8) == b"\1\0\1"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("model", ["text", "says", "nowhere"])
def test_model_that_no_guest_can_use_does_not_load(
    scheme: str, model: str, server: Running, backend: Callable[[], OpenVino]
) -> None:
    made = guest(address(server, scheme, model), backend)
    assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert made.condition is Condition.NAMED_MODEL_FAILED


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("broken", "it is broken"),
        ("slow,timeout=0.3", "no answer within 0.3 s"),
        ("liar", "output 0 has the shape [3], and [2] in the metadata"),
    ],
)
def test_inference_that_fails(
    scheme: str, model: str, reason: str, server: Running, backend: Callable[[], OpenVino]
) -> None:
    made = guest(address(server, scheme, model), backend)
    live = context(made)
    assert made.set_input(live, f32(1, 2), (2,)) == 0
    assert made.call("compute", live) == NnErrno.RUNTIME_ERROR
    assert made.condition is Condition.REMOTE_FAILED
    assert reason in made.reports[-1][1].reason


@contextmanager
def alone(installed: Triton, folder: Path) -> Iterator[tuple[list[Running], Callable[[], None]]]:
    """Run a server of its own with one model, and give what starts it again on its ports."""
    repository = triton.repository(folder / "models", {"double_fp32": MODELS["double_fp32"]})
    http, grpc = triton.free_port(), triton.free_port()
    started: list[Running] = []

    def start() -> None:
        started.append(triton.start(installed, repository, folder / "log", http, grpc))

    start()
    try:
        yield started, start
    finally:
        for each in started:
            triton.stop(each)


def test_server_killed_between_computes_and_back(
    installed: Triton, tmp_path: Path, backend: Callable[[], OpenVino]
) -> None:
    """Each compute fails with an errno while it is away, and works on the same contexts when it is back."""
    with alone(installed, tmp_path) as (started, start):
        guests = [
            guest(f"{address(started[0], scheme, 'double_fp32')},timeout=20", backend) for scheme in SCHEMES
        ]
        live = [context(made) for made in guests]
        for made, one in zip(guests, live, strict=True):
            assert made.infer(one, f32(1, 2), (1, 2)) == f32(2, 4)
        started[0].process.kill()
        started[0].process.wait()
        for made, one in zip(guests, live, strict=True):
            assert made.call("compute", one) == NnErrno.RUNTIME_ERROR
            assert made.condition is Condition.REMOTE_FAILED
        start()
        for made, one in zip(guests, live, strict=True):
            if made.call("compute", one):  # a channel may wait a second before it tries again
                assert made.condition is Condition.REMOTE_FAILED
                time.sleep(1.5)
                assert made.call("compute", one) == 0, made.reports
            assert made.output(one) == f32(2, 4)
