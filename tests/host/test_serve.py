"""`python -m host serve`, a real Triton, a real client: a guest behind a port answers as it does alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
import pytest
import tritonclient.grpc  # type: ignore[import-untyped]  # has neither stubs nor py.typed
import tritonclient.http  # type: ignore[import-untyped]  # as above
from openvino import opset13 as ops
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # as above

from host.serving.installation import UnusableTritonError
from host.serving.server import Address, Places, Server, ServerError
from tests.host import models
from tests.host.batches import alive, descendants, kill, rows_guest, until
from tests.host.reactors import ECHO, reactor, when
from tests.host.wasi import ROOT, SPIN, clang
from tests.servers import triton
from tests.servers.triton_models import MLP_SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

pytestmark = pytest.mark.triton

ROW: Final = np.random.RandomState(1).standard_normal(64).astype(np.float32)
START_SECONDS: Final = 60

DESCRIPTION: Final = """
inputs = [{ name = "x", datatype = "FP32", shape = [64] }]
outputs = [{ name = "y", datatype = "FP32", shape = [10] }]
"""


@dataclass(frozen=True, slots=True)
class Service:
    """A guest that is served."""

    process: subprocess.Popen[str]
    name: str
    http: str
    grpc: str

    def instances(self) -> set[int]:
        """Return the processes that answer."""
        found = descendants(self.process.pid).items()
        return alive(pid for pid, command in found if "triton_python_backend_stub" in command)


@pytest.fixture(scope="module")
def home() -> str:
    """Return the folder of Triton; without one tests are left out, but not in CI."""
    try:
        triton.find()
    except UnusableTritonError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))
    return str(triton.BUILD)


@contextmanager
def serving(home: str, *words: str | Path) -> Iterator[Service]:
    """Serve on ports that are free; nothing of it outlives the block."""
    command = [sys.executable, "-m", "host", "serve", "--json", "--http=127.0.0.1:0", "--grpc=127.0.0.1:0"]
    with subprocess.Popen(
        [*map(str, command), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, env={**os.environ, "TRITON": home},
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate(timeout=START_SECONDS)[1]
            told = json.loads(line)
            yield Service(process, told["name"], told["http"], told["grpc"])
        finally:
            process.terminate()
            try:
                process.wait(START_SECONDS)
            finally:
                process.kill()


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model: a small MLP, of any number of rows."""
    random = np.random.RandomState(7)
    node = x = ops.parameter([-1, 64], np.float32)
    for number, shape in enumerate(MLP_SHAPES):
        layer = random.standard_normal(shape).astype(np.float32) / np.float32(8)
        node = ops.matmul(node, ops.constant(layer), transpose_a=False, transpose_b=False)
        node = ops.relu(node) if number < len(MLP_SHAPES) - 1 else node
    path = tmp_path_factory.mktemp("net") / "net.xml"
    xml, weights = models.ir(openvino.Model([node], [x], "net"))
    path.write_bytes(xml)
    path.with_suffix(".bin").write_bytes(weights)
    return path


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command guest of score.c, with its description beside it."""
    path = tmp_path_factory.mktemp("score") / "score.wasm"
    flags = ("--target=wasm32-wasip1", "-O2", f"-I{ROOT / 'guest/c/include'}")
    subprocess.run([clang(), *flags, ROOT / "tests/host/score.c", "-o", path], check=True)
    path.with_suffix(".toml").write_text(DESCRIPTION)
    return path


@pytest.fixture(scope="module")
def alone(score: Path, net: Path) -> np.ndarray:
    """Return what `host run` makes of ROW."""
    done = subprocess.run(
        [sys.executable, "-m", "host", "run", "--graph", f"net={net}", score],
        input=ROW.tobytes(), capture_output=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return np.frombuffer(done.stdout, np.float32)


def by_grpc(service: Service, x: np.ndarray, datatype: str = "FP32") -> Any:  # noqa: ANN401 - no types
    """Ask by gRPC."""
    given = tritonclient.grpc.InferInput("x", x.shape, datatype)
    given.set_data_from_numpy(x)
    with tritonclient.grpc.InferenceServerClient(service.grpc) as client:
        return client.infer(service.name, [given], client_timeout=20).as_numpy("y")


def by_http(service: Service, x: np.ndarray, datatype: str = "FP32", *, is_binary: bool) -> Any:  # noqa: ANN401 - no types
    """Ask by HTTP."""
    given = tritonclient.http.InferInput("x", x.shape, datatype)
    given.set_data_from_numpy(x, binary_data=is_binary)
    wanted = [tritonclient.http.InferRequestedOutput("y", binary_data=is_binary)]
    with tritonclient.http.InferenceServerClient(service.http, network_timeout=20) as client:
        return client.infer(service.name, [given], outputs=wanted).as_numpy("y")


WAYS: Final[Sequence[Callable[[Service, np.ndarray], Any]]] = (
    by_grpc,
    partial(by_http, is_binary=True),
    partial(by_http, is_binary=False),
)


def post(service: Service, path: str, body: bytes = b"{}") -> tuple[int, str]:
    """Return the code and the text of the answer to a plain request."""
    request = urllib.request.Request(f"http://{service.http}/v2/{path}", body)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def asked(service: Service, record: bytes) -> tuple[int, str]:
    """Have a guest that is not described answer a record, by JSON."""
    given = {"name": "record", "datatype": "BYTES", "shape": [1], "data": [record.decode()]}
    code, text = post(service, f"models/{service.name}/infer", json.dumps({"inputs": [given]}).encode())
    answer = json.loads(text)
    return code, answer["outputs"][0]["data"][0] if code == 200 else answer["error"]


@pytest.fixture(scope="module")
def command(home: str, score: Path, net: Path) -> Iterator[Service]:
    """Return the served command guest."""
    with serving(home, score, "--graph", f"net={net}", "--instances=1") as service:
        yield service


@pytest.mark.parametrize("ask", WAYS, ids=["grpc", "http-binary", "http-json"])
def test_every_client_gets_what_the_guest_answers_alone(
    command: Service, alone: np.ndarray, ask: Callable[..., Any]
) -> None:
    np.testing.assert_array_equal(ask(command, ROW), alone)


def test_server_describes_what_its_file_does(command: Service) -> None:
    with urllib.request.urlopen(f"http://{command.http}/v2/models/score", timeout=9) as answer:
        told = json.load(answer)
    assert told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [64]}]
    assert told["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [10]}]


@pytest.mark.parametrize(
    ("inputs", "code", "told"),
    [
        ([], 400, "expected 1 inputs"),
        (
            [{"name": "z", "datatype": "FP32", "shape": [64], "data": [0] * 64}],
            400,
            "unexpected inference input",
        ),
        ([{"name": "x", "datatype": "FP32", "shape": [63], "data": [0] * 63}], 400, "shape"),
        ([{"name": "x", "datatype": "FP64", "shape": [64], "data": [0] * 64}], 400, "data-type"),
        (["x"], 400, ""),
    ],
)
def test_bad_input_gets_400_with_the_reason(
    command: Service, inputs: list[object], code: int, told: str
) -> None:
    found, text = post(command, "models/score/infer", json.dumps({"inputs": inputs}).encode())
    assert found == code
    assert told in json.loads(text)["error"]


@pytest.mark.parametrize("data", [["no"] * 64, [0], [0] * 65, [[0] * 64, 1]])
def test_numbers_in_json_that_are_none_or_not_as_many_are_told(command: Service, data: list[object]) -> None:
    """By Triton, which says 500 to some: they do not get to the guest."""
    given = {"name": "x", "datatype": "FP32", "shape": [64], "data": data}
    code, text = post(command, "models/score/infer", json.dumps({"inputs": [given]}).encode())
    assert code in {400, 500}
    assert json.loads(text)["error"]


def test_model_that_is_not_there_gets_404_or_400(command: Service) -> None:
    assert post(command, "models/none/infer", json.dumps({"inputs": []}).encode())[0] in {400, 404}


@pytest.mark.parametrize(
    "path",
    [
        "repository/models/score/load", "repository/models/score/unload", "repository/index",
        "systemsharedmemory/region/a/register", "trace/setting", "logging",
    ],
)  # fmt: skip
def test_what_changes_the_server_is_for_its_owner_only(command: Service, path: str) -> None:
    """To load a model is to have any code run."""
    code, text = post(command, path)
    assert code == 403, text
    with tritonclient.grpc.InferenceServerClient(command.grpc) as client:
        for name in ("load_model", "unload_model"):
            with pytest.raises(InferenceServerException, match="restricted"):
                getattr(client, name)("score")


# Rows.


@pytest.mark.parametrize("ask", WAYS, ids=["grpc", "http-binary", "http-json"])
def test_rows_of_one_request_are_answered_together(
    home: str, net: Path, tmp_path: Path, alone: np.ndarray, ask: Callable[..., Any]
) -> None:
    """Up to as many as `--rows-per-call` says."""
    guest = rows_guest(tmp_path)
    guest.with_suffix(".toml").write_text(DESCRIPTION)
    with serving(home, guest, "--graph", f"net={net}", "--rows-per-call=8", "--instances=1") as service:
        for count in (1, 3, 8):
            rows = np.stack([ROW] * count)
            rows[1:2] = 0
            found = ask(service, rows)
            assert found.shape == (count, 10)
            others = found[[at for at in range(count) if at != 1]]
            np.testing.assert_allclose(others, np.stack([alone] * len(others)), rtol=1e-5, atol=1e-6)
            assert count == 1 or not np.array_equal(found[1], found[0])
        with pytest.raises(InferenceServerException, match="batch"):
            ask(service, np.stack([ROW] * 9))


# Failures of the guest.

REFUSE: Final = "(call $answer (i32.const 7) (local.get $ptr) (local.get $size))"
ODD: Final = reactor(
    when(
        "!",
        "(unreachable)",
        when("?", REFUSE, when("~", f"{SPIN} {ECHO}", ECHO)),
    )
)
"""A guest that traps at `!`, refuses at `?`, does not end at `~`, and else answers with the record."""


@pytest.fixture(scope="module")
def odd(home: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return the served odd guest, one instance, which is not described."""
    path = tmp_path_factory.mktemp("odd") / "odd.wasm"
    path.write_bytes(ODD)
    with serving(home, path, "--instances=1", "--timeout=0.5") as service:
        yield service


