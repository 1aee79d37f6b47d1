"""What a service is before any server runs it: where a server is found, and its commands."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, cast

import pytest

from host.commands import serve
from host.serving import installation
from host.serving.installation import UnusableTritonError
from host.serving.server import Address, Places
from tests.host.reactors import reactor
from tests.host.wasi import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from host.serving.server import Server


# Where Triton is.


def program(folder: Path, python: str | None = f"{sys.version_info.major}.{sys.version_info.minor}") -> Path:
    """Make a folder that looks like an installation, with a Python backend that does start."""
    (folder / "bin").mkdir(parents=True)
    server = folder / "bin" / "tritonserver"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    if python:
        stub = folder / "backends/python/triton_python_backend_stub"
        stub.parent.mkdir(parents=True)
        stub.write_text(f"#!/bin/sh\n# libpython{python}.so.1.0\nexit 1\n")
        stub.chmod(0o755)
    return server


def found(variables: Mapping[str, str], own: Path) -> Path:
    """Return the program that is found."""
    return installation.find(variables, own).program


def test_server_is_the_named_one_before_that_on_the_path(tmp_path: Path) -> None:
    named, other = program(tmp_path / "a"), program(tmp_path / "b")
    path = str(other.parent)
    assert found({"PATH": path}, tmp_path) == other
    assert found({"PATH": path, "TRITON": str(named)}, tmp_path) == named
    assert found({"PATH": path, "TRITON": str(tmp_path / "a")}, tmp_path) == named


def test_no_server_is_told_with_what_would_help(tmp_path: Path) -> None:
    with pytest.raises(UnusableTritonError, match=r"no `tritonserver` on the path: .*--get-triton"):
        found({}, tmp_path / "none")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("nowhere", "there is no program"),
        ("empty", "there is no program"),
        ("file", "may not be run: install"),
    ],
)
def test_named_server_that_is_none_is_told_and_no_other_taken(tmp_path: Path, named: str, told: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    path = str(program(tmp_path / "b").parent)
    with pytest.raises(UnusableTritonError, match=told):
        found({"PATH": path, "TRITON": str(tmp_path / named)}, tmp_path)


@pytest.mark.parametrize(
    ("python", "told"), [("3.1", "is for Python 3.1, and this is"), (None, "has no Python backend")]
)
def test_server_of_another_python_is_told(tmp_path: Path, python: str | None, told: str) -> None:
    server = program(tmp_path / "a", python)
    with pytest.raises(UnusableTritonError, match=told):
        found({"TRITON": str(server)}, tmp_path)


def test_backend_whose_libraries_are_missing_is_told(tmp_path: Path) -> None:
    server = program(tmp_path / "a")
    stub = tmp_path / "a/backends/python/triton_python_backend_stub"
    stub.write_text(
        stub.read_text().replace(
            "exit 1", "echo 'x: error while loading shared libraries: libpython3.so: no' >&2; exit 127"
        )
    )
    with pytest.raises(
        UnusableTritonError, match=r"does not start: libpython3.so: no; on Debian `apt-get install"
    ):
        found({"TRITON": str(server)}, tmp_path)


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        ("#!/bin/sh\nexit 1\n", 0o644, "does not start: Permission denied: install it anew, or name another"),
        ("#!/nowhere\n", 0o755, "does not start: No such file or directory: install it anew, or name"),
        ("#!/bin/sh\nexec sleep 60\n", 0o755, "does not end, as it should at once: install it anew, or name"),
    ],
)
def test_backend_that_does_not_start_or_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int, told: str
) -> None:
    monkeypatch.setattr(installation, "_TRY_SECONDS", 0.3)
    server = program(tmp_path / "a")
    stub = tmp_path / "a/backends/python/triton_python_backend_stub"
    stub.write_text(text)
    stub.chmod(mode)
    with pytest.raises(UnusableTritonError, match=rf"`{stub}` {told}"):
        found({"TRITON": str(server)}, tmp_path)


def test_folder_that_was_not_made_to_its_end_counts_as_none(tmp_path: Path) -> None:
    program(tmp_path / "own/packages/pytriton/tritonserver")
    with pytest.raises(UnusableTritonError, match="--get-triton"):
        found({}, tmp_path / "own")


def test_package_that_cannot_be_had_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "PACKAGES", (str(tmp_path / "none.whl"),))
    with pytest.raises(UnusableTritonError, match=r"`pip install .*none.whl` fails: "):
        installation.provide(tmp_path / "own")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "is_public"),
    [("127.0.0.1", False), ("127.9.9.9", False), ("::1", False),
     ("0.0.0.0", True),  # noqa: S104 - told apart, and not bound
     ("::", True), ("192.0.2.1", True)],
)  # fmt: skip
def test_address_is_public_unless_it_is_the_loopback(host: str, *, is_public: bool) -> None:
    assert Address(host, 1).is_public is is_public


# The commands, as far as they go without a server.


def host_command(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the host; no outcome of it may be a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "host", *words], capture_output=True, text=True, check=False, timeout=60,
        cwd=ROOT, env={**os.environ, **variables},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """Return a guest that answers with the record."""
    path = tmp_path / "echo.wasm"
    path.write_bytes(reactor())
    return path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--http", "8000"], "is not of the form HOST:PORT"),
        (["--http", "http://127.0.0.1:8000"], "is not of the form HOST:PORT, as in `127.0.0.1:8000`"),
        (["--http", "127.0.0.1:x"], "`x` is no number from 0 to 65535"),
        (["--http", "127.0.0.1:65536"], "no number from 0 to 65535"),
        (["--http", "192.0.2.1:1"], "`--http 192.0.2.1:1`"),
        (["--http", "127.0.0.1:0", "--grpc", "no"], "is not of the form HOST:PORT"),
        (
            ["--http", "127.0.0.1:0", "--grpc", "off", "--log", "none/log"],
            "`--log none/log` cannot be written",
        ),
        (["--instances", "0"], "no number from 1 to"),
        (["--rows-per-call", "0"], "no number from 1 to"),
        (["--name", "a/b"], "`a/b` is no name of a model"),
        (["--service", "none.toml"], "`none.toml` cannot be read"),
        (["--graph", "net=none.xml"], "none.xml"),
        (["--dir", "none"], "is not a folder"),
    ],
)
def test_usage_that_cannot_be_is_told_before_anything_starts(
    guest: Path, words: list[str], told: str
) -> None:
    done = host_command("serve", guest, *words, TRITON=str(program(guest.parent / "triton").parent.parent))
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("error:") == 1


def test_port_that_is_taken_is_told(guest: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        done = host_command(
            "serve", guest, "--http", at, TRITON=str(program(guest.parent / "triton").parent.parent)
        )
    assert done.returncode == 2
    assert f"`--http {at}`: Address already in use" in done.stderr
    assert "--http HOST:PORT" in done.stderr


@pytest.mark.parametrize(
    ("http", "grpc"),
    [("127.0.0.1", "127.0.0.1"),
     ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - refused, and not bound
     ("127.0.0.1", "[::]"), ("[::]", "0.0.0.0"), ("[::]", "[::1]")],  # noqa: S104 - as above
)  # fmt: skip
def test_one_port_for_both_protocols_is_refused(guest: Path, http: str, grpc: str) -> None:
    """Also where one of them is all addresses: Triton would find out when everything is loaded."""
    home = program(guest.parent / "triton").parent.parent
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    done = host_command("serve", guest, f"--http={http}:{port}", f"--grpc={grpc}:{port}", TRITON=str(home))
    assert done.returncode == 2
    assert f"`--grpc {grpc}:{port}`: Address already in use" in done.stderr


def test_server_that_is_long_in_coming_is_told_once_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may hang: nothing else would tell."""

    class Slow:
        places = Places(Address("127.0.0.1", 1), None, tmp_path, tmp_path / "log")

        def wait(self, look: Callable[[], None]) -> None:
            look()
            look()

    monkeypatch.setattr(serve, "_TOLD_AFTER", -1.0)
    serve._wait(cast("Server", Slow()))  # noqa: SLF001 - a real one takes a minute
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("note: Triton is not ready after 0 s: ")
    assert str(tmp_path / "log") in said


