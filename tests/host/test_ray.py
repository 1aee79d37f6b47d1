"""The same shards on Ray: the same answers, whatever dies, and nothing listens beyond this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

import host
from host.batch import on_ray
from tests.host import batches, models
from tests.host.batches import TRAPS, answered, host_map, shards, table
from tests.host.wasi import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.ray
pa = batches.package("pyarrow")
pq = batches.package("pyarrow.parquet")
batches.package("ray")

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""What keeps a Ray on loopback; all that take part in it need it."""

_LISTENS = "0A"
"""The state of a socket that listens, in /proc/net/tcp."""
_LOOPBACK = re.compile(r"0100007F|0{16}FFFF00000100007F|0{24}01000000")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give Ray a home of its own: it writes a token there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def tasks(driver: int) -> list[int]:
    """Return the processes of a driver's own Ray that are answering shards."""
    return [pid for pid, command in batches.descendants(driver).items() if command.startswith("ray::run")]


@pytest.mark.parametrize("where", [{}, {"RAY_ADDRESS": "local"}], ids=["unset", "local"])
def test_ten_thousand_rows_are_exact_though_a_worker_is_killed(
    where: dict[str, str], slow: Path, tmp_path: Path
) -> None:
    """Meanwhile all that Ray listens on is loopback."""
    words = (slow, "--in", batches.ten_thousand(tmp_path / "in"), "--out", tmp_path / "out", "--column", "x",
             "--engine", "ray", "--workers", "2")  # fmt: skip
    with batches.start_map(*words, **where) as run:
        batches.until(lambda: shards(tmp_path / "out"))
        assert addresses(run.pid) <= {True}
        batches.until(lambda: tasks(run.pid))
        batches.kill(tasks(run.pid)[:1])
        _, stderr = run.communicate(timeout=120)
    assert (run.returncode, b"Traceback" in stderr) == (0, False), stderr
    assert batches.is_exact(tmp_path / "out")


def addresses(driver: int) -> set[bool]:
    """Return whether what the processes below a driver listen on is loopback."""
    inodes = set()
    for pid in batches.descendants(driver):
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                inodes.update(re.findall(r"socket:\[(\d+)\]", str(link.readlink())))
            except OSError:
                continue
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path("/proc/net", name).read_text().splitlines()[1:]
    ]
    found = [row[1].partition(":")[0] for row in rows if row[3] == _LISTENS and row[9] in inodes]
    assert found
    return {_LOOPBACK.fullmatch(each) is not None for each in found}


def test_same_command_goes_on_after_the_driver_is_killed(slow: Path, tmp_path: Path) -> None:
    """With the other engine too: what made a shard is not to be seen in it."""
    out = tmp_path / "out"
    words = (slow, "--in", batches.ten_thousand(tmp_path / "in"), "--out", out, "--column", "x")
    with batches.start_map(*words, "--engine", "ray", "--workers", "2") as run:
        batches.until(lambda: len(shards(out)) >= 2)
        at_work, below = tasks(run.pid), batches.descendants(run.pid)
        run.kill()
    batches.until(lambda: not batches.alive(at_work))
    batches.kill(batches.alive(below))  # two helpers of Ray's own outlive it
    kept = {name: (out / name).stat().st_mtime_ns for name in shards(out)}
    assert 2 <= len(kept) < batches.FILES
    assert host_map(*words).returncode == 0
    assert batches.is_exact(out)
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept


def test_shard_that_kills_its_process_costs_itself_only(tmp_path: Path) -> None:
    """The tries are finite. The model is there though its files went with the job, and goes afterwards."""
    folder = tmp_path / "in"
    folder.mkdir()
    for at in range(4):
        deadly = [batches.index(batches.DEADLY)] if at == 1 else []
        pq.write_table(pa.table({"x": [batches.index(at), *deadly]}), folder / f"{at}.parquet")
    words = (batches.rows_guest(tmp_path), "--in", folder, "--out", tmp_path / "out", "--rows-per-call", "9",
             "--graph", f"net={batches.model(tmp_path, batches.wild())}", "--env", "ROW_TYPE=i64",
             "--workers", "2", "--retries", "1", "--engine", "ray")  # fmt: skip
    with TemporaryDirectory(prefix="w", dir="/tmp") as temporary:  # Ray wants it short
        done = host_map(*words, TMPDIR=temporary)
        batches.until(lambda: not list(Path(temporary).glob("wasinn-*")))
    assert done.returncode == 3, done.stderr
    assert b"shard `1.parquet`: WorkerCrashedError" in done.stderr
    assert b"1 of 4 shards failed" in done.stderr
    assert len(answered(tmp_path / "out")) == 3


