"""`python -m host map --in D --out O`: have a guest answer records in shards; run again, it goes on."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host import processors
from host.batch import local, on_ray, plan, sources
from host.batch.extras import MissingExtraError
from host.batch.parcel import packed
from host.batch.work import TEMPORARY, Outcome, Work, counted
from host.commands import graph_options, results, shard_options
from host.commands.progress import Progress
from host.console import EXIT_INTERRUPTED, UsageError, leave, say
from host.errors import NnError
from host.job import BadGuestError
from host.wasmtime_c import WasmtimeMismatchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Iterator

    from host.batch.plan import Plan, Shard
    from host.bulk import Worker
    from host.job import Job

EXIT_SOME_FAILED: Final = 3
_LOCK_FILE: Final = "_lock"
_OURS: Final = (plan.JOB_FILE, f"{plan.JOB_FILE}.new", _LOCK_FILE, sources.NOTE)
_LISTED: Final = 100
"""How many shards that failed are told of one by one."""


def main(options: argparse.Namespace, job: Job) -> int:
    """Answer the shards that are not answered yet; return the exit code."""
    from host.api import Host  # noqa: PLC0415 - as the other modules of commands do

    try:
        _check_apart(Path(options.source), Path(options.out))
        found = plan.planned(Path(options.source), options.format, options.column or (), options.shard_rows)
        worker = Host(cache=graph_options.cache_from(options) is not None).job_worker(job, options.max_output)
        work = _work(options, worker, found)
        with _begun(work.out, _identity(options, worker, found), found):
            return _map(options, work, found)
    except BadGuestError as error:
        raise UsageError(str(error), error.details) from error
    except (plan.PlanError, MissingExtraError, WasmtimeMismatchError, on_ray.RayUnusableError) as error:
        raise UsageError(str(error)) from error


def _work(options: argparse.Namespace, worker: Worker, found: Plan) -> Work:
    try:
        parcel = packed(worker, has_models=options.engine == "ray")
    except (OSError, NnError) as error:
        raise UsageError(f"a model cannot be read: {error}") from error
    return Work(
        parcel=parcel,
        source=found.folder,
        out=Path(options.out).absolute(),
        format=found.format,
        columns=found.columns,
        per_call=options.rows_per_call or 1,
        is_strict=options.on_error == "shard",
    )


def _identity(options: argparse.Namespace, worker: Worker, found: Plan) -> dict[str, object]:
    """Return what makes another job; how it is run, where and by how many, is none of it."""
    return results.identity(
        worker.job,
        worker.job.code or b"",
        source=str(found.folder.resolve()),
        format=found.format,
        columns=found.columns,
        shard_rows=options.shard_rows,
        rows_per_call=options.rows_per_call or 1,
        on_error=options.on_error or shard_options.ON_ERROR[0],
        max_output=options.max_output,
        inputs=found.listing,
    )


def _map(options: argparse.Namespace, work: Work, found: Plan) -> int:
    tally = _Tally(len(found.shards))
    todo: list[Shard] = []
    for shard in found.shards:
        kept = _kept(work, shard)
        if kept is None:
            todo.append(shard)
        else:
            tally.add(kept)
    tally.begin()
    try:
        with closing(_outcomes(options, work, todo)) as outcomes:
            for outcome in outcomes:
                if outcome is not None:
                    tally.add(outcome)
                tally.show()
                if outcome is not None and outcome.is_fatal:
                    raise UsageError(outcome.problem or "")
    except KeyboardInterrupt:
        tally.progress.clear()
        say("note", f"interrupted: {tally.shards} of {len(found.shards)} shards are done; "
            "the same command goes on")  # fmt: skip
        leave(EXIT_INTERRUPTED)
    return tally.end()


def _outcomes(
    options: argparse.Namespace, work: Work, todo: list[Shard]
) -> Generator[Outcome | None, None, None]:
    retries = shard_options.RETRIES if options.retries is None else options.retries
    if options.engine == "ray":
        address = options.address or os.environ.get(on_ray.ADDRESS)
        address = None if address == on_ray.HERE else address
        workers = options.workers if address else options.workers or processors.usable()
        return on_ray.outcomes(work, todo, workers, retries, address)
    return local.outcomes(work, todo, options.workers or processors.usable(), retries)


class _Tally:
    """Counts what is done and tells of it."""

    def __init__(self, total: int) -> None:
        self.shards = 0
        self._total = total
        self._records = 0
        self._failed = 0
        self._lost = 0
        self.progress = Progress(total, unit="shards")

    def begin(self) -> None:
        """Begin to measure: what was done before does not count for the rate."""
        self.progress = Progress(self._total, self.shards, unit="shards", records=self._records)

    def add(self, outcome: Outcome) -> None:
        """Count a shard, and tell of one that failed."""
        if outcome.problem is None:
            self.shards += 1
            self._records += outcome.records
            self._failed += outcome.failed
            return
        self._lost += 1
        if self._lost <= _LISTED and not outcome.is_fatal:
            self.progress.clear()
            say("error", f"shard `{outcome.shard}`: {outcome.problem}")

    def show(self, *, is_last: bool = False) -> None:
        """Tell how far it is."""
        self.progress.show(self.shards, self._lost, records=self._records, is_last=is_last)

    def end(self) -> int:
        """Tell what became of all; return the exit code."""
        self.show(is_last=True)
        self.progress.end()
        if self._lost:
            say("error", f"{self._lost} of {self._total} shards failed; the same command tries them again")
        if self._failed:
            say("error", f"{self._failed} of {self._records} records have no answer: `error` says why")
        return EXIT_SOME_FAILED if self._lost or self._failed else 0


@contextmanager
def _begun(out: Path, made_by: dict[str, object], found: Plan) -> Iterator[None]:
    """Make the folder, or see that it is of this job; nobody else writes to it in the block."""
    with ExitStack() as stack:
        try:
            _make(out)
            lock = stack.enter_context((out / _LOCK_FILE).open("ab"))  # NFS locks what may be written only
            results.lock(out, lock)
            _check(out, made_by, found)
        except OSError as error:
            raise UsageError(f"`{out}` cannot be written: {error.strerror or error}") from error
        yield
        _sweep(out)  # a process that was killed leaves some


def _make(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if not (out / plan.JOB_FILE).exists() and any(path.name not in _OURS for path in out.iterdir()):
        raise UsageError(f"`{out}` is not empty, and not of such a job: choose another folder")


def _check(out: Path, made_by: dict[str, object], found: Plan) -> None:
    job = out / plan.JOB_FILE
    if not job.exists():
        results.write_job(job, made_by)
    results.check_job(out, job, made_by)
    _sweep(out)
    _check_shards(out, found)
    sources.forget_changed(out, found)


def _check_apart(source: Path, out: Path) -> None:
    """Raise UsageError when the output would be input of the next run, or take its place."""
    folder, out_folder = (source if source.is_dir() else source.parent).resolve(), out.resolve()
    if out_folder == folder:
        raise UsageError(f"`{out}` is where `--in` is: its files would be written over")
    if source.is_dir() and out_folder.is_relative_to(folder):
        raise UsageError(f"`{out}` is inside of `--in`: its files would be input the next time")


def _check_shards(out: Path, found: Plan) -> None:
    """Raise UsageError when there are shards of other inputs."""
    names = {shard.name for shard in found.shards}
    for path in out.rglob("*"):
        name = str(path.relative_to(out))
        if path.is_dir() or name in _OURS:
            continue
        if name not in names:
            raise UsageError(
                f"`{path}` is of an input that is not there now, or not in these parts: remove it, or "
                "choose another folder"
            )


def _sweep(out: Path) -> None:
    """Take away what was not written to its end."""
    for path in out.rglob(f".*{TEMPORARY}"):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)


def _kept(work: Work, shard: Shard) -> Outcome | None:
    """Return what a finished shard holds; None when it is missing or torn."""
    return counted(work, work.out / shard.name)
