"""A group of processes that ends when this process does, however that is, SIGKILL included."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

_GUARD: Final = """
import os
os.read(0, 1)  # nothing comes but the end, with that of the process at the other
import glob, shutil, signal
group = os.getpid()
if os.fork():
    os.wait()  # to be killed: as long as it is there, no other group has its number
os.setsid()
os.killpg(group, signal.SIGKILL)
for path in (path for pattern in {litter} for path in glob.glob(pattern)):
    os.unlink(path) if os.path.isfile(path) else shutil.rmtree(path, ignore_errors=True)
"""


class Group:
    """Processes that are ended together; close it when done.

    They are of one process group of their own: Ctrl-C is for this process, which ends them in order. The
    first in it is a guard, which ends the others should this process not come to that.
    """

    def __init__(self, *litter: str) -> None:
        """Make one without processes; OSError when it cannot be.

        `litter` has patterns of the files and folders that the guard removes if it comes to that.
        """
        self._guard = subprocess.Popen(
            [sys.executable, "-ISc", _GUARD.format(litter=litter)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            process_group=0,
        )  # fmt: skip
        self._processes = [self._guard]

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes] | int
    ) -> subprocess.Popen[bytes]:
        """Start a process whose words go to `output`, as with `subprocess`; OSError when it cannot be."""
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            process_group=self._guard.pid,
        )  # fmt: skip
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End at once what is left of it, and wait for the end of what was started."""
        if self._processes:  # else another may have its number by now
            os.killpg(self._guard.pid, signal.SIGKILL)
            while self._processes:
                _reap(self._processes.pop())


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process, but not with `Popen.wait`, which may never come back.

    It needs a lock, and what a signal raised within `Popen.poll` may have left that taken.
    """
    for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
        stream.close()
    if process.returncode is None:
        with suppress(ChildProcessError):
            process.returncode = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