def test_tries_are_finite_when_memory_is_short(slow: Path, tmp_path: Path) -> None:
    """Ray ends what runs when a machine has less left than it wants, and of itself begins anew for ever."""
    pq.write_table(table(0, 4000), tmp_path / "in.parquet")
    words = (slow, "--in", tmp_path / "in.parquet", "--out", tmp_path / "out", "--column", "x",
             "--engine", "ray", "--workers", "1", "--retries", "1")  # fmt: skip
    short = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "100"}
    done = host_map(*words, **short)
    assert done.returncode == 3, done.stderr
    assert b"shard `in.parquet`: OutOfMemoryError" in done.stderr


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("\n  it is\nso\n", "it is"),
        ("\x1b[36mray::run()\x1b[39m (pid=7)\n  File\nModuleNotFoundError: x\n\n", "ModuleNotFoundError: x"),
        ("", "no reason given"),
    ],
)
def test_one_line_of_what_ray_says_is_told(said: str, told: str) -> None:
    assert on_ray._reason(Exception(said)) == told  # noqa: SLF001 - Ray says such things only when it fails


def test_cluster_that_is_not_there_is_told(slow: Path, tmp_path: Path) -> None:
    batches.ten_thousand(tmp_path / "in")
    words = (slow, "--in", tmp_path / "in", "--out", tmp_path / "out", "--column", "x", "--engine", "ray")
    done = host_map(*words, "--address", "127.0.0.1:1")
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1), done.stderr
    assert b"127.0.0.1:1" in done.stderr


CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
other = cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.readline()
cluster.remove_node(other, allow_graceful=False)
print("killed", flush=True)
sys.stdin.readline()
cluster.shutdown()
"""


@pytest.fixture
def cluster() -> Iterator[subprocess.Popen[str]]:
    """Return a process that has two nodes, and kills one at the first line it gets."""
    env = {**os.environ, **LOOPBACK}
    words = [sys.executable, "-c", CLUSTER]
    with subprocess.Popen(
        words, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True, env=env
    ) as process:
        below: dict[int, str] = {}
        try:
            yield process
        finally:
            below = batches.descendants(process.pid)
            process.kill()
            for pid in batches.alive(below):
                os.kill(pid, signal.SIGKILL)


def test_ten_thousand_rows_are_exact_though_a_node_is_killed(
    slow: Path, tmp_path: Path, cluster: subprocess.Popen[str]
) -> None:
    assert cluster.stdin is not None
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    out = tmp_path / "out"
    words = (slow, "--in", batches.ten_thousand(tmp_path / "in"), "--out", out, "--column", "x",
             "--engine", "ray", "--address", address)  # fmt: skip
    with batches.start_map(*words, **LOOPBACK) as run:
        batches.until(lambda: len(shards(out)) >= 2)
        cluster.stdin.write("\n")
        cluster.stdin.flush()
        assert cluster.stdout.readline() == "killed\n"
        at_kill = len(shards(out))
        _, stderr = run.communicate(timeout=170)
    assert run.returncode == 0, stderr
    assert at_kill < batches.FILES
    assert batches.is_exact(out)


PIPELINE = """
import pickle, sys, ray
udf = pickle.load(open(sys.argv[1], "rb"))
ray.init(address="local", num_cpus=2, include_dashboard=False)
rows = ray.data.read_parquet(sys.argv[2]).map_batches(udf, batch_format="pyarrow", batch_size=64).take_all()
print(sorted((row["id"], row["output"][:1], row["error"] is None) for row in rows)[-1], len(rows))
"""


def test_udf_is_a_step_of_ray_data(tmp_path: Path) -> None:
    import pickle  # noqa: PLC0415 - of our own

    (tmp_path / "in").mkdir()
    pq.write_table(table(0, 500), tmp_path / "in" / "a.parquet")
    net = batches.model(tmp_path, models.double([2]))
    sent = tmp_path / "sent"
    sent.write_bytes(pickle.dumps(host.GuestUDF(TRAPS, {"net": net}, columns=["x"])))
    env = {**os.environ, **LOOPBACK}
    words = [sys.executable, "-c", PIPELINE, str(sent), str(tmp_path / "in")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, env=env, timeout=170)
    assert done.stdout.endswith("(499, b'r', True) 500\n"), done.stderr
