"""`host map --in --out` as it should not be used, and without the packages it does not need."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.host.batches import lines
from tests.host.shard_runs import fails, host_map
from tests.host.wasi import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--in", "D"], "`--out`"),
        (["--in", "D", "--out", "O", "--inputs", "x"], "not allowed with"),
        (["--in", "D", "--out", "O", "--jobs", "2"], "`--workers`"),
        (["--in", "D", "--out", "O", "-o", "x"], "`--out`"),
        (["--in", "D", "--out", "O", "--resume"], "goes on by itself"),
        (["--in", "D", "--out", "O", "--timeout", "1"], "`--record-timeout`"),
        (["--lines", "-", "--out", "O"], "`--in`"),
        (["--lines", "-", "--rows-per-call", "2"], "`--in`"),
        (["--lines", "-", "--retries", "0"], "`--in`"),
        (["--in", "D", "--out", "O", "--address", "x"], "`--engine ray`"),
        (["--in", "D", "--out", "O", "--engine", "spark"], "spark"),
        (["--in", "D", "--out", "O", "--rows-per-call", "0"], "`0`"),
        (["--in", "D", "--out", "O", "--workers", "1025"], "1024"),
        (["--in", "D", "--out", "O", "--retries", "-1"], "retries"),
        (["--in", "/nowhere", "--out", "O"], "`/nowhere`"),
        (["--in", "D", "--out", "O"], "say which is the record"),
        (["--in", "D", "--out", "O", "--column", "y"], "`y`"),
        (["--in", "D", "--out", "O", "--column", "x", "--column", "id"], "of several columns"),
        (["--in", "D", "--out", "O", "--format", "jsonl"], "no file"),
        (["--in", "D", "--out", "O", "--format", "files", "--column", "x"], "no columns"),
        (["--in", "D", "--out", "/dev/null/O", "--column", "x"], "cannot be written"),
    ],
)
def test_bad_usage_is_told_in_one_line(
    traps: Path, rows: Path, tmp_path: Path, words: list[str], told: str
) -> None:
    where = {"D": str(rows), "O": str(tmp_path / "out")}
    done = host_map(traps, *(where.get(word, word) for word in words))
    fails(done, 2, told)
    assert done.stderr.count(b"\n") == 1
    assert not (tmp_path / "out").exists()


def test_folder_of_several_kinds_is_refused(traps: Path, rows: Path, tmp_path: Path) -> None:
    (rows / "c.jsonl").write_text("{}")
    fails(host_map(traps, "--in", rows, "--out", tmp_path / "out"), 2, "`--format`")


@pytest.mark.parametrize(("missing", "extra"), [("pyarrow", "batch"), ("ray", "ray")])
def test_missing_package_is_told_with_its_extra(
    traps: Path, rows: Path, tmp_path: Path, missing: str, extra: str
) -> None:
    words = ["map", str(traps), "--in", str(rows), "--out", str(tmp_path / "out"), "--column", "x"]
    words += ["--engine", "ray" if missing == "ray" else "local"]
    code = (
        f"import sys; sys.modules[{missing!r}] = None; from host.cli import main; sys.exit(main({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, cwd=ROOT)
    fails(done, 2, f"`{missing}` is not installed", f"wasinn-sdk[{extra}]")


def test_help_and_bad_usage_load_none_of_the_extras() -> None:
    code = "import sys, host.cli as c; c.main(['map', '--help']); c.main(['map', 'g', '--in', 'x'])\n"
    code += "print([m for m in ('pyarrow', 'ray', 'wasmtime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.endswith("\n[]\n")


def test_lines_and_files_need_none_of_the_extras(traps: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("a\nb\n")
    words = ["map", str(traps), "--in", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out")]
    code = "import sys; sys.modules['pyarrow'] = sys.modules['ray'] = None\n"
    code += f"from host.cli import main; sys.exit(main({words!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert [line["output"] for line in lines(tmp_path / "out" / "in.jsonl")] == ["a", "b"]
