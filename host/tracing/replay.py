"""Make the calls of a trace again, without the guest, and say where the answers differ; prints nothing.

The calls go to a session of their own. What was refused before it came to one, such as a pointer outside of
the guest's memory, cannot be made again and is skipped.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final, assert_never

from host.abi import NnErrno
from host.backends.remote_address import Remote
from host.errors import Condition, NnError
from host.models.files import files_of, sha256_of
from host.nn import TensorView
from host.tracing.observe import Blob, GetOutput, Load, LoadByName, OnHandle, SetInput
from host.tracing.tensor_diff import Difference, compare, tolerance_of
from host.tracing.trace import model_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from host.models.registry import Registry
    from host.nn import Serving, Session
    from host.tracing.observe import Operation
    from host.tracing.trace_reader import Header, Recorded

_NEVER_LIVE: Final = 0
"""A handle that no session gives out."""

_SUCCESS: Final = "success"
_NO_BYTES: Final = Blob(sha256(b"").hexdigest(), 0)


@dataclass(frozen=True, slots=True)
class Same:
    """The answer is what it was; `difference` is one that rounding explains."""

    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class Differs:
    """The answer is another: `what` says how; `difference` is there for tensors of one size."""

    what: str
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """The call could not be made again."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The host itself failed, which is no answer that could be compared."""

    why: str


Outcome = Same | Differs | Skipped | Failed


class MissingModelsError(Exception):
    """Models that the trace loads and nobody gave; one line that names them."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of the models given, by the SHA-256 of their bytes."""

    paths: Mapping[str, Path]

    @staticmethod
    def of(registry: Registry) -> ModelFiles:
        """Return the files of the registered models: each one's own and those beside it."""
        found = (path for model in registry.models.values() for path in _files_of(model.path))
        return ModelFiles({sha256_of(path): path for path in found})

    def has(self, blob: Blob) -> bool:
        """Return whether there is a file of these bytes, or they are none at all."""
        return blob.sha256 in self.paths or blob == _NO_BYTES

    def read(self, blob: Blob) -> bytes:
        """Return the bytes, which there must be."""
        return b"" if blob == _NO_BYTES else self.paths[blob.sha256].read_bytes()


def check_models(calls: Iterable[Recorded], registry: Registry, files: ModelFiles) -> None:
    """Raise MissingModelsError when a model that `calls` loaded, by name or from bytes, was not given."""
    missing: dict[str, None] = {}
    for call in calls:
        match call.operation:
            case _ if call.error is not None:
                continue
            case LoadByName(name=name) if (text := name.decode(errors="replace")) not in registry.models:
                missing[f"the model `{text}` by name: give `--graph {text}=MODEL`"] = None
            case Load(builders=blobs) if wanted := [blob for blob in blobs if not files.has(blob)]:
                hashes = ", ".join(f"{blob.size} bytes of SHA-256 {blob.sha256}" for blob in wanted)
                missing[f"a model from bytes ({hashes}): give its file as `--graph any=MODEL`"] = None
    if missing:
        raise MissingModelsError(f"the trace loads {'; and '.join(missing)}")


def differences(header: Header, registry: Registry, serving: Serving) -> Iterator[str]:
    """Yield a line for all that decides answers and is not what it was in the trace."""
    for name, model in registry.models.items():
        was = header.models.get(name)
        if was is None:
            continue
        now = model_sha256(model.path)
        if now != was.sha256:
            yield f"`{name}` is another model than in the trace: SHA-256 {was.sha256} then, {now} now"
        yield from _changed(f"`{name}`", asdict(was.options), asdict(model.options))
    yield from _changed(
        "models from bytes", {"precision": header.options.precision}, {"precision": serving.options.precision}
    )
    now_on = {target.name.lower(): device for target, device in serving.devices.items()}
    yield from _changed("models from bytes", header.devices, now_on)


