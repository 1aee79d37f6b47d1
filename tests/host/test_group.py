"""A group of processes ends, whatever is left of it. What a service makes of it: test_serve_deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from host.group import Group
from tests.host.batches import alive, until
from tests.host.wasi import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sleeper() -> tuple[Group, subprocess.Popen[bytes]]:
    """Return a group, and a process in it that would stay."""
    group = Group()
    return group, group.start(["sleep", "600"], os.environ, subprocess.DEVNULL)


def test_processes_end_with_their_group(sleeper: tuple[Group, subprocess.Popen[bytes]]) -> None:
    group, process = sleeper
    group.close()
    assert process.returncode == -signal.SIGKILL
    group.close()


def test_group_is_closed_though_a_signal_left_the_lock_of_a_process_taken(
    sleeper: tuple[Group, subprocess.Popen[bytes]],
) -> None:
    """What a handler raises within `Popen.poll` may come right after it took it."""
    group, process = sleeper
    process._waitpid_lock.acquire()  # type: ignore[attr-defined]  # noqa: SLF001 - as that does
    closing = Thread(target=group.close, daemon=True)
    closing.start()
    closing.join(30)
    assert not closing.is_alive()
    assert process.returncode == -signal.SIGKILL


def test_killed_process_leaves_neither_its_group_nor_the_litter(tmp_path: Path) -> None:
    litter, kept = tmp_path / "a*b", tmp_path / "axb"  # a pattern, and what it must not take
    for folder in (litter, kept):
        folder.mkdir()
    code = (
        "import glob, os, signal, subprocess, sys; from host.group import Group;"
        "group = Group(glob.escape(sys.argv[1]));"
        "print(group.start(['sleep', '600'], os.environ, subprocess.DEVNULL).pid, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    words = [sys.executable, "-c", code, str(litter)]
    done = subprocess.run(words, capture_output=True, check=False, cwd=ROOT)
    until(lambda: not alive([int(done.stdout)]))
    until(lambda: not litter.exists())
    assert kept.exists()
