"""What a process needs to answer records, as one thing to send to it; and what it makes of that, once."""

from __future__ import annotations

import pickle
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import IO, TYPE_CHECKING, Final

from host.backends.remote_address import Remote
from host.bulk import RecordError
from host.lanes import Answer, Lanes, Record, failed
from host.models import files

if TYPE_CHECKING:
    from host.bulk import Worker


_KEPT: Final = 4
"""Of how many parcels a process keeps what was made: a pipeline may have several guests."""

_REMOVER: Final = """
import os, shutil
if os.fork():
    os._exit(0)
os.setsid()
os.read(0, 1)  # nothing comes but the end
shutil.rmtree({folder!r}, ignore_errors=True)
"""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of the model `name`, the model itself first: each a name in the model's folder, and bytes."""

    name: str
    contents: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A worker, pickled, and the files of its models where they may not be at hand.

    Two with one `key` are equal; what they hold is not looked at.
    """

    key: str
    worker: bytes = field(compare=False, repr=False)
    models: tuple[ModelFiles, ...] = field(compare=False, repr=False)


def packed(worker: Worker, *, has_models: bool) -> Parcel:
    """Return the parcel for a worker; OSError or NnError when a model cannot be read.

    `has_models` says that the files of models go with it, for a process that may run on another machine.
    """
    pickled = pickle.dumps(worker)
    models = worker.job.registry.models if has_models else {}
    read = (_read(name, model.path) for name, model in models.items())
    shipped = tuple(model for model in read if model.contents)
    sha = sha256(pickled)
    for model in shipped:
        for name, content in model.contents:
            sha.update(sha256(repr((model.name, name, len(content))).encode()).digest())
            sha.update(content)
    return Parcel(sha.hexdigest(), pickled, shipped)


class Caller:
    """Gives records to one guest of its own, one after another, whichever thread they are of.

    With a time limit it gives up the thread of a record that is stuck in an inference or a call of WASI;
    `has_lost` says that there is such a thread, which only the end of the process ends.
    """

    def __init__(self, worker: Worker, *held: object) -> None:
        """Have `worker` answer; what is `held` goes with this."""
        timeout = worker.job.bounds.timeout
        self._held = held
        self._lock = Lock()
        self._worker = worker
        self._lanes = None if timeout is None else _lane(worker, timeout)

    @property
    def has_lost(self) -> bool:
        """Whether a thread was given up."""
        return self._lanes is not None and self._lanes.lost > 0

    def call(self, record: bytes) -> bytes | Answer:
        """Return the answer as bytes, or the Answer that says why there is none.

        BadGuestError, OSError as of `Worker.call`; StuckError.
        """
        with self._lock:
            if self._lanes is not None:
                answer = self._lanes.answer(Record("", lambda: record))
                return answer.output if answer.error is None else answer
            try:
                return self._worker.call(record)
            except RecordError as error:
                return failed("", error)


@lru_cache(maxsize=_KEPT)
def opened(parcel: Parcel) -> Caller:
    """Return the caller for a parcel, the same one for all shards that this process has of a job.

    BadGuestError when the guest cannot be used here, OSError.
    """
    worker: Worker = pickle.loads(parcel.worker)  # noqa: S301 - of the process that started this one
    if not parcel.models:
        return Caller(worker)
    folder = TemporaryDirectory(prefix="wasinn-")
    tie = _tied(folder.name)
    paths = {each.name: _written(Path(folder.name) / str(at), each) for at, each in enumerate(parcel.models)}
    return Caller(worker.moved(paths), folder, tie)


def _tied(folder: str) -> IO[bytes]:
    """Have a folder removed when what is returned is closed, at the latest with this process.

    Ray ends its processes in a way that leaves them no time, and their children before: an orphan does it.
    """
    words = [sys.executable, "-ISc", _REMOVER.format(folder=folder)]
    with ExitStack() as stack:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        stack.callback(process.stdin.close)
        process.wait()
        stack.pop_all()
    return process.stdin


def _lane(worker: Worker, timeout: float) -> Lanes:
    made = [worker]
    return Lanes(lambda: made.pop() if made else worker.moved({}), 1, timeout)


def _read(name: str, path: Path | Remote) -> ModelFiles:
    if isinstance(path, Remote):
        return ModelFiles(name, ())
    found = files.files_of(path)
    return ModelFiles(name, tuple((str(each.relative_to(path.parent)), each.read_bytes()) for each in found))


def _written(folder: Path, model: ModelFiles) -> Path:
    """Write the files of a model into `folder`; return where the model itself is."""
    for name, content in model.contents:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / model.contents[0][0]
