"""`GuestUDF`: a guest as a function of tables."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import host
from host.batch.columns import ColumnsError
from host.lanes import LOST_MOST, StuckError
from tests.host import batches, models
from tests.host.batches import TRAPS
from tests.host.reactors import ECHO, reactor, when
from tests.host.wasi import ROOT, wait

if TYPE_CHECKING:
    from pathlib import Path

pa = batches.package("pyarrow")
pq = batches.package("pyarrow.parquet")


def test_udf_arrives_elsewhere_with_its_model(tmp_path: Path) -> None:
    """The files are gone when another process makes a worker of it."""
    guest, net = batches.rows_guest(tmp_path), batches.model(tmp_path, models.double([-1, 2]))
    udf = host.GuestUDF(guest, {"net": net}, columns=["x", "y"], rows_per_call=8)
    sent = tmp_path / "sent"
    sent.write_bytes(pickle.dumps(udf))
    for path in (guest, net, net.with_suffix(".bin")):
        path.unlink()
    code = (
        "import sys, pickle, pyarrow as pa; f = pickle.load(open(sys.argv[1], 'rb'));"
        "x = pa.array([1.5, 2.0], pa.float32());"
        "print(f(pa.table({'y': x, 'id': [7, 8], 'x': x})).to_pylist())"
    )
    words = [sys.executable, "-c", code, str(sent)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    outputs = [struct.pack("<2f", 3.0, 3.0), struct.pack("<2f", 4.0, 4.0)]
    rows = [{"id": 7 + at, "output": output, "error": None} for at, output in enumerate(outputs)]
    assert done.stdout == f"{rows}\n"


@pytest.mark.parametrize("end", ["pass", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_models_that_came_along_go_with_the_process(tmp_path: Path, end: str) -> None:
    """Ray ends its processes without a word."""
    guest, net = batches.rows_guest(tmp_path), batches.model(tmp_path, models.double([-1, 2]))
    code = (
        "import sys, os, signal, tempfile, host, pyarrow as pa;"
        "f = host.GuestUDF(sys.argv[1], {'net': sys.argv[2]}, rows_per_call=8);"
        "assert f(pa.table({'x': [bytes(8)]})).column('error').null_count == 1;"
        f"print(len(os.listdir(tempfile.gettempdir())), flush=True); {end}"
    )
    (there := tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(guest), str(net)],
        check=False, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "TMPDIR": str(there)},
    )  # fmt: skip
    assert done.stdout == b"1\n"
    batches.until(lambda: not list(there.iterdir()))


def test_stuck_rows_cost_no_later_table() -> None:
    """Of those in one table nine are too many; afterwards the guest is a fresh one."""
    stuck = reactor(when("~", wait(600) + ECHO, ECHO), pages=16)
    udf = host.GuestUDF(stuck, columns=["x"], timeout=0.05)
    with pytest.raises(StuckError):
        udf(pa.table({"x": ["~"] * (LOST_MOST + 1)}))
    assert udf(pa.table({"x": ["a"]})).to_pylist() == [{"output": b"a", "error": None}]
    assert udf(pa.table({"x": ["~", "b"]})).column("output").to_pylist() == [None, b"b"]


def test_no_process_of_a_run_loads_pandas(traps: Path, tmp_path: Path) -> None:
    """Where it is installed `pyarrow.array` does, which takes longer than all else at the start."""
    batches.package("pandas")
    pq.write_table(pa.table({"x": ["a", "!", None], "id": [1, 2, 3]}), tmp_path / "in.parquet")
    code = (
        "import sys, host, pyarrow.parquet as pq;"
        "found = host.GuestUDF(sys.argv[1], columns=['x'])(pq.ParquetFile(sys.argv[2]).read());"
        "print(found.num_rows, found['output'].null_count, 'pandas' in sys.modules)"
    )
    words = [sys.executable, "-c", code, str(traps), str(tmp_path / "in.parquet")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "3 2 False\n"


@pytest.mark.parametrize(
    ("column", "records"),
    [
        (["a", None, ""], [b"a", None, b""]),
        ([b"\0", b"\xff"], [b"\0", b"\xff"]),
        (pa.array([1, None, -1], pa.int16()), [b"\1\0", None, b"\xff\xff"]),
        ([True, None, False], [b"\1", None, b"\0"]),
        (pa.array([[1, 2], None, [], [3, None]], pa.list_(pa.uint8())), [b"\1\2", None, b"", None]),
        (pa.array([[1, 2], None, [3, None], [4, 5]], pa.list_(pa.int8(), 2)), [b"\1\2", None, None, b"\4\5"]),
        (pa.array([[1], [2, 3], [4]], pa.large_list(pa.uint8())).slice(1), [b"\2\3", b"\4"]),
        (pa.array([[1], [2], [4]], pa.list_(pa.uint8(), 1)).slice(1, 1), [b"\2"]),
        (pa.chunked_array([["a"], ["b", "c"]]).slice(1), [b"b", b"c"]),
        (pa.array([b"ab", b"cd"], pa.binary(2)), [b"ab", b"cd"]),
        (pa.array([b"ab", b"cd"], pa.binary(2)).slice(1), [b"cd"]),
        (pa.array([1, 2, 3], pa.int16()).slice(1), [b"\2\0", b"\3\0"]),
        (pa.array(["a", None, "bc"], pa.large_string()), [b"a", None, b"bc"]),
        (pa.array([b"a", b"bc"], pa.large_binary()), [b"a", b"bc"]),
        (pa.array([], pa.string()), []),
    ],
)
def test_record_is_the_bytes_of_its_column(column: object, records: list[bytes | None]) -> None:
    found = host.GuestUDF(TRAPS)(pa.table({"x": column})).to_pylist()
    assert [row["output"] for row in found] == records
    assert [row["error"] is None for row in found] == [record is not None for record in records]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        ([], {"x": [1], "y": [2]}),
        (["z"], {"x": [1]}),
        (["x"], {"x": [{"a": 1}]}),
        (["x"], {"x": [[["a"]]]}),
        (["x"], {"x": [["a"]]}),
        (["x", "y"], {"x": [1], "y": ["a"]}),
        (["x"], {"x": [1], "error": [2]}),
        (["x"], {"x": [1], "output": [2]}),
    ],
)
def test_columns_that_are_no_record_are_refused(names: list[str], columns: dict[str, object]) -> None:
    with pytest.raises(ColumnsError):
        host.GuestUDF(TRAPS, columns=names)(pa.table(columns))


def test_udf_checks_what_it_is_given() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        host.GuestUDF(TRAPS, rows_per_call=0)
    with pytest.raises(TypeError, match=r"\['x'\]"):
        host.GuestUDF(TRAPS, columns="x")
    with pytest.raises(host.BadGuestError):
        host.GuestUDF(b"none")


def test_model_of_a_udf_runs_on_one_thread_unless_told(tmp_path: Path) -> None:
    """As many processes as processors run it."""
    net = batches.model(tmp_path, models.double([2]))
    for graphs, threads in (
        (host.Graphs().add("net", net), 1),
        (host.Graphs().add("net", net, threads=2), 2),
    ):
        udf = host.GuestUDF(TRAPS, graphs)
        worker = pickle.loads(udf._parcel.worker)  # noqa: S301, SLF001 - what is sent, as it arrives
        assert worker.job.registry.models["net"].options.threads == threads