def _changed(what: str, then: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    for key in (key for key in now if then.get(key) != now[key]):
        yield f"{what} ran with `{key}` {then.get(key)} in the trace, and {now[key]} now"


@dataclass(frozen=True, slots=True)
class Player:
    """Makes calls again, one after the other; `tolerance` None is that of each type.

    `live` has the handles of the trace and what they are in `session`; `lost` those that were not made this
    time, and the number of the call that is to blame.
    """

    session: Session
    files: ModelFiles
    tolerance: float | None
    live: dict[int, int] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)

    def play(self, call: Recorded) -> Outcome:
        """Make one call again and compare; raises nothing."""
        if why := self._skips(call):
            return Skipped(why)
        assert call.operation is not None  # noqa: S101 - it would have been skipped
        try:
            self.session.dialect.enter(call.module)
            return self._again(call, call.operation)
        except NnError as problem:
            error = problem
        except Exception as problem:  # noqa: BLE001 - as in a call of a guest's: the next ones can still be made
            error = NnError(Condition.UNFORESEEN, f"{type(problem).__name__}: {problem}")
        if error.condition is Condition.UNFORESEEN:
            return Failed(error.reason)
        if call.error is error.errno:
            return Same()
        return _differs(_answer(call), f"{error.errno.name.lower()}: {error.reason}")

    def _skips(self, call: Recorded) -> str:
        """Return why a call cannot be made again; what it made is taken for lost until it is."""
        if call.operation is None:
            return "it was refused before it came to a model"
        blame = self.lost.get(_takes(call.operation), call.number)
        if call.handle is not None:
            self.live.pop(call.handle, None)
            self.lost[call.handle] = blame
        if blame != call.number:
            return f"it needs what call {blame} did not make this time"
        if isinstance(call.operation, Load) and not all(map(self.files.has, call.operation.builders)):
            return "the bytes that were loaded are not among the models given"
        return ""

    def _again(self, call: Recorded, operation: Operation) -> Outcome:
        if isinstance(operation, GetOutput):
            return self._get_output(call, operation)
        handle = self._do(operation)
        if call.error is not None:
            return _differs(_answer(call), _SUCCESS)
        if call.handle is not None and handle is not None:
            self.live[call.handle] = handle
            del self.lost[call.handle]
        return Same()

    def _do(self, operation: Load | LoadByName | SetInput | OnHandle) -> int | None:
        session = self.session
        match operation:
            case Load(blobs, encoding, target):
                return session.load(tuple(map(self.files.read, blobs)), encoding, target)
            case LoadByName(name, config):
                if config is None:
                    return session.load_by_name(name)
                return session.load_by_name_with_config(name, config)
            case SetInput(context, index, dimensions, type_, _, data):
                session.set_input(self._now(context), index, TensorView(dimensions, type_, data))
                return None
            case OnHandle(method, handle):
                return self._on_handle(method, self._now(handle))
            case _:
                assert_never(operation)

    def _on_handle(self, method: str, handle: int) -> int | None:
        match method:
            case "init_execution_context":
                return self.session.init_execution_context(handle)
            case "compute":
                self.session.compute(handle)
            case "unload":
                self.session.unload(handle)
            case _:
                self.session.finalize_execution_context(handle)
        return None

    def _get_output(self, call: Recorded, asked: GetOutput) -> Outcome:
        context = self._now(asked.context)
        size = self.session.output_size(context, asked.index)
        if asked.size is not None and size != asked.size:
            return _differs(f"{asked.size} bytes", f"{size} bytes")
        if call.error is NnErrno.TOO_LARGE and asked.size is not None:  # it was for the guest's buffer
            return Same()
        output = bytearray(size)
        self.session.get_output(context, asked.index, memoryview(output))
        now = bytes(output)
        if call.error is not None or asked.data is None or len(asked.data) != len(now):
            return _differs(_answer(call), f"{_SUCCESS}, {len(now)} bytes")
        difference = compare(asked.data, now, asked.type_name)
        tolerance = tolerance_of(asked.type_name) if self.tolerance is None else self.tolerance
        if difference is None or difference.is_within(tolerance):
            return Same(difference)
        return Differs(f"output {asked.index} has other values", difference)

    def _now(self, handle: int) -> int:
        return self.live.get(handle, _NEVER_LIVE)


def _takes(operation: Operation) -> int:
    """Return the handle that an operation is on."""
    match operation:
        case SetInput(context=handle) | GetOutput(context=handle) | OnHandle(handle=handle):
            return handle
        case Load() | LoadByName():
            return _NEVER_LIVE
        case _:
            assert_never(operation)


def _differs(was: str, now: str) -> Differs:
    return Differs(f"was {was}; is {now}")


def _answer(call: Recorded) -> str:
    return _SUCCESS if call.error is None else f"{call.error.name.lower()}: {call.reason}"


def _files_of(path: Path | Remote) -> tuple[Path, ...]:
    try:
        return files_of(path)
    except (NnError, OSError):  # its other files may not be read; the calls that need them tell why
        return () if isinstance(path, Remote) else (path,)
