"""`host map --in` with a model on a real Triton that is killed: nothing is lost, and nothing waits for it."""

from __future__ import annotations

import struct
import time
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Final

import pytest

from host.abi import NnErrno
from host.errors import Condition
from host.models.graphs import from_text, register
from host.nn import Session
from host.serving import installation
from tests.host import batches
from tests.host.guests import Guest, f32
from tests.servers import triton
from tests.servers.triton_models import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from host.backends import Backend
    from tests.servers.triton import Running

pytestmark = pytest.mark.triton
pa = batches.package("pyarrow")
pq = batches.package("pyarrow.parquet")

SCHEMES: Final = ("v2+grpc", "v2+http")
ROW: Final = struct.Struct("<2f")
STUCK: Final = 20
"""Seconds that a call may take: more than any here does."""


@contextmanager
def server(folder: Path, home: str, model: str) -> Iterator[Callable[[], Running]]:
    """Give what starts a server of one model, each time on the same ports."""
    installed = installation.find({installation.VARIABLE: home})
    repository = triton.repository(folder / "models", {model: MODELS[model]})
    ports = triton.free_port(), triton.free_port()
    started: list[Running] = []

    def start() -> Running:
        started.append(triton.start(installed, repository, folder / "log", *ports))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            triton.stop(each)


def address(running: Running, scheme: str, model: str) -> str:
    """Return what `--graph` takes."""
    port = running.grpc if scheme == "v2+grpc" else running.http
    return f"{scheme}://127.0.0.1:{port}/{model},timeout={STUCK}"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ten_thousand_rows_are_exact_though_the_server_is_killed(
    scheme: str, tmp_path: Path, triton_home: str
) -> None:
    """The shards that it cost are done when it is back, the others are kept."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    each = batches.ROWS // batches.FILES
    for at in range(batches.FILES):
        ids = range(at * each, (at + 1) * each)
        rows = pa.array([ROW.pack(number, -number) for number in ids], pa.binary())
        pq.write_table(pa.table({"id": ids, "x": rows}), source / f"{at}.parquet")
    with server(tmp_path, triton_home, "double_fp32") as start:
        running = start()
        words = (batches.rows_guest(tmp_path), "--graph", f"net={address(running, scheme, 'double_fp32')}",
                 "--in", source, "--out", out, "--column", "x", "--rows-per-call", "10", "--workers", "2",
                 "--on-error", "shard")  # fmt: skip
        with batches.start_map(*words) as run:
            batches.until(lambda: len(batches.shards(out)) >= 2)
            running.process.kill()
            began = time.monotonic()
            _, stderr = run.communicate(timeout=60)
            assert time.monotonic() - began < STUCK
        assert run.returncode == 3, stderr
        assert b"no inference" in stderr
        kept = {name: (out / name).stat().st_ino for name in batches.shards(out)}
        assert 2 <= len(kept) < batches.FILES
        start()
        assert batches.host_map(*words).returncode == 0
    assert {name: (out / name).stat().st_ino for name in kept} == kept
    found = [(row["id"], ROW.unpack(row["output"])) for row in batches.answered(out)]
    assert found == [(number, (2 * number, -2 * number)) for number in range(batches.ROWS)]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_server_killed_in_a_compute_fails_it_at_once(scheme: str, tmp_path: Path, triton_home: str) -> None:
    with server(tmp_path, triton_home, "slow") as start:
        running = start()
        graphs = register([from_text(f"m={address(running, scheme, 'slow')}")])
        guest = Guest(Session(_no_backend, graphs, lambda _: None))
        assert guest.load_by_name(b"m") == 0, guest.reports
        context = guest.context_of(guest.u32())
        assert guest.set_input(context, f32(1, 2), (2,)) == 0
        Timer(0.3, running.process.kill).start()
        began = time.monotonic()
        assert guest.call("compute", context) == NnErrno.RUNTIME_ERROR
        assert 0.2 < time.monotonic() - began < STUCK / 2
    assert guest.condition is Condition.REMOTE_FAILED


def _no_backend() -> Backend:
    raise AssertionError("a remote model needs no backend")
