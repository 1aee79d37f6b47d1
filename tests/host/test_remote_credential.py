"""A credential goes to the server of a model and is told nowhere, whatever the server says."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]  # it has no types
import pytest

from host.abi import NnErrno
from host.backends.remote import connect
from host.commands.results import identity
from host.job import Bounds, Job
from host.models.graphs import from_text, register
from host.nn import Limits, Serving
from tests.host.remotes import ROOT, SECRET, address, by_grpc, compute, failed, guest, metadata_of, output
from tests.host.scripts import command, inference
from tests.servers import wrong
from tests.servers.wrong import METADATA, Asked, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Echoes:
    """Servers that give back every header they get, in errors and in names."""

    heard: list[str]

    def http(self, asked: Asked) -> wrong.Answer:
        """Answer with an error, of HTTP."""
        said = asked.headers.get("authorization", "")
        self.heard.append(said)
        if asked.path.endswith("/infer"):
            return reply({"error": f"what is {said}? and {said.split()[-1]}"}, 400)
        return reply(METADATA)

    def http_name(self, asked: Asked) -> wrong.Answer:
        """Answer with an output of that name."""
        return wrong.model(lambda asked: reply(output(name=asked.headers["authorization"])))(asked)

    def grpc(self, _: object, context: Any) -> bytes:  # noqa: ANN401 - it has no type
        """Answer with an error, of gRPC."""
        said = dict(context.invocation_metadata()).get("authorization", "")
        self.heard.append(said)
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"what is {said}? and {said.split()[-1]}")
        return b""


@contextmanager
def echoing(scheme: str) -> Iterator[tuple[str, list[str]]]:
    """Serve a model that tells what it was told; give its address and what it heard."""
    echoes = Echoes([])
    if scheme == "v2+grpc":
        with wrong.by_grpc(lambda *_: metadata_of(), echoes.grpc) as port:
            yield f"{scheme}://127.0.0.1:{port}/m", echoes.heard
    else:
        with wrong.http(echoes.http) as server:
            yield f"{scheme}://127.0.0.1:{server.port}/m", echoes.heard


@pytest.mark.parametrize("scheme", ["v2+grpc", "v2+http"])
@pytest.mark.parametrize("source", ["env", "file"])
def test_credential_reaches_the_server_and_nothing_else(
    scheme: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not stdout, stderr, the trace or the guest's variables, even when the server says it again."""
    module, trace, token = tmp_path / "g.wasm", tmp_path / "trace.jsonl", tmp_path / "token"
    module.write_bytes(command(*inference(1, 2)))
    token.write_text(f"Bearer {SECRET}\n")
    monkeypatch.setenv("TEST_TOKEN", f"Bearer {SECRET}")
    place = {"env": "TEST_TOKEN", "file": str(token)}[source]
    with echoing(scheme) as (text, heard):
        done = subprocess.run(
            [sys.executable, "-m", "host", "run", "-v", "--stats", f"--trace={trace}",
             "--graph", f"net={text},header=Authorization:{source}:{place}", str(module)],
            capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert heard[-1] == f"Bearer {SECRET}"
    assert "what is ***? and ***" in done.stderr
    for told in (done.stdout, done.stderr, trace.read_text()):
        assert SECRET not in told


def test_credential_as_a_name_in_an_answer_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", SECRET)
    with wrong.http(Echoes([]).http_name) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m,header=Authorization:env:TEST_TOKEN")
    assert "`***`" in failed(made)[1]
    assert all(SECRET not in str(error) for _, error in made.reports)


LEAKS: Final = {
    "a name": lambda said: reply(output(name="n" * 66 + said)),
    "a type": lambda said: reply(output(datatype="T" * 66 + said)),
    "a type without data": lambda said: reply(output(datatype="T" * 66 + said, data=None)),
    "a status": lambda said: b"X" * 66 + said.encode() + b"\r\n\r\n",
    "a reason": lambda said: f"HTTP/1.1 500 {'r' * 380}{said}\r\nContent-Length: 0\r\n\r\n".encode(),
    "an error": lambda said: reply({"error": "e" * 370 + said}, 400),
    "a long error": lambda said: reply(b" " * ((1 << 16) - 20) + said.encode(), 400),
}
"""Answers that give back what they were told, where it would be cut off."""


@pytest.mark.parametrize("said", LEAKS.values(), ids=LEAKS.keys())
def test_not_even_a_part_of_a_credential_is_told(
    said: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_TOKEN", f"Bearer {SECRET}")
    with wrong.http(wrong.model(lambda asked: said(asked.headers["authorization"]))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m,header=Authorization:env:TEST_TOKEN")
    assert failed(made)
    assert SECRET[:4] not in str(made.reports)


@pytest.mark.parametrize("scheme", ["v2+grpc", "v2+http"])
@pytest.mark.parametrize("is_gone", [False, True])
def test_credential_that_was_sent_is_not_told_when_its_file_has_another(
    scheme: str,
    is_gone: bool,  # noqa: FBT001 - a case
    tmp_path: Path,
) -> None:
    token = tmp_path / "token"
    token.write_text(SECRET)

    def replace(said: str) -> str:
        token.unlink() if is_gone else token.write_text("another")
        return f"what is {said}?"

    def infer(_: bytes, call: grpc.ServicerContext) -> bytes:
        told = dict(call.invocation_metadata())["x-key"]
        call.abort(grpc.StatusCode.INVALID_ARGUMENT, replace(told))
        return b""

    with (
        by_grpc(infer) as text,
        wrong.http(
            wrong.model(lambda asked: reply({"error": replace(asked.headers["x-key"])}, 400))
        ) as server,
    ):
        place = text if scheme == "v2+grpc" else f"v2+http://127.0.0.1:{server.port}/m"
        made = compute(f"{place},header=X-Key:file:{token}")
    assert "what is ***?" in failed(made)[1]
    assert SECRET not in str(made.reports)


def test_credential_of_an_earlier_call_is_not_told(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(SECRET)
    with wrong.http(wrong.model(lambda _: reply({"error": f"not {SECRET} again"}, 400))) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m,header=X-Key:file:{token}")
        token.write_text("another")
        assert made.call("compute", 2) == NnErrno.RUNTIME_ERROR
    assert "not *** again" in failed(made)[1]


def test_credential_is_in_no_text_of_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", SECRET)
    with wrong.http(wrong.model()) as server:
        graph = connect(address(f"v2+http://127.0.0.1:{server.port}/m,header=A:env:TEST_TOKEN"))
        assert SECRET not in f"{graph!r} {graph.remark} {graph.request()!r} {graph.remote}"


@pytest.mark.parametrize("scheme", ["v2+grpc", "v2+http"])
@pytest.mark.parametrize(
    "content", [None, "", " \n", f"{SECRET}\nX: y", f"{SECRET}\0", f"{SECRET}é", SECRET * 4000]
)
def test_credential_that_cannot_be_is_not_sent_or_told(
    scheme: str, content: str | None, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_text(content)
    with echoing(scheme) as (text, heard):
        made = guest(f"{text},header=Authorization:file:{token}")
        assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert not heard
    assert str(token) in failed(made)[1]
    assert SECRET not in failed(made)[1]


def test_variable_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_TOKEN", raising=False)
    made = guest("v2+http://127.0.0.1:1/m,header=Authorization:env:TEST_TOKEN")
    assert made.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert "variable `TEST_TOKEN` for `Authorization` is not set" in failed(made)[1]


def test_new_token_in_the_file_goes_with_the_next_call(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    with wrong.http(wrong.model()) as server:
        made = compute(f"v2+http://127.0.0.1:{server.port}/m,header=X-Key:file:{token}")
        token.write_text("second")
        assert made.call("compute", 2) == 0
    assert [asked.headers["x-key"] for asked in server.asked][-2:] == ["first", "second"]


def test_job_of_another_server_is_another_job(tmp_path: Path) -> None:
    def told(text: str) -> object:
        registry = register([from_text(f"m={text}")])
        bounds = Bounds(None, None, None)
        job = Job(tmp_path / "g", (), (), (), registry, "auto", Limits(), bounds, Serving())
        return identity(job, b"")["models"]

    assert told("v2+grpc://h:1/m") == told("v2+grpc://h:1/m,timeout=9")
    assert told("v2+grpc://h:1/m") != told("v2+grpc://h:2/m")
