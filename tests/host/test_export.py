"""`python -m host export triton`: the whole model is in the repository, or nothing of it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.host import batches, models
from tests.host.reactors import reactor
from tests.host.wasi import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGE = 1 << 20
"""More bytes than any file of an export has, but for the weights of `large`."""


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """Return the file of a guest that answers with the record."""
    path = tmp_path / "echo.wasm"
    path.write_bytes(reactor())
    return path


@pytest.fixture
def net(tmp_path: Path, pair: models.IR) -> Path:
    """Return a model's file."""
    return batches.model(tmp_path, pair)


def export(
    guest: Path, out: Path, *words: str | Path, before: Callable[[], None] | None = None, code: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that calls `before`, and then runs `code`; none may end in a traceback."""
    start = f"import sys; {code}\nfrom host.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", start, "export", "triton", guest, "--out", out, *words],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT, preexec_fn=before,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def names(folder: Path) -> list[str]:
    """Return all that there is below a folder, hidden or not."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_all_that_a_server_needs_is_written(echo: Path, net: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "repository"
    done = export(echo, out, "--graph", f"net={net}", "--name", "m")
    assert done.returncode == 0
    assert done.stdout == f"{out / 'm'}\n"
    assert names(out) == [
        "m", "m/1", "m/1/guest.wasm", "m/1/model.py", "m/1/models", "m/1/models/0", "m/1/models/0/net.bin",
        "m/1/models/0/net.xml", "m/1/service.json", "m/config.pbtxt",
    ]  # fmt: skip
    assert str(tmp_path) not in (out / "m/1/service.json").read_text(), "it names no place of this machine"


def usual_permissions() -> None:
    """Have new files writable for the group."""
    os.umask(0o002)


def test_variables_are_for_the_owner_alone(echo: Path, tmp_path: Path) -> None:
    """All else has the permissions that the user gives new files."""
    out = tmp_path / "repository"
    assert export(echo, out, "--env", "KEY=secret", before=usual_permissions).returncode == 0
    modes = {
        str(path.relative_to(out)): stat.S_IMODE(path.stat().st_mode)
        for path in out.rglob("*")
        if path.is_file()
    }
    assert modes.pop("echo/1/service.json") == 0o600
    assert set(modes.values()) == {0o664}
    assert stat.S_IMODE((out / "echo").stat().st_mode) == 0o775


@pytest.mark.parametrize("kind", ["model", "file", "link to nothing"])
def test_what_is_there_is_not_overwritten(echo: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "repository"
    out.mkdir()
    match kind:
        case "model":
            assert export(echo, out).returncode == 0
        case "file":
            (out / "echo").touch()
        case _:
            (out / "echo").symlink_to("nowhere")
    before = names(out)
    done = export(echo, out)
    assert done.returncode == 2
    assert f"`{out / 'echo'}` is there already" in done.stderr
    assert names(out) == before


def test_description_beside_the_guest_is_taken_and_its_lack_told(echo: Path, tmp_path: Path) -> None:
    done = export(echo, tmp_path / "a")
    assert "note: there is no " in done.stderr
    assert "TYPE_STRING" in (tmp_path / "a/echo/config.pbtxt").read_text()
    shutil.copy(ROOT / "tests/host/score.toml", echo.with_suffix(".toml"))
    done = export(echo, tmp_path / "b")
    assert done.stderr == ""
    assert "TYPE_FP32" in (tmp_path / "b/echo/config.pbtxt").read_text()


def test_what_the_server_has_to_have_besides_is_told(echo: Path, tmp_path: Path) -> None:
    """Under the paths that are looked for there, which are not those of this command's folder."""
    ca = tmp_path / "ca.pem"
    ca.touch()
    done = export(
        echo, tmp_path / "out", "--dir", "docs",
        "--graph", f"far=v2+https://h:1/m,ca={ca},header=Authorization:env:TOKEN",
        "--graph", "filed=v2+http://h:1/m,header=Authorization:file:token.txt",
    )  # fmt: skip
    things = f"folder `{ROOT / 'docs'}`", f"file `{ca}`", "variable `TOKEN`", f"file `{ROOT / 'token.txt'}`"
    notes = [f"note: the server has to have the {each} too" for each in things]
    assert done.stderr.splitlines()[1:] == notes
    service = (tmp_path / "out/echo/1/service.json").read_text()
    assert all(each.split("`")[1] in service for each in things)


# What goes wrong.


def no_large_files() -> None:
    """Have writing fail in this process as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE, LARGE))


def large(tmp_path: Path) -> Path:
    """Return a model whose weights are not written where there are `no_large_files`."""
    path = batches.model(tmp_path, models.double([1, 2]))
    path.with_suffix(".bin").write_bytes(bytes(2 * LARGE))
    return path


def test_disk_that_is_full_is_told_and_nothing_left(echo: Path, tmp_path: Path) -> None:
    """Also not the folders that were made for it."""
    net, out = large(tmp_path), tmp_path / "new" / "out"
    before = names(tmp_path)
    done = export(echo, out, "--graph", f"net={net}", before=no_large_files)
    assert done.returncode == 2
    assert f"`--out {out}` cannot be written: File too large" in done.stderr
    assert "net." not in done.stderr, "it is not the model's fault"
    assert names(tmp_path) == before


def test_model_that_was_there_before_is_kept_whatever_fails(echo: Path, tmp_path: Path) -> None:
    assert export(echo, tmp_path / "out", "--name", "other").returncode == 0
    net = large(tmp_path)
    before = names(tmp_path)
    assert export(echo, tmp_path / "out", "--graph", f"net={net}", before=no_large_files).returncode == 2
    assert names(tmp_path) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_export_that_is_ended_leaves_nothing(echo: Path, net: Path, tmp_path: Path, number: int) -> None:
    """While a model is copied."""
    before = names(tmp_path)
    end = f"os.kill(os.getpid(), {int(number)})"
    code = f"import os; from host.models import files as f; f.files_of = lambda _: {end}"
    done = export(echo, tmp_path / "out", "--graph", f"net={net}", code=code)
    assert (done.returncode, done.stdout) == (130, "")
    assert names(tmp_path) == before


def test_model_that_cannot_be_read_is_told_and_nothing_left(echo: Path, net: Path, tmp_path: Path) -> None:
    before = names(tmp_path)
    code = "from host.models import files as f; f.files_of = lambda path: [path.with_name('gone.bin')]"
    done = export(echo, tmp_path / "out", "--graph", f"net={net}", code=code)
    assert done.returncode == 2
    assert f"a model cannot be read: `{net.with_name('gone.bin')}`: No such file" in done.stderr
    assert names(tmp_path) == before


def test_repository_that_cannot_be_is_told(echo: Path) -> None:
    for out in (echo, echo / "out"):
        done = export(echo, out)
        assert done.returncode == 2
        assert f"error: `--out {out}` cannot be written: " in done.stderr