def test_serving_without_a_server_says_how_to_get_one(guest: Path) -> None:
    done = host_command("serve", guest, TRITON="", PATH="", XDG_CACHE_HOME=str(guest.parent))
    assert done.returncode == 2
    assert "--get-triton" in done.stderr


@pytest.mark.parametrize("command", ["serve", "export triton"])
def test_guest_that_cannot_be_linked_is_told_before_anything_is_written(tmp_path: Path, command: str) -> None:
    path = tmp_path / "bad.wat"
    path.write_text(
        '(module (import "env" "nothing" (func)) (memory (export "memory") 1) (func (export "_start")))'
    )
    words = command.split()
    done = host_command(*words, path, *(("--out", tmp_path / "out") if command != "serve" else ()))
    assert done.returncode == 2
    assert "nothing" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["serve", "export triton"])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--max-output=39"],
            "the outputs have 40 bytes together, and 39 is the most: give `--max-output 40`",
        ),
        (
            ["--max-output=91", "--rows-per-call=2"],
            "of 2 rows have 92 bytes together, and 91 is the most: give `--max-output 92`, or fewer `--rows",
        ),
    ],
)
def test_outputs_that_no_answer_could_have_are_refused(
    guest: Path, command: str, words: list[str], told: str
) -> None:
    """Framed ones have their number and their lengths before them."""
    shutil.copy(ROOT / "tests/host/score.toml", guest.with_suffix(".toml"))
    out = () if command == "serve" else ("--out", guest.parent / "out")
    done = host_command(*command.split(), guest, *words, *out)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert not (guest.parent / "out").exists()


@pytest.mark.parametrize("words", [["--max-output=40"], ["--max-output=92", "--rows-per-call=2"]])
def test_outputs_that_just_fit_are_not(guest: Path, words: list[str]) -> None:
    shutil.copy(ROOT / "tests/host/score.toml", guest.with_suffix(".toml"))
    assert host_command("export", "triton", guest, *words, "--out", guest.parent / "out").returncode == 0


@pytest.mark.parametrize("command", ["serve", "export"])
def test_help_has_an_example(command: str) -> None:
    done = host_command(command, "--help")
    assert done.returncode == 0
    assert f"python -m host {command}" in done.stdout.partition("example")[2]


@pytest.mark.parametrize(
    ("command", "threads", "what"),
    [
        ("run", "auto", "the run"),
        ("map", "auto, with `--in` 1", "each call of the guest"),
        ("serve", "1", "each call of the guest"),
        ("export", "1", "each call of the guest"),
    ],
)
def test_help_of_a_shared_option_says_what_holds_for_the_command(
    command: str, threads: str, what: str
) -> None:
    text = " ".join(host_command(command, "--help").stdout.split())
    assert f"finds quicker (default: {threads})" in text
    assert f"end {what} after this time" in text
    assert f"end {what} after about this many instructions" in text
