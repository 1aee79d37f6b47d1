"""`host map --in --out` in this process, and what it comes to."""

from __future__ import annotations

import contextlib
import io
import subprocess
from typing import TYPE_CHECKING

from host.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def host_map(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run the command, in this process, with one worker unless it says so: each takes a second to start."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        more = ["--workers", "1"] if "--in" in words and "--workers" not in words else []
        code = main(["map", *map(str, words), *more])
    return subprocess.CompletedProcess(words, code, b"", told.getvalue().encode())


def fails(done: subprocess.CompletedProcess[bytes], code: int, *told: str) -> None:
    """The command ended with `code` and said all of `told` as errors."""
    stderr = done.stderr.decode()
    assert done.returncode == code, stderr
    assert all(line.startswith("error: ") for line in stderr.splitlines()), stderr
    assert all(text in stderr for text in told), stderr
