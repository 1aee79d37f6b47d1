"""What becomes of a service when a part of it is killed, with a real Triton."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tritonclient.grpc  # type: ignore[import-untyped]  # has neither stubs nor py.typed
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # as above

from host.commands.serve import _STARTS
from tests.host import models
from tests.host.batches import alive, descendants, kill, until
from tests.host.reactors import reactor
from tests.host.served import START_SECONDS, Service, asked, grpc_client, is_answering, post, serving
from tests.host.wasi import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.triton


def test_instance_that_is_killed_under_load_is_back_within_seconds(
    triton_home: str,
    score: Path,
    mlp: Path,
    alone: np.ndarray,
    record_property: Callable[[str, object], None],
) -> None:
    """Some requests to it fail, none is answered wrong, and the other instance goes on."""
    counts = {"right": 0, "wrong": 0, "failed": 0}
    is_over = Event()

    def load() -> None:
        with grpc_client(service) as client:
            given = tritonclient.grpc.InferInput("x", [64], "FP32")
            given.set_data_from_numpy(models.ROW)
            while not is_over.is_set():
                try:
                    found = client.infer("score", [given], client_timeout=20).as_numpy("y")
                except InferenceServerException:
                    counts["failed"] += 1
                else:
                    counts["right" if np.array_equal(found, alone) else "wrong"] += 1

    with serving(triton_home, score, "--graph", f"net={mlp}", "--instances=2") as service:
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


def memory(pid: int) -> str | None:
    """Return what the memory begins with that the server below a process shares with its instances."""
    found = re.search(r"shm-region-prefix-name=(\w+)", " ".join(descendants(pid).values()))
    return found and found[1]


def shared(name: str) -> dict[Path, int]:
    """Return the memory that begins so, and who may use it."""
    return {path: stat.S_IMODE(path.stat().st_mode) for path in Path("/dev/shm").glob(f"{name}*")}  # noqa: S108 - where it is


def test_last_instance_that_is_killed_is_back_too(triton_home: str, tmp_path: Path) -> None:
    """And nobody else can open what it shares with Triton, neither before nor after."""
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=1") as service:
        name = memory(service.process.pid)
        assert name
        before = shared(name)
        assert set(before.values()) == {0o600}
        kill(service.instances())
        until(lambda: asked(service, b"x") == (200, "x"))
        until(lambda: shared(name).keys() - before.keys())
        until(lambda: set(shared(name).values()) == {0o600})
        service.process.terminate()
        assert service.process.wait(START_SECONDS) == 0
        assert service.process.stderr is not None
        told = service.process.stderr.read()
    assert "warning: an instance of `echo` ended: loading it anew" in told
    assert "note: `echo` is whole again" in told


@pytest.mark.parametrize("is_kept", [False, True])
def test_log_does_not_grow_unless_it_is_asked_for(
    triton_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_kept: bool
) -> None:
    """And what Triton says afterwards is in it, at its beginning."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    words = [f"--log={tmp_path / 'log'}"] if is_kept else []
    with serving(triton_home, guest, "--instances=1", *words) as service:
        log = tmp_path / "log" if is_kept else next(tmp_path.glob("wasinn-*/log"))
        with log.open("ab") as written:
            written.write(b"x" * (1 << 23))

        def replace() -> None:  # then the log is looked at, and else after some time
            before = service.instances()
            kill(before)
            until(lambda: service.instances() - before and asked(service, b"x") == (200, "x"))

        replace()
        if not is_kept:
            until(lambda: log.stat().st_size < 1 << 20)
        replace()
        until(lambda: b"successfully loaded" in log.read_bytes()[-(1 << 16) :])
        assert (log.stat().st_size > 1 << 23) is is_kept
        assert (b"xxx" in log.read_bytes()) is is_kept


def test_folder_is_locked_against_what_tidies_such_folders(
    triton_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As tmpfiles.d heeds it: an instance that dies after weeks is loaded from there."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=1"):
        descriptor = os.open(next(tmp_path.glob("wasinn-*")), os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)


def test_request_that_ends_the_server_costs_no_service(triton_home: str, tmp_path: Path) -> None:
    """A shape that Triton 2.51 multiplies beyond its numbers."""
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    shape = [(1 << 63) - 1, 2]
    body = {"inputs": [{"name": "record", "datatype": "FP32", "shape": shape, "data": [1, 2]}]}
    with serving(triton_home, guest, "--instances=1") as service:
        try:
            assert post(service, "models/echo/infer", json.dumps(body).encode())[0] >= 400
        except OSError:
            until(lambda: is_answering(service))
        assert is_answering(service)


def naming(folder: Path) -> set[int]:
    """Return the processes with the folder in their command line, which all of a service have."""
    return {pid for pid, command in descendants(0).items() if str(folder) in command}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("seconds", [0.02, 0.2, 2])
