"""Provide a real Triton Inference Server in `build/triton`, and run it on models in Python: for tests.

It is inside the package nvidia-pytriton, which needs a numpy older than OpenVINO's: so in a venv of its own.
Only its Python backend is there.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BUILD: Final = Path(__file__).resolve().parents[2] / "build" / "triton"
PACKAGE: Final = "nvidia-pytriton==0.7.0"

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0


class UnusableError(Exception):
    """There is no Triton; the message says why."""


@dataclass(frozen=True, slots=True)
class Triton:
    """Where the server is; `packages` is what its models can import."""

    venv: Path
    packages: Path
    backends: Path

    @property
    def program(self) -> Path:
        """The server itself."""
        return self.packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready, on the loopback."""

    process: subprocess.Popen[bytes]
    http: int
    grpc: int
    log: Path


def find(build: Path = BUILD) -> Triton:
    """Return the server in `build`; UnusableError when it was not provided there."""
    found = sorted((build / "venv").glob("lib/python3.*/site-packages/pytriton"))
    if not found or not (build / "ready").exists():
        raise UnusableError("no Triton: `make triton` provides it")
    return Triton(build / "venv", found[0].parent, build / "backends")


def provide(build: Path = BUILD) -> Triton:
    """Return the server in `build`, made if need be; UnusableError when its package cannot be had or run."""
    try:
        return find(build)
    except UnusableError:
        pass
    shutil.rmtree(build / "venv", ignore_errors=True)
    shutil.rmtree(build / "backends", ignore_errors=True)
    for command in (
        [sys.executable, "-m", "venv", str(build / "venv")],
        [str(build / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--no-compile", PACKAGE],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnusableError(f"{PACKAGE}: {done.stderr.strip()[-1000:]}")
    packages = next((build / "venv").glob("lib/python3.*/site-packages"))
    _copy_backends(packages / "pytriton" / "tritonserver", build / "backends")
    (build / "ready").touch()
    return find(build)


def _copy_backends(server: Path, backends: Path) -> None:
    """Copy the backends, and the one stub of the Python backend's that is for this Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.exists():
        raise UnusableError(f"{PACKAGE} has no Python backend for Python {version} on this machine")
    shutil.copytree(server / "backends", backends)
    shutil.copy(stub, backends / "python")


def repository(folder: Path, models: Mapping[str, tuple[str, str]]) -> Path:
    """Write a model repository: name to the ports in `config.pbtxt`, and the text of `model.py`."""
    for name, (config, code) in models.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "model.py").write_text(code)
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
    """Start a server and wait until it is ready; UnusableError when it does not get so."""
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
    environment = {
        **os.environ,
        "PATH": f"{triton.venv / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "VIRTUAL_ENV": str(triton.venv),
        "PYTHONPATH": str(triton.packages),
        "LD_LIBRARY_PATH": str(triton.packages / "nvidia_pytriton.libs"),
    }
    with log.open("ab") as words:
        process = subprocess.Popen(command, env=environment, stdout=words, stderr=words)
    server = Running(process, http, grpc, log)
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/v2/health/ready", timeout=5):
                return server
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)  # it has no other way to tell that it is ready
    stop(server)
    raise UnusableError(f"Triton does not start: {log.read_text(errors='replace')[-2000:]}")


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
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def main() -> int:
    """Provide the server; return the exit code."""
    try:
        triton = provide()
    except UnusableError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stderr.write(f"    Triton: {triton.program}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
