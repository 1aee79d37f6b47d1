"""Provide a real Triton Inference Server in `build/triton`, and run it on models in Python: for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.serving import installation
from host.serving.installation import UnusableTritonError
from host.serving.repository import PATHS
from host.serving.server import free_port as free_port_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from host.serving.installation import Triton

BUILD: Final = Path(__file__).resolve().parents[2] / "build" / "triton"

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready, on the loopback."""

    process: subprocess.Popen[bytes]
    http: int
    grpc: int
    log: Path


def find() -> Triton:
    """Return the server in BUILD; UnusableTritonError when it was not provided there."""
    return installation.find({}, BUILD)


def repository(folder: Path, models: Mapping[str, tuple[str, str]]) -> Path:
    """Write a repository, of two versions each: name to the ports in `config.pbtxt`, and `model.py`."""
    for name, (config, code) in models.items():
        for version in ("1", "2"):
            (folder / name / version).mkdir(parents=True)
            (folder / name / version / "model.py").write_text(code)
        (folder / name / "config.pbtxt").write_text(
            f'name: "{name}"\nbackend: "python"\ninstance_group [{{ count: 1, kind: KIND_CPU }}]\n{config}\n'
        )
    return folder


@contextmanager
def running(triton: Triton, models: Path, log: Path) -> Iterator[Running]:
    """Run the server on the repository `models`, whose words go to `log`; end it afterwards."""
    server = start(triton, models, log, free_port(), free_port())
    try:
        yield server
    finally:
        stop(server)


def start(triton: Triton, models: Path, log: Path, http: int, grpc: int) -> Running:
    """Start a server and wait until it is ready; UnusableTritonError when it does not get so."""
    command = [
        str(triton.program),
        f"--model-repository={models}",
        f"--backend-directory={triton.backends}",
        "--http-address=127.0.0.1",
        f"--http-port={http}",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={grpc}",
        "--allow-metrics=false",
        "--exit-timeout-secs=2",
    ]
    environment = {**triton.environment(os.environ), PATHS: os.pathsep.join(map(str, triton.packages))}
    with log.open("ab") as words:
        process = subprocess.Popen(command, env=environment, stdout=words, stderr=words)
    server = Running(process, http, grpc, log)
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if _is_ready(http):
            return server
        time.sleep(0.05)  # it has no other way to tell that it is ready
    stop(server)
    raise UnusableTritonError(f"Triton does not start: {log.read_text(errors='replace')[-2000:]}")


def _is_ready(http: int) -> bool:
    try:
        with closing(HTTPConnection("127.0.0.1", http, timeout=5)) as connection:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False


def stop(server: Running) -> None:
    """End a server."""
    server.process.terminate()
    try:
        server.process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


def free_port() -> int:
    """Return a port of the loopback that nobody has now."""
    return free_port_at("127.0.0.1")


def main() -> int:
    """Provide the server; return the exit code."""
    try:
        triton = installation.provide(BUILD)
    except UnusableTritonError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stderr.write(f"    Triton: {triton.program}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
