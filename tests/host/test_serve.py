"""`python -m host serve`, a real Triton, a real client: a guest behind a port answers as it does alone."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # as above

from host.serving import description
from host.serving.server import Address, Places, Server, ServerError
from tests.host import models
from tests.host.batches import rows_guest
from tests.host.reactors import ECHO, reactor, when
from tests.host.served import DESCRIPTION, WAYS, Service, asked, by_grpc, get, grpc_client, post, serving
from tests.host.wasi import ROOT, SPIN
from tests.servers import triton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def command(triton_home: str, score: Path, mlp: Path) -> Iterator[Service]:
    """Return the served command guest."""
    with serving(triton_home, score, "--graph", f"net={mlp}", "--instances=1") as service:
        yield service


@pytest.mark.parametrize("ask", WAYS, ids=["grpc", "http-binary", "http-json"])
def test_every_client_gets_what_the_guest_answers_alone(
    command: Service, alone: np.ndarray, ask: Callable[..., Any]
) -> None:
    np.testing.assert_array_equal(ask(command, models.ROW), alone)


def test_server_describes_what_its_file_does(command: Service) -> None:
    told = json.loads(get(command, "models/score")[1])
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
    with grpc_client(command) as client:
        for name in ("load_model", "unload_model"):
            with pytest.raises(InferenceServerException, match="restricted"):
                getattr(client, name)("score")


# Rows.


@pytest.mark.parametrize("ask", WAYS, ids=["grpc", "http-binary", "http-json"])
def test_rows_of_one_request_are_answered_together(
    triton_home: str, mlp: Path, tmp_path: Path, alone: np.ndarray, ask: Callable[..., Any]
) -> None:
    """Up to as many as `--rows-per-call` says."""
    guest = rows_guest(tmp_path)
    shutil.copy(DESCRIPTION, guest.with_suffix(".toml"))
    with serving(
        triton_home, guest, "--graph", f"net={mlp}", "--rows-per-call=8", "--instances=1"
    ) as service:
        for count in (1, 3, 8):
            rows = np.stack([models.ROW] * count)
            rows[1:2] = 0
            found = ask(service, rows)
            assert found.shape == (count, 10)
            others = found[[at for at in range(count) if at != 1]]
            np.testing.assert_allclose(others, np.stack([alone] * len(others)), rtol=1e-5, atol=1e-6)
            assert count == 1 or not np.array_equal(found[1], found[0])
        with pytest.raises(InferenceServerException, match="batch"):
            ask(service, np.stack([models.ROW] * 9))


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
def odd(triton_home: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return the served odd guest, one instance, which is not described."""
    path = tmp_path_factory.mktemp("odd") / "odd.wasm"
    path.write_bytes(ODD)
    with serving(triton_home, path, "--instances=1", "--timeout=0.5") as service:
        yield service


def test_guest_without_description_answers_bytes(odd: Service) -> None:
    assert asked(odd, b"hello") == (200, "hello")
    assert asked(odd, b"") == (200, "")


def test_record_that_the_guest_refuses_gets_400_with_its_words(odd: Service) -> None:
    assert asked(odd, b"? not me") == (400, "? not me (code 7)")
    assert asked(odd, b"? a\0b\nc") == (400, r"? a\x00b\nc (code 7)"), "in one line, and to its end"
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


def test_answer_that_is_not_as_described_gets_500(triton_home: str, tmp_path: Path) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    shutil.copy(DESCRIPTION, guest.with_suffix(".toml"))
    with serving(triton_home, guest, "--instances=1") as service:
        data = {"name": "x", "datatype": "FP32", "shape": [64], "data": [0] * 64}
        code, text = post(service, "models/echo/infer", json.dumps({"inputs": [data]}).encode())
    assert (code, json.loads(text)["error"]) == (
        500,
        "the guest answered with 256 bytes, and its outputs have 40",
    )


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


@pytest.mark.usefixtures("triton_home")
def test_model_that_does_not_start_is_told_with_the_reason(tmp_path: Path) -> None:
    guest = tmp_path / "echo.wasm"
    guest.write_bytes(reactor())
    out = tmp_path / "repository"
    export(guest, out)
    (out / "echo/1/service.json").write_text("{}")
    (tmp_path / "log").write_text("failed to load 'echo' version 1: Internal: of another time\n")
    places = Places(Address("127.0.0.1", triton.free_port()), None, out, tmp_path / "log")
    with (
        closing(Server(triton.find(), places, "echo")) as server,
        pytest.raises(ServerError, match=r"Triton ended .*service.json` is damaged: KeyError"),
    ):
        server.wait()


@pytest.mark.usefixtures("triton_home")
def test_exported_repository_is_served_by_a_triton_of_the_users_own(
    score: Path, mlp: Path, tmp_path: Path, alone: np.ndarray
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
        f"net={mlp}",
        "--out",
        out,
    ]
    subprocess.run(words, check=True, cwd=ROOT, capture_output=True)
    moved = out.rename(tmp_path / "moved")
    with triton.running(triton.find(), moved, tmp_path / "log") as server:
        service = Service(server.process, "score", f"127.0.0.1:{server.http}", f"127.0.0.1:{server.grpc}")  # type: ignore[arg-type]  # of bytes
        np.testing.assert_array_equal(by_grpc(service, models.ROW), alone)


# The page.

PAGE: Final = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def block(language: str, number: int) -> str:
    """Return a block of the page."""
    return str([text for each, text in BLOCKS if each == language][number])


def host_words(script: str) -> list[str]:
    """Return what is after `python -m host` in a line of the page."""
    words = shlex.split(script)
    assert words[:3] == [".venv/bin/python", "-m", "host"]
    return words[3:]


@pytest.fixture
def photo_guest() -> None:
    """See that there is what the page serves: `make guests model` makes it."""
    for path in ("build/guest/photo_reactor.wasm", "build/models/squeezenet", "build/photos/coffee.png"):
        if not (ROOT / path).exists():
            assert "CI" not in os.environ, path
            pytest.skip(f"no `{path}`")


@pytest.mark.usefixtures("photo_guest")
def test_the_page_is_true(triton_home: str) -> None:
    command, *words = host_words(block("sh", 0))
    assert (command, words.pop()) == ("serve", "--get-triton")
    with serving(triton_home, *words) as service:
        client = block("python", 0).replace("127.0.0.1:8001", service.grpc)
        assert "8000" not in client
        words = [sys.executable, "-c", client]
        direct = {**os.environ, "no_proxy": "127.0.0.1"}
        done = subprocess.run(words, capture_output=True, check=True, cwd=ROOT, env=direct)
        assert done.stdout.decode() == block("text", 1)


@pytest.mark.usefixtures("photo_guest")
def test_the_export_on_the_page_is_written(tmp_path: Path) -> None:
    words = host_words(block("sh", 1))
    assert words[-1] == "build/repository"
    done = subprocess.run([sys.executable, "-m", "host", *words[:-1], str(tmp_path)], check=True, cwd=ROOT)
    assert done.returncode == 0
    assert (tmp_path / "photo/1/model.py").exists()


def test_the_description_on_the_page_is_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.toml"
    path.write_text(block("toml", 0))
    assert [each.name for each in description.read(path).inputs] == ["x"]
