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
from host.capture import Capture, capture
from host.dialects import AUTO, CHOICES
from host.engines import Engines
from host.job import Bounds, Job, Listener, RunError
from host.models import graphs as entries
from host.nn import Limits, Serving
from host.preopens import checked, named
from host.quantities import shown_size
from host.tracing.observe import Load, Watch
from host.tracing.stats import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from os import PathLike
    from typing import Self, Unpack

    from host.backends import Backend
    from host.errors import NnError
    from host.job import Preopen
    from host.models.registry import Registry
    from host.tracing.observe import Call
    from host.tracing.stats import Stats

GUEST_NAME: Final = "guest.wasm"
"""What a guest is called that comes as bytes and not from a file."""

NOTES_KEPT: Final = 1000
"""How many notes a result has at most: a guest can fail as often as it likes."""

TRACE_BYTES: Final = 256 << 20
"""What the calls of a trace take in memory at most, about; the ones after that are not kept."""

_CALL_BYTES: Final = 2048
"""About what a call takes besides the bytes in it."""


class GraphOptions(TypedDict, total=False):
    """How to run a named model, as after `--graph NAME=MODEL,`; docs/host.md has what each takes."""

    device: str
    precision: str
    threads: int | str
    layout: str
    sha256: str


class RunOptions(TypedDict, total=False):
    """What `Host.run` takes by keyword."""

    env: Mapping[str, str] | None
    dirs: Iterable[str | PathLike[str] | Preopen]
    stdin: bytes | None
    abi: str
    limits: Limits
    timeout: float | None
    max_memory: int | None
    fuel: int | None
    inherit_stdio: bool
    stats: bool
    trace: bool


class Graphs:
    """Models for guests to load by name, collected before a Host is made of them."""

    def __init__(self, models: Mapping[str, str | PathLike[str]] | None = None) -> None:
        """Begin with `models`: name to model file or folder; RegistrationError as of `add`."""
        self._entries: list[entries.Entry] = []
        for name, path in (models or {}).items():
            self.add(name, path)

    def add(self, name: str, path: str | PathLike[str], **options: Unpack[GraphOptions]) -> Self:
        """Add one model; RegistrationError when it does not exist or an option cannot be."""
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
        trace: Its wasi-nn calls one by one, with a note where they were more than TRACE_BYTES; None unless
            asked for.
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
    ) -> None:
        """Make a host.

        Args:
            graphs: The models that guests may load by name: Graphs, or name to path.
            limits: What one guest may ask of wasi-nn; a run may have its own. The defaults of Limits if None.
            serving: How models run that guests bring themselves. The defaults of Serving if None.

        Raises:
            RegistrationError: A model does not exist, or two have one name.
        """
        self._registry = (graphs if isinstance(graphs, Graphs) else Graphs(graphs)).registry()
        self._limits = limits or Limits()
        self._serving = serving or Serving()
        self._engines = Engines()
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
            trace: Whether to keep its wasi-nn calls and what was in them, up to TRACE_BYTES.

        Raises:
            BadGuestError: The guest, or a folder for it, cannot be used.
            GuestTrapError: It trapped. This and the next have what it wrote until then.
            LimitError: One of `timeout`, `max_memory` and `fuel` ended it.
            ValueError: An option makes no sense.
            TypeError: `arguments` or `dirs` is a str, or a folder is none of these.
        """
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
        job = Job(
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
        log, kept = _Log(has_stats=stats, has_trace=trace), Capture()
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

    def run_job(self, job: Job, listener: Listener) -> int:
        """Run what `job` describes, with its own models and limits; return the exit code, a u32.

        This is `run` without what makes it convenient: nothing is captured or kept but what `listener` does.
        Raises as `run` does; its errors carry no output.
        """
        began = monotonic()
        code = guests.read_code(job.guest) if job.code is None else job.code
        compiled = self._engines.compiled(job.guest, code, job.bounds)
        return runner.run(job, compiled, self._the_backend, listener, began)

    def _the_backend(self) -> Backend:
        with self._lock:
            if self._backend is None:
                self._backend = runner.openvino()
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


def _check_texts(*groups: Iterable[str]) -> None:
    """Raise ValueError when one is not UTF-8 or has a NUL, at which C would cut it off."""
    for text in (text for group in groups for text in group):
        if "\0" in text:
            raise ValueError(f"{text!r} has a NUL in it, and a guest's arguments and variables cannot")
        text.encode()


class _Log:
    """What is to be told of one run."""

    def __init__(self, *, has_stats: bool, has_trace: bool) -> None:
        self.notes: list[str] = []
        self._calls: list[Call] = []
        self._room = TRACE_BYTES
        self._collector = Collector()
        self._has_stats = has_stats
        self._has_trace = has_trace

    def listener(self) -> Listener:
        """Return what fills this."""
        is_watching = self._has_stats or self._has_trace
        watch = Watch(self._heard, has_contents=self._has_trace) if is_watching else None
        return Listener(report=self._report, notice=lambda _: None, warn=self._note, watch=watch)

    def stats(self, run_ns: int) -> Stats | None:
        """Return what the calls cost, if that was asked for."""
        return self._collector.stats(run_ns) if self._has_stats else None

    def trace(self) -> tuple[Call, ...] | None:
        """Return the calls, if they were asked for."""
        return tuple(self._calls) if self._has_trace else None

    def _report(self, function: str, error: NnError) -> None:
        self._note(f"{function} -> {error.errno.value} {error.errno.name.lower()}: {error.reason}")

    def _note(self, text: str) -> None:
        if len(self.notes) < NOTES_KEPT:
            self.notes.append(text)

    def _heard(self, call: Call) -> None:
        if self._has_stats:
            self._collector.add(call)
        if not self._has_trace or self._room < 0:
            return
        in_memory = 0 if isinstance(call.operation, Load) else call.bytes_in  # of models only hashes are kept
        self._room -= _CALL_BYTES + in_memory + call.bytes_out
        if self._room < 0:
            self._note(f"the trace ends before call {call.number}: it has {shown_size(TRACE_BYTES)} already")
            return
        self._calls.append(call)