def test_guest_without_description_answers_bytes(odd: Service) -> None:
    assert asked(odd, b"hello") == (200, "hello")
    assert asked(odd, b"") == (200, "")


def test_record_that_the_guest_refuses_gets_400_with_its_words(odd: Service) -> None:
    assert asked(odd, b"? not me") == (400, "? not me (code 7)")
    assert asked(odd, b"x") == (200, "x")


@pytest.mark.parametrize(("record", "told"), [(b"!", "unreachable"), (b"~", "0.5 s")])
def test_failure_of_the_guest_gets_500_and_costs_no_other_request(
    odd: Service, record: bytes, told: str
) -> None:
    before = odd.instances()
    code, text = asked(odd, record)
    assert code == 500
    assert told in text
    assert asked(odd, b"x") == (200, "x")
    assert odd.instances() == before, "it is the same process"


def test_answer_that_is_not_as_described_gets_500(home: str, tmp_path: Path) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    guest.with_suffix(".toml").write_text(DESCRIPTION)
    with serving(home, guest, "--instances=1") as service:
        data = {"name": "x", "datatype": "FP32", "shape": [64], "data": [0] * 64}
        code, text = post(service, "models/echo/infer", json.dumps({"inputs": [data]}).encode())
    assert (code, json.loads(text)["error"]) == (
        500,
        "the guest answered with 256 bytes, and its outputs have 40",
    )


