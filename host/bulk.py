"""The unit of bulk work: one guest, kept warm, answers one record after another.

Knows neither where records come from nor how many workers there are.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import fields, replace
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from host import guests, runner
from host.capture import Capture, capture
from host.engines import Engines
from host.job import RECORD_OUTPUT_BYTES, Job, Listener, RunError
from host.models.registry import Registry
from host.nn import Serving
from host.quantities import shown_size
from host.reactor import Reactor, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Self

    from host.abi import ExecutionTarget
    from host.backends import Backend
    from host.errors import NnError
    from host.job import Stdio
    from host.models.options import ModelOptions
    from host.models.registry import NamedModel

NOTES_KEPT: Final = 8
"""How many failed wasi-nn calls an error tells of."""

_STDERR_BYTES: Final = 1 << 16
_LINES_SHOWN: Final = 3


class RecordError(Exception):
    """A record that got no answer; the message is one line, from the guest in part.

    `notes` has a line for each wasi-nn call that failed meanwhile, with the reason. `is_refused` says that
    nothing failed: the guest answered with a code of its own, or, as a command, exited with one.
    """

    def __init__(self, message: str, notes: tuple[str, ...] = (), is_refused: bool = False) -> None:  # noqa: FBT001, FBT002 - pickle gives arguments by position
        super().__init__(message, notes, is_refused)
        self.notes = notes
        self.is_refused = is_refused

    def __str__(self) -> str:
        return str(self.args[0])


class Worker:
    """Answers records with one guest; for one thread at a time.

    A guest that exports `_start` is run once for each record: the record is its stdin, the answer its stdout.
    Any other is started once, and again after it trapped. What was compiled stays. A worker can be pickled:
    what arrives is a new one, for the same job, whose model files have to be where they were.
    """

    def __init__(
        self,
        job: Job,
        output_bytes: int = RECORD_OUTPUT_BYTES,
        engines: Engines | None = None,
        backend: Callable[[], Backend] | None = None,
        listener: Listener | None = None,
    ) -> None:
        """Compile the guest; nothing of it runs yet.

        Args:
            job: The guest and what it is given. Its time and fuel are those of one record, and of a start.
            output_bytes: What an answer may have at most.
            engines: Where the guest is compiled; to be shared in a process.
            backend: Gives the backend; to be shared likewise.
            listener: Hears of what happens besides the errors. Nobody if None; not pickled.

        Raises:
            BadGuestError: The guest cannot be used.
        """
        code = guests.read_code(job.guest) if job.code is None else job.code
        self.job = replace(job, code=code)
        self._most = output_bytes
        engines = engines or Engines()
        self._has_cache = engines.has_cache
        self._guest = engines.compiled(job.guest, code, job.bounds)
        self._backend = backend or cache(runner.openvino)
        self._heard = listener or Listener(lambda *_: None, lambda _: None, lambda _: None)
        self._listener = replace(self._heard, report=self._report)
        self._is_reactor = guests.is_reactor(guests.exports_of(self._guest.module))
        self._notes: list[str] = []
        self._reactor: Reactor | None = None
        self._streams, self._kept = ExitStack(), Capture()

    def start(self) -> None:
        """Start a guest that stays alive, in place of with its first record; of a command, see that it links.

        Raises:
            RecordError: It does not start.
            BadGuestError, OSError: As of `call`.
        """
        self._notes.clear()
        if self._is_reactor:
            self._with_reactor(lambda _: b"")
            return
        guests.check_command(self.job.guest, self._guest.module)
        with runner.linked(self.job, self._guest, self._backend, self._listener):
            pass

    def call(self, record: bytes) -> bytes:
        """Return the guest's answer to one record.

        Raises:
            RecordError: There is none; the worker is ready for the next record.
            BadGuestError: The guest cannot be linked, or be given what the job says: no record will go.
            OSError: The process is short of what a guest takes, such as open files.
        """
        self._notes.clear()
        if self._is_reactor:
            return self._with_reactor(lambda reactor: reactor.call(record, self._most))
        return self._run(record)

    def moved(self, paths: Mapping[str, Path]) -> Worker:
        """Return a new worker for the same job, with the files of the models in `paths` where these say."""
        from host.api import Host  # noqa: PLC0415 - which imports this module

        models = {
            name: replace(model, path=paths.get(name, model.path))
            for name, model in self.job.registry.models.items()
        }
        host = Host(cache=self._has_cache)
        return host.job_worker(replace(self.job, registry=Registry(models)), self._most)

    def close(self) -> None:
        """End the guest; `call` starts it again."""
        if self._reactor is not None:
            self._reactor.close()
            self._reactor = None
        self._streams.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        plain = {field.name: getattr(self.job, field.name) for field in fields(self.job)}
        registry, serving = plain.pop("registry"), plain.pop("serving")  # have locks and views of dicts
        models, devices = dict(registry.models), dict(serving.devices)
        return _made_again, (plain, models, (serving.options, devices), self._most, self._has_cache)

    def _with_reactor(self, use: Callable[[Reactor], bytes]) -> bytes:
        """Return what `use` does of the guest, which is started before if need be."""
        try:
            if self._reactor is None:
                self._reactor = self._started()
            else:
                self._kept.forget()
            return use(self._reactor)
        except RefusedError as error:
            raise RecordError(str(error), tuple(self._notes), error.is_by_guest) from error
        except RunError as error:
            self.close()
            raise self._failed(str(error), self._kept) from error
        except BaseException:
            self.close()
            raise

    def _started(self) -> Reactor:
        self._kept = Capture()
        stdio = self._streams.enter_context(capture(self._kept, None, 0, _STDERR_BYTES))
        return Reactor(self._with(stdio), self._guest, self._backend, self._listener)

    def _run(self, record: bytes) -> bytes:
        kept = Capture()
        try:
            with capture(kept, record, self._most + 1, _STDERR_BYTES) as stdio:
                code = runner.run(self._with(stdio), self._guest, self._backend, self._listener, monotonic())
        except RunError as error:
            raise self._failed(str(error), kept) from error
        if code:
            raise self._failed(f"the guest exited with {code}", kept, is_refused=True)
        if len(kept.stdout) > self._most:
            raise self._failed(f"the answer has more than {shown_size(self._most)}, which is the most", kept)
        return kept.stdout

    def _with(self, stdio: Stdio) -> Job:
        return replace(self.job, stdio=stdio)

    def _failed(self, what: str, kept: Capture, *, is_refused: bool = False) -> RecordError:
        """Return the error, with the last lines that the guest wrote to stderr for this record."""
        lines = kept.stderr.decode(errors="replace").strip().splitlines()[-_LINES_SHOWN:]
        message = ": ".join([what, "; ".join(lines)] if lines else [what])
        return RecordError(message, tuple(self._notes), is_refused)

    def _report(self, function: str, error: NnError) -> None:
        self._heard.report(function, error)
        if len(self._notes) < NOTES_KEPT:
            errno = error.errno
            self._notes.append(f"{function} -> {errno.value} {errno.name.lower()}: {error.reason}")


def _made_again(
    plain: Mapping[str, Any],
    models: Mapping[str, NamedModel],
    serving: tuple[ModelOptions, Mapping[ExecutionTarget, str]],
    output_bytes: int,
    has_cache: bool,  # noqa: FBT001 - pickle gives arguments by position
) -> Worker:
    from host.api import Host  # noqa: PLC0415 - which imports this module

    job = Job(**plain, registry=Registry(models), serving=Serving(*serving))
    return Host(cache=has_cache).job_worker(job, output_bytes)
