"""A served guest to test with: the command that serves it, and clients."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final

import tritonclient.grpc  # type: ignore[import-untyped]  # has neither stubs nor py.typed
import tritonclient.http  # type: ignore[import-untyped]  # as above

from tests.host.batches import alive, descendants
from tests.host.wasi import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np

START_SECONDS: Final = 60
DESCRIPTION: Final = ROOT / "tests/host/score.toml"
"""Of guests whose record is a row of `models.mlp`."""


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


@contextmanager
def serving(triton_home: str, *words: str | Path) -> Iterator[Service]:
    """Serve on ports that are free; nothing of it outlives the block."""
    command = [sys.executable, "-m", "host", "serve", "--json", "--http=127.0.0.1:0", "--grpc=127.0.0.1:0"]
    with subprocess.Popen(
        [*map(str, command), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, env={**os.environ, "TRITON": triton_home},
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], START_SECONDS)[0], "it does not tell where it is"
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


def grpc_client(service: Service) -> Any:  # noqa: ANN401 - no types
    """Return a client that goes to the service itself, whatever proxy there is; to be closed."""
    return tritonclient.grpc.InferenceServerClient(service.grpc, channel_args=[("grpc.enable_http_proxy", 0)])


def by_grpc(service: Service, x: np.ndarray, datatype: str = "FP32") -> Any:  # noqa: ANN401 - no types
    """Ask by gRPC."""
    given = tritonclient.grpc.InferInput("x", x.shape, datatype)
    given.set_data_from_numpy(x)
    with grpc_client(service) as client:
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


def get(service: Service, path: str) -> tuple[int, str]:
    """Return the code and the text of what is there."""
    return _answer(service, "GET", path)


def post(service: Service, path: str, body: bytes = b"{}") -> tuple[int, str]:
    """Return the code and the text of the answer to a plain request."""
    return _answer(service, "POST", path, body)


def _answer(service: Service, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
    with closing(HTTPConnection(service.http, timeout=30)) as connection:
        connection.request(method, f"/v2/{path}", body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def asked(service: Service, record: bytes) -> tuple[int, str]:
    """Have a guest that is not described answer a record, by JSON."""
    given = {"name": "record", "datatype": "BYTES", "shape": [1], "data": [record.decode()]}
    code, text = post(service, f"models/{service.name}/infer", json.dumps({"inputs": [given]}).encode())
    answer = json.loads(text)
    return code, answer["outputs"][0]["data"][0] if code == 200 else answer["error"]


def is_answering(service: Service) -> bool:
    """Return whether the echo guest answers; while there is no server it does not."""
    try:
        return asked(service, b"x") == (200, "x")
    except OSError:
        return False