# Deaths.


def test_instance_that_is_killed_under_load_is_back_within_seconds(
    home: str, score: Path, net: Path, alone: np.ndarray, record_property: Callable[[str, object], None]
) -> None:
    """Some requests to it fail, none is answered wrong, and the other instance goes on."""
    counts = {"right": 0, "wrong": 0, "failed": 0}
    is_over = Event()

    def load() -> None:
        with tritonclient.grpc.InferenceServerClient(service.grpc) as client:
            given = tritonclient.grpc.InferInput("x", [64], "FP32")
            given.set_data_from_numpy(ROW)
            while not is_over.is_set():
                try:
                    found = client.infer("score", [given], client_timeout=20).as_numpy("y")
                except InferenceServerException:
                    counts["failed"] += 1
                else:
                    counts["right" if np.array_equal(found, alone) else "wrong"] += 1

    with serving(home, score, "--graph", f"net={net}", "--instances=2") as service:
        before = service.instances()
        assert len(before) == 2
        clients = [Thread(target=load) for _ in range(2)]
        for each in clients:
            each.start()
        until(lambda: counts["right"] > 10)
        victim = min(before)
        kill([victim])
        began = time.monotonic()
        until(lambda: len(service.instances() - before) == 2)
        seconds = time.monotonic() - began
        done = sum(counts.values())
        until(lambda: sum(counts.values()) > done + 20)
        is_over.set()
        for each in clients:
            each.join()
        assert service.process.poll() is None
    record_property("failed", counts["failed"])
    record_property("seconds", seconds)
    assert counts["wrong"] == 0
    assert counts["failed"] <= 2 * (2 + int(seconds)), "each waits for a second at the dead instance"
    assert seconds < 30