def test_end_while_it_starts_leaves_nothing(
    triton_home: str, tmp_path: Path, number: int, seconds: float
) -> None:
    """Neither processes nor the folder nor memory, SIGKILL included."""
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    words = [sys.executable, "-m", "host", "serve", str(guest), "--http=127.0.0.1:0", "--grpc=off"]
    environment = {**os.environ, "TRITON": triton_home, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        until(lambda: memory(process.pid))
        name = memory(process.pid)
        assert name
        time.sleep(seconds)  # at some moment of the start
        process.send_signal(number)
        process.wait(START_SECONDS)
    until(lambda: not naming(tmp_path))
    until(lambda: not list(tmp_path.glob("wasinn-*")))
    until(lambda: not shared(name))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_while_it_ends_do_not_disturb_that(
    triton_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=1") as service:
        server = next(
            pid for pid, command in descendants(service.process.pid).items() if "--model-rep" in command
        )
        service.process.terminate()
        while alive([server]):
            time.sleep(0.002)
            service.process.send_signal(number)
        assert service.process.wait(START_SECONDS) == 0
        assert service.process.stderr is not None
        assert "Traceback" not in service.process.stderr.read()
    assert not naming(tmp_path)
    assert not list(tmp_path.glob("wasinn-*"))


def test_command_that_is_to_survive_its_terminal_does(triton_home: str, tmp_path: Path) -> None:
    """As `nohup` has it."""
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with serving(triton_home, guest, "--instances=1") as service:
            service.process.send_signal(signal.SIGHUP)
            assert asked(service, b"x") == (200, "x")
            service.process.terminate()
            assert service.process.wait(START_SECONDS) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_end_while_triton_is_had_leaves_neither_pip_nor_half_of_it(tmp_path: Path, number: int) -> None:
    """Nor what pip unpacks; it is at an index that does not answer."""
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    for name in ("cache", "tmp"):
        (tmp_path / name).mkdir()
    words = [sys.executable, "-m", "host", "serve", str(guest), "--http=127.0.0.1:0", "--grpc=off"]
    with socket.create_server(("127.0.0.1", 0)) as index:
        index.settimeout(START_SECONDS)
        environment = {
            **os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "tmp"),
            "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"http://127.0.0.1:{index.getsockname()[1]}",
            "NO_PROXY": "127.0.0.1",
        }  # fmt: skip
        with subprocess.Popen(
            [*words, "--get-triton"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        ) as process:
            with index.accept()[0]:
                assert any("pip install" in each for each in descendants(process.pid).values())
                process.send_signal(number)
                process.wait(START_SECONDS)
            until(lambda: not naming(tmp_path))
    until(lambda: not list((tmp_path / "cache").glob("**/.triton*")))
    assert not list((tmp_path / "cache").glob("**/triton*"))
    assert not list((tmp_path / "tmp").glob("pip-*"))


def test_instance_that_dies_while_it_starts_ends_the_start(triton_home: str, tmp_path: Path) -> None:
    """Triton alone would wait for it without end."""
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    words = [sys.executable, "-m", "host", "serve", str(guest), "--http=127.0.0.1:0", "--grpc=off"]
    with subprocess.Popen(
        words,
        cwd=ROOT,
        env={**os.environ, "TRITON": triton_home},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        stubs = Service(process, "echo", "", "").instances  # type: ignore[arg-type]  # of bytes
        until(lambda: stubs() or process.poll() is not None)
        kill(stubs())
        code = process.wait(START_SECONDS)
        assert process.stderr is not None
        told = process.stderr.read().decode()
    assert code == 1
    assert re.search("ended while it was loaded|Triton ended .* not healthy", told), told


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
def test_names_and_addresses_of_six_are_served(triton_home: str, tmp_path: Path, host: str) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=1", f"--http={host}:0", f"--grpc={host}:0") as service:
        assert asked(service, b"x") == (200, "x")


def test_server_that_is_killed_is_started_again(triton_home: str, tmp_path: Path) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=1") as service:
        below = descendants(service.process.pid)
        kill(servers(service))
        until(lambda: is_answering(service))
        until(lambda: not alive(below))
        service.process.terminate()
        assert service.process.wait(START_SECONDS) == 0
        assert service.process.stderr is not None
        assert "warning: Triton ended (exit code -9): starting it again" in service.process.stderr.read()


def servers(service: Service) -> set[int]:
    """Return the processes of Triton itself."""
    below = descendants(service.process.pid).items()
    return alive(pid for pid, command in below if "--model-repository" in command)


def test_server_that_crashes_while_it_starts_is_started_again_without_end(
    triton_home: str, tmp_path: Path
) -> None:
    """Whoever reaches the port can make it do so; more often than a start may fail."""
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=1") as service:
        for _ in range(_STARTS + 2):
            until(lambda: servers(service))
            kill(servers(service))
            until(lambda: not servers(service))
        until(lambda: is_answering(service))


def test_instance_that_cannot_be_loaded_again_costs_no_other(
    triton_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here because its folder is gone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=2") as service:
        (models,) = tmp_path.glob("wasinn-*/models")
        gone = models.rename(tmp_path / "gone")
        first, second = service.instances()
        kill([first])
        assert service.process.stderr is not None
        while "trying again until it goes" not in (line := service.process.stderr.readline()):
            assert line
        assert str(models) in line
        until(lambda: is_answering(service))
        assert service.instances() == {second}
        gone.rename(models)
        until(lambda: len(service.instances() - {second}) == 2)
        until(lambda: is_answering(service))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_end_of_the_command_is_that_of_the_server(
    triton_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # a folder stays after SIGKILL
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    with serving(triton_home, guest, "--instances=1") as service:
        below = descendants(service.process.pid)
        assert len(below) >= 2
        folders = {word for each in below.values() for word in each.split() if "wasinn-" in word}
        service.process.send_signal(number)
        assert service.process.wait(START_SECONDS) == code
        until(lambda: not alive(below))
    repository = next(word.partition("=")[2] for word in folders if word.startswith("--model-repository="))
    until(lambda: not Path(repository).exists())
