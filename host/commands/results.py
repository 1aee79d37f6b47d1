"""What `python -m host map` writes: a line of JSON for each record, in order; and how to go on with a file.

Beside FILE lies FILE.job, which says what made it: only the same job may add to it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from host import answers
from host.console import UsageError
from host.errors import NnError
from host.models import files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from host.backends.remote_address import Remote
    from host.job import Job
    from host.lanes import Answer, Record

JOB_SUFFIX: Final = ".job"


def line(answer: Answer) -> bytes:
    """Return the line for an answer: ASCII, so that it does no harm to a terminal."""
    return json.dumps({"input": answer.name, **answers.members(answer)}).encode() + b"\n"


@dataclass(slots=True)
class Results:
    """A file of results that is open for more, and what is in it: so many lines, so many with an error."""

    file: BinaryIO
    done: int = 0
    failed: int = 0

    def add(self, answer: Answer) -> None:
        """Write one line, at once and whole; OSError."""
        data = memoryview(line(answer))
        while data:
            data = data[self.file.write(data) :]
        self.done += 1
        self.failed += answer.error is not None


def begin(path: Path, made_by: dict[str, object]) -> Results:
    """Make a file of results, empty; UsageError when there is one, OSError."""
    try:
        file = path.open("xb", buffering=0)
    except FileExistsError:
        raise UsageError(f"`{path}` exists: `--resume` goes on with it, or remove it") from None
    lock(path, file)
    write_job(_job_file(path), made_by)
    return Results(file)


def resume(path: Path, made_by: dict[str, object], records: Iterator[Record]) -> Results:
    """Open a file of results to go on with it, and take from `records` those that are answered in it.

    A last line that was not written to its end is cut off. A file that is not there yet is begun.

    Raises:
        UsageError: It was made by another job, or of other records.
        OSError: It cannot be read or written.
    """
    if not path.exists():
        return begin(path, made_by)
    file = path.open("r+b", buffering=0)
    lock(path, file)
    if not path.stat().st_size:  # ended before it had begun
        write_job(_job_file(path), made_by)
    check_job(path, _job_file(path), made_by)
    results, end = Results(file), 0
    with path.open("rb") as reader:
        for written in reader:
            if not written.endswith(b"\n"):
                break
            has_error = _check_line(path, results.done + 1, written, next(records, None))
            results.done += 1
            results.failed += has_error
            end += len(written)
    file.truncate(end)
    file.seek(end)
    return results


def identity(job: Job, code: bytes, left: Collection[str] = (), **more: object) -> dict[str, object]:
    """Return what tells a job from all that could give other results, as JSON has it.

    `left` are options of models for which nothing was asked in general: they do not count where the model has
    none of its own. `more` is what else there is to tell. UsageError when a model cannot be read.
    """
    serving = job.serving
    found = {
        "guest": hashlib.sha256(code).hexdigest(),
        "models": {
            name: {
                "sha256": _hash(name, model.path),
                "options": {
                    key: value
                    for key, value in asdict(model.options).items()
                    if key not in left or key in model.fixed
                },
                "fixed": sorted(model.fixed),
            }
            for name, model in sorted(job.registry.models.items())
        },
        "arguments": job.arguments,
        "environment": [(name, _hashed(value)) for name, value in job.environment],
        "folders": [(str(each.host), each.guest, each.is_read_only) for each in job.preopens],
        "abi": job.abi,
        "limits": asdict(job.limits),
        "bounds": asdict(job.bounds),
        "precision": serving.options.precision,
        "devices": {target.name.lower(): device for target, device in serving.devices.items()},
        **more,
    }
    as_read: dict[str, object] = json.loads(json.dumps(found))
    return as_read


def _hashed(value: str) -> str:
    """Return what tells a variable's value from others; a job file is read by more than may read a token."""
    return hashlib.sha256(value.encode(errors="surrogateescape")).hexdigest()


def _hash(name: str, path: Path | Remote) -> str:
    try:
        return files.fingerprint(path)
    except (OSError, NnError) as error:
        raise UsageError(f"model `{name}` ({path}) cannot be read: {error}") from error


def files_of(path: Path) -> tuple[Path, ...]:
    """Return all files that come with a file of results, itself first; they need not be there."""
    job = _job_file(path)
    return path, job, _new(job)


def _job_file(path: Path) -> Path:
    return path.with_name(path.name + JOB_SUFFIX)


def _new(job: Path) -> Path:
    return job.with_name(f"{job.name}.new")


def lock(path: Path, file: BinaryIO | int) -> None:
    """Keep other runs from the file or folder at `path`, open as `file`; UsageError when one has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"`{path}` is being written by another run") from None


def write_job(job: Path, made_by: dict[str, object]) -> None:
    """Write a job file, whole or not at all, to the disk, even if the machine goes down next; OSError."""
    new = _new(job)
    new.unlink(missing_ok=True)  # it may be a link to anything
    with new.open("x", encoding="utf-8") as file:
        json.dump(made_by, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.replace(job)
    with suppress(OSError):  # not every file system has it, and not every folder may be read
        folder = os.open(job.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_job(path: Path, job: Path, made_by: dict[str, object]) -> None:
    """Raise UsageError when it was not this job, by its job file, that made what is at `path`."""
    try:
        before = json.loads(job.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"`{path}` cannot be resumed: `{job}` does not say what made it ({error})") from None
    if before != made_by:
        found = before if isinstance(before, dict) else {}
        other = [key for key in sorted(found.keys() | made_by.keys()) if found.get(key) != made_by.get(key)]
        raise UsageError(f"`{path}` was made by another job, which differs in: {', '.join(other)}")


def _check_line(path: Path, number: int, written: bytes, record: Record | None) -> bool:
    """Return whether a line tells of an error; UsageError when it is not that of `record`."""
    try:
        told = json.loads(written)
        name, has_error = told["input"], "error" in told
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"`{path}` cannot be resumed: line {number} is no result") from None
    if record is None:
        raise UsageError(f"`{path}` cannot be resumed: it has more lines than there are inputs")
    if name != record.name:
        raise UsageError(
            f"`{path}` cannot be resumed: line {number} is of `{name}`, and that input is `{record.name}` now"
        )
    return has_error
