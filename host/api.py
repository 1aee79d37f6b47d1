"""The Python interface: named models, a host that runs guests with them, and what a run comes to.

Everything here is also `host.NAME`. Prints nothing; `python -m host run` is this with a command line.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Final, TypedDict

from host import guests, runner
from host.backends.remote_address import is_remote
from host.cache import CacheUnusableError, user_cache
from host.dialects import AUTO, CHOICES
from host.engines import Engines
from host.job import RECORD_OUTPUT_BYTES, Bounds, Job, Listener, RunError
from host.models import graphs as entries
from host.nn import Limits, Serving
from host.preopens import checked, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from os import PathLike
    from typing import Self, Unpack

    from host.backends import Backend
    from host.bulk import Worker
    from host.cache import Cache
    from host.job import Preopen
    from host.models.registry import Registry
    from host.tracing.observe import Call
    from host.tracing.stats import Stats

GUEST_NAME: Final = "guest.wasm"
"""What a guest is called that comes as bytes and not from a file."""


class GraphOptions(TypedDict, total=False):
    """How to run a named model, as after `--graph NAME=MODEL,`; docs/host.md has what each takes."""

    device: str
    precision: str
    threads: int | str
    hint: str
    layout: str
    sha256: str
    timeout: float | str
    ca: str
    header: str


class WorkerOptions(TypedDict, total=False):
    """What `Host.worker` and `Host.run` take by keyword."""

    env: Mapping[str, str] | None
    dirs: Iterable[str | PathLike[str] | Preopen]
    abi: str
    limits: Limits
    timeout: float | None
    max_memory: int | None
    fuel: int | None


class RunOptions(WorkerOptions, total=False):
    """What `Host.run` takes by keyword."""

    stdin: bytes | None
    inherit_stdio: bool
    stats: bool
    trace: bool


class Graphs:
    """Models for guests to load by name, collected before a Host is made of them."""

    def __init__(self, models: Mapping[str, str | PathLike[str]] | None = None) -> None:
        """Begin with `models`: name to model file, folder or address; RegistrationError as of `add`."""
        self._entries: list[entries.Entry] = []
        for name, path in (models or {}).items():
            self.add(name, path)

    def add(self, name: str, path: str | PathLike[str], **options: Unpack[GraphOptions]) -> Self:
        """Add one model; RegistrationError when it does not exist or an option cannot be.

        `path` may be the address of one on a server, `v2+grpc://HOST:PORT/MODEL`, which has to be a str.
        """
        if isinstance(path, str) and is_remote(path):
            return self._with(entries.remote_entry(f"graph `{name}`", name, path, {**options}))
        return self._with(entries.entry(f"graph `{name}`", name, Path(path), {**options}))

    def add_folder(self, folder: str | PathLike[str]) -> Self:
        """Add each model file and folder in `folder`, as `--graph-dir` does; RegistrationError if none."""
        return self._with(*entries.from_folder(Path(folder)))

    def add_manifest(self, file: str | PathLike[str]) -> Self:
        """Add the models of a TOML file, as `--graphs` does; RegistrationError when one is wrong."""
        return self._with(*entries.from_manifest(Path(file)))

    def registry(self) -> Registry:
        """Return what a Host serves guests from; RegistrationError when two models have one name."""
        return entries.register(self._entries)

    def _with(self, *added: entries.Entry) -> Self:
        self._entries += added
        return self


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a guest that ran to its exit left.

    Attributes:
        exit_code: As the guest gave it, a u32: `exit(-1)` is 4294967295.
        stdout: What it wrote, up to `capture.OUTPUT_BYTES`; nothing with `inherit_stdio`.
        stderr: Likewise.
        notes: A line for each wasi-nn call that failed, with the reason, and for what else was of note.
        stats: What its wasi-nn calls cost; None unless asked for.
        trace: Its wasi-nn calls one by one, with a note where they were more than `log.TRACE_BYTES`; None
            unless asked for.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    notes: tuple[str, ...]
    stats: Stats | None
    trace: tuple[Call, ...] | None


class Host:
    """Runs guests, one after another or in several threads at once.

    Compiled guests and models, and the backend, are shared by all runs; everything else is each run's own.
    """

    def __init__(
        self,
        graphs: Graphs | Mapping[str, str | PathLike[str]] | None = None,
        *,
        limits: Limits | None = None,
        serving: Serving | None = None,
        cache: bool = True,
    ) -> None:
        """Make a host.

        Args:
            graphs: The models that guests may load by name: Graphs, or name to path.
            limits: What one guest may ask of wasi-nn; a run may have its own. The defaults of Limits if None.
            serving: How models run that guests bring themselves. The defaults of Serving if None.
            cache: Whether to keep compiled guests and models in the user's cache folder, for later runs of
                any process. Where `user_cache` raises, nothing is kept.

        Raises:
            RegistrationError: A model does not exist, or two have one name.
        """
        self._registry = (graphs if isinstance(graphs, Graphs) else Graphs(graphs)).registry()
        self._limits = limits or Limits()
        self._serving = serving or Serving()
        self._kept = _user_cache() if cache else None
        self._engines = Engines(self._kept)
        self._lock = Lock()
        self._backend: Backend | None = None

    def run(  # noqa: PLR0913 - each of them is an option of its own, by name
        self,
        guest: str | PathLike[str] | bytes,
        arguments: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        dirs: Iterable[str | PathLike[str] | Preopen] = (),
        stdin: bytes | None = None,
        abi: str = AUTO,
        limits: Limits | None = None,
        timeout: float | None = None,
        max_memory: int | None = None,
        fuel: int | None = None,
        inherit_stdio: bool = False,
        stats: bool = False,
        trace: bool = False,
    ) -> RunResult:
        """Run a guest to its exit.

        Args:
            guest: The path of a module (`.wasm`, or `.wat`), or the bytes of one.
            arguments: Go to the guest after its own name.
            env: Its variables; it has no others.
            dirs: The folders it may use, each a Preopen, a text as of `--dir`, `HOST[::GUEST][::ro|rw]`, or a
                path, which the guest sees under its own name and may write to.
            stdin: What it reads; nothing when None.
            abi: The dialect of its numbers, one of `dialects.CHOICES`.
            limits: What it may ask of wasi-nn; those of the host if None.
            timeout: Seconds for the whole run, the guest's compilation included.
            max_memory: Bytes of memory; `job.MEMORY_BYTES` if None.
            fuel: How much it may execute, about one unit an instruction.
            inherit_stdio: Give it the streams of this process; nothing is captured and `stdin` is not used.
            stats: Whether to measure its wasi-nn calls.
            trace: Whether to keep its wasi-nn calls and what was in them, up to `log.TRACE_BYTES`.

        Raises:
            BadGuestError: The guest, or a folder for it, cannot be used.
            GuestTrapError: It trapped. This and the next have what it wrote until then.
            LimitError: One of `timeout`, `max_memory` and `fuel` ended it.
            OSError: The process is short of what a guest takes, such as open files.
            ValueError: An option makes no sense.
            TypeError: `arguments` or `dirs` is a str, or a folder is none of these.
        """
        job = self._job(
            guest,
            arguments,
            env=env,
            dirs=dirs,
            abi=abi,
            limits=limits,
            timeout=timeout,
            max_memory=max_memory,
            fuel=fuel,
        )
        from host.capture import Capture, capture  # noqa: PLC0415 - see below
        from host.tracing.log import Log  # noqa: PLC0415 - not for a run of the command line's

        log, kept = Log(has_stats=stats, has_trace=trace), Capture()
        started = perf_counter_ns()
        try:
            with nullcontext() if inherit_stdio else capture(kept, stdin) as stdio:
                code = self.run_job(replace(job, stdio=stdio), log.listener())
        except RunError as error:
            error.stdout, error.stderr = kept.stdout, kept.stderr
            error.notes = (*log.notes, *kept.notes)
            error.stats, error.trace = log.stats(perf_counter_ns() - started), log.trace()
            raise
        return RunResult(
            exit_code=code,
            stdout=kept.stdout,
            stderr=kept.stderr,
            notes=(*log.notes, *kept.notes),
            stats=log.stats(perf_counter_ns() - started),
            trace=log.trace(),
        )

    def run_job(self, job: Job, listener: Listener, backend: Callable[[], Backend] | None = None) -> int:
        """Run what `job` describes, with its own models and limits; return the exit code, a u32.

        This is `run` without what makes it convenient: nothing is captured or kept but what `listener` does.
        `backend`, if not None, gives the one to use in place of the host's own. Raises as `run` does; its
        errors carry no output.
        """
        began = monotonic()
        code = guests.read_code(job.guest) if job.code is None else job.code
        compiled = self._engines.compiled(job.guest, code, job.bounds)
        return runner.run(job, compiled, backend or self._the_backend, listener, began)

    def worker(
        self,
        guest: str | PathLike[str] | bytes,
        arguments: Sequence[str] = (),
        *,
        output_bytes: int = RECORD_OUTPUT_BYTES,
        **options: Unpack[WorkerOptions],
    ) -> Worker:
        """Return what answers records with a guest, one after another: docs/map.md says with which.

        It is for one thread at a time; make one for each. Nothing of the guest runs before its first record.

        Args:
            guest: The path of a module (`.wasm`, or `.wat`), or the bytes of one.
            arguments: As of `run`.
            output_bytes: What one answer may have at most.
            options: As of `run`; `timeout` and `fuel` are those of one record, and of a start.

        Raises:
            BadGuestError: The guest, or a folder for it, cannot be used.
            ValueError: An option makes no sense.
            TypeError: As of `run`.
        """
        return self.job_worker(self._job(guest, arguments, **options), output_bytes)

    def job_worker(
        self, job: Job, output_bytes: int = RECORD_OUTPUT_BYTES, listener: Listener | None = None
    ) -> Worker:
        """Return the worker for what `job` describes, with its own models and limits; raises as `worker`."""
        from host.bulk import Worker  # noqa: PLC0415 - not for a run of the command line's

        return Worker(job, output_bytes, self._engines, self._the_backend, listener)

    def _job(  # noqa: PLR0913 - see `run`
        self,
        guest: str | PathLike[str] | bytes,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        dirs: Iterable[str | PathLike[str] | Preopen] = (),
        abi: str = AUTO,
        limits: Limits | None = None,
        timeout: float | None = None,
        max_memory: int | None = None,
        fuel: int | None = None,
    ) -> Job:
        if abi not in CHOICES:
            raise ValueError(f"there is no dialect `{abi}`, only {', '.join(CHOICES)}")
        for name, value in (("arguments", arguments), ("dirs", dirs)):
            if isinstance(value, str):  # its characters would be taken one by one
                raise TypeError(f"`{name}` is a list, such as [{value!r}], not a str")
        preopens = checked(map(named, dirs))
        environment = tuple((env or {}).items())
        _check_texts(arguments, *environment, (each.guest for each in preopens))
        if any(not name or "=" in name for name, _ in environment):
            raise ValueError("the name of a variable is not empty and has no `=` in it")
        return Job(
            guest=Path(GUEST_NAME if isinstance(guest, bytes) else guest),
            arguments=tuple(arguments),
            environment=environment,
            preopens=preopens,
            registry=self._registry,
            abi=abi,
            limits=limits or self._limits,
            bounds=Bounds(timeout, max_memory, fuel),
            serving=self._serving,
            code=guest if isinstance(guest, bytes) else None,
        )

    def _the_backend(self) -> Backend:
        with self._lock:
            if self._backend is None:
                self._backend = runner.openvino(self._kept)
            return self._backend


def run(
    guest: str | PathLike[str] | bytes,
    arguments: Sequence[str] = (),
    *,
    graphs: Graphs | Mapping[str, str | PathLike[str]] | None = None,
    **options: Unpack[RunOptions],
) -> RunResult:
    """Run one guest on a host of its own; for more than one make a Host, which compiles things once.

    The options and what is raised are those of `Host.run`, and RegistrationError as of `Host`.
    """
    return Host(graphs).run(guest, arguments, **options)


def _user_cache() -> Cache | None:
    try:
        return user_cache()
    except CacheUnusableError:
        return None


def _check_texts(*groups: Iterable[str]) -> None:
    """Raise ValueError when one is not UTF-8 or has a NUL, at which C would cut it off."""
    for text in (text for group in groups for text in group):
        if "\0" in text:
            raise ValueError(f"{text!r} has a NUL in it, and a guest's arguments and variables cannot")
        text.encode()