def test_last_instance_that_is_killed_is_back_too(home: str, tmp_path: Path) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(home, guest, "--instances=1") as service:
        kill(service.instances())
        until(lambda: asked(service, b"x") == (200, "x"))
        service.process.terminate()
        assert service.process.wait(START_SECONDS) == 0
        assert service.process.stderr is not None
        told = service.process.stderr.read()
    assert "warning: an instance of `echo` ended: loading it anew" in told
    assert "note: `echo` is whole again" in told


def test_server_that_is_killed_ends_the_command(home: str, tmp_path: Path) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(home, guest, "--instances=1") as service:
        below = descendants(service.process.pid)
        kill(pid for pid, command in below.items() if "--model-repository" in command)
        assert service.process.wait(START_SECONDS) == 1
        assert service.process.stderr is not None
        assert "error: Triton ended" in service.process.stderr.read()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_end_of_the_command_is_that_of_the_server(home: str, tmp_path: Path, number: int, code: int) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(home, guest, "--instances=1") as service:
        below = descendants(service.process.pid)
        assert len(below) >= 2
        folders = {word for each in below.values() for word in each.split() if "wasinn-" in word}
        service.process.send_signal(number)
        assert service.process.wait(START_SECONDS) == code
        until(lambda: not alive(below))
    repository = next(word.partition("=")[2] for word in folders if word.startswith("--model-repository="))
    if number != signal.SIGKILL:
        assert not Path(repository).exists()


def export(guest: Path, out: Path, *words: str) -> None:
    """Write a guest into the repository `out`."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "host",
        "export",
        "triton",
        guest,
        "--out",
        out,
        *words,
    ]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)


@pytest.mark.usefixtures("home")
def test_model_that_does_not_start_is_told_with_the_reason(tmp_path: Path) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    out = tmp_path / "repository"
    export(guest, out)
    (out / "echo/1/service.json").write_text("{}")
    places = Places(Address("127.0.0.1", triton.free_port()), None, out, tmp_path / "log")
    with (
        closing(Server(triton.find(), places, "echo")) as server,
        pytest.raises(ServerError, match=r"Triton ended .*service.json` is damaged: KeyError"),
    ):
        server.wait()


@pytest.mark.usefixtures("home")
def test_exported_repository_is_served_by_a_triton_of_the_users_own(
    score: Path, net: Path, tmp_path: Path, alone: np.ndarray
) -> None:
    out = tmp_path / "repository"
    words: list[str | Path] = [
        sys.executable,
        "-m",
        "host",
        "export",
        "triton",
        score,
        "--graph",
        f"net={net}",
        "--out",
        out,
    ]
    subprocess.run(words, check=True, cwd=ROOT, capture_output=True)
    moved = out.rename(tmp_path / "moved")
    with triton.running(triton.find(), moved, tmp_path / "log") as server:
        service = Service(server.process, "score", f"127.0.0.1:{server.http}", f"127.0.0.1:{server.grpc}")  # type: ignore[arg-type]  # of bytes
        np.testing.assert_array_equal(by_grpc(service, ROW), alone)
