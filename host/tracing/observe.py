"""Hear of every wasi-nn call of a run: what it asked for, what it got, how long it took.

Stands around `host.bindings`, which knows nothing of it: a run that nobody watches pays nothing for it.
Writes no file and prints nothing; what is heard is for `host.tracing.trace` and `host.tracing.stats`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from time import perf_counter_ns
from typing import TYPE_CHECKING

from host.bindings import Bindings
from host.errors import NnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from host import abi
    from host.dialects import Dialect
    from host.job import Listener
    from host.memory import GuestMemory
    from host.nn import Limits, Session, TensorView


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that were not kept: the hash of them in hex, and how many they were."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Load:
    """A model from bytes, with the guest's numbers for its encoding and target."""

    builders: tuple[Blob, ...]
    encoding: int
    target: int


@dataclass(frozen=True, slots=True)
class LoadByName:
    """A model by its name, bytes as the guest gave them; `config` is None where the function has none."""

    name: bytes
    config: bytes | None


@dataclass(frozen=True, slots=True)
class SetInput:
    """A tensor for an input; `type` is the guest's number, `type_name` what it is taken as, if anything."""

    context: int
    index: int
    dimensions: tuple[int, ...]
    type: int
    type_name: str | None
    data: bytes


@dataclass(frozen=True, slots=True)
class GetOutput:
    """An output: `data` is None where only its size was told, `size` (bytes) None where not even that.

    `type_name` is the backend's, None when the size is.
    """

    context: int
    index: int
    type_name: str | None
    size: int | None
    data: bytes | None


@dataclass(frozen=True, slots=True)
class OnHandle:
    """Any call that takes a live handle and nothing else; `method` is the session's name for it."""

    method: str
    handle: int


Operation = Load | LoadByName | SetInput | GetOutput | OnHandle
"""What a call asked of the session, its pointers followed."""


@dataclass(frozen=True, slots=True)
class Call:
    """One wasi-nn call, after it has returned.

    Attributes:
        number: from 1, in the order of the calls.
        function: what was called.
        arguments: as core wasm has them, unsigned, in the order of the function's parameters.
        operation: what that came to; None when it was refused before, or nobody asked for contents.
        handle: the handle that was made, if one was.
        errno: the number the guest got, in its own dialect.
        error: why it failed; None when it did not.
        findings: what the host found out about the guest's dialect in this call.
        started_ns: since the start of the recording.
        duration_ns: in the host, without the time that watching itself took.
        bytes_in: model, name and tensor bytes that came out of the guest's memory.
        bytes_out: output bytes that were written to it.
    """

    number: int
    function: abi.Function
    arguments: tuple[int, ...]
    operation: Operation | None
    handle: int | None
    errno: int
    error: NnError | None
    findings: tuple[str, ...]
    started_ns: int
    duration_ns: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class Watch:
    """Who hears of every call; with `has_contents` also of what was in it, copied: tensors and names."""

    heard: Callable[[Call], None]
    has_contents: bool


@dataclass(slots=True)
class _Pending:
    """The call that is under way, as far as it has got."""

    operation: Operation | None = None
    handle: int | None = None
    error: NnError | None = None
    findings: list[str] = field(default_factory=list)
    bytes_in: int = 0
    bytes_out: int = 0
    watching_ns: int = 0


class Recorder:
    """Watches one run: takes the place of its Bindings, and hears on the way what its listener hears."""

    def __init__(self, watch: Watch, listener: Listener) -> None:
        self.pending = _Pending()
        self.has_contents = watch.has_contents
        self._heard: Callable[[Call], None] | None = watch.heard
        self._listener = listener
        self._number = 0
        self._began = perf_counter_ns()
        self._bindings: Bindings | None = None

    def attach(self, session: Session) -> None:
        """Serve the guest from `session`."""
        self._bindings = Bindings(WatchedSession(session, self), self.report)

    def report(self, function: str, error: NnError) -> None:
        """Keep the error of the call under way, and pass it on."""
        self.pending.error = error
        self._listener.report(function, error)

    def warn(self, finding: str) -> None:
        """Keep a finding about the call under way, and pass it on."""
        self.pending.findings.append(finding)
        self._listener.warn(finding)

    def call(self, function: abi.Function, memory: GuestMemory | None, arguments: tuple[int, ...]) -> int:
        """Do what `Bindings.call` does and tell of it; never raises."""
        assert self._bindings is not None  # noqa: S101 - `attach` comes before the guest runs
        self.pending = _Pending()
        started = perf_counter_ns()
        errno = self._bindings.call(function, memory, arguments)
        took = perf_counter_ns() - started - self.pending.watching_ns
        self._number += 1
        if self._heard is not None:
            try:
                self._heard(self._call(function, arguments, errno, started, took))
            except Exception as problem:  # noqa: BLE001 - would unwind through the guest, whose fault it is not
                self._heard = None
                self._listener.warn(f"the recording ends before call {self._number}: {problem}")
        return errno

    def _call(
        self, function: abi.Function, arguments: tuple[int, ...], errno: int, started: int, took: int
    ) -> Call:
        pending = self.pending
        return Call(
            number=self._number,
            function=function,
            arguments=arguments,
            operation=pending.operation,
            handle=pending.handle,
            errno=errno,
            error=pending.error,
            findings=tuple(pending.findings),
            started_ns=started - self._began,
            duration_ns=took,
            bytes_in=pending.bytes_in,
            bytes_out=pending.bytes_out,
        )


class WatchedSession:
    """A session, for the Bindings of a Recorder: notes what each call came to, before and after."""

    def __init__(self, session: Session, recorder: Recorder) -> None:
        self._session = session
        self._recorder = recorder

    @property
    def limits(self) -> Limits:
        """Those of the session."""
        return self._session.limits

    @property
    def dialect(self) -> Dialect:
        """That of the session."""
        return self._session.dialect

    def load(self, builders: tuple[bytes, ...], encoding: int, target: int) -> int:
        """Note the model's hashes."""
        self._note(
            sum(map(len, builders)),
            lambda: Load(tuple(Blob(sha256(b).hexdigest(), len(b)) for b in builders), encoding, target),
        )
        return self._made(self._session.load(builders, encoding, target))

    def load_by_name(self, name: bytes) -> int:
        """Note the name."""
        self._note(len(name), lambda: LoadByName(name, None))
        return self._made(self._session.load_by_name(name))

    def load_by_name_with_config(self, name: bytes, config: bytes) -> int:
        """Note the name and the configuration."""
        self._note(len(name) + len(config), lambda: LoadByName(name, config))
        return self._made(self._session.load_by_name_with_config(name, config))

    def init_execution_context(self, graph: int) -> int:
        """Note the graph."""
        self._note(0, lambda: OnHandle("init_execution_context", graph))
        return self._made(self._session.init_execution_context(graph))

    def set_input(self, context: int, index: int, tensor: TensorView) -> None:
        """Note the tensor, and what its type was taken as."""
        self._note(len(tensor.data), lambda: self._input(context, index, tensor))
        self._session.set_input(context, index, tensor)

    def compute(self, context: int) -> None:
        """Note the context."""
        self._note(0, lambda: OnHandle("compute", context))
        self._session.compute(context)

    def output_size(self, context: int, index: int) -> int:
        """Note the output and its size."""
        self._note(0, lambda: GetOutput(context, index, None, None, None))
        size = self._session.output_size(context, index)
        self._note(0, lambda: self._output(context, index, size, None))
        return size

    def get_output(self, context: int, index: int, destination: memoryview) -> None:
        """Note the output."""
        self._session.get_output(context, index, destination)
        size = len(destination)
        self._recorder.pending.bytes_out = size
        self._note(0, lambda: self._output(context, index, size, bytes(destination)))

    def unload(self, graph: int) -> None:
        """Note the graph."""
        self._note(0, lambda: OnHandle("unload", graph))
        self._session.unload(graph)

    def finalize_execution_context(self, context: int) -> None:
        """Note the context."""
        self._note(0, lambda: OnHandle("finalize_execution_context", context))
        self._session.finalize_execution_context(context)

    def _note(self, bytes_in: int, describe: Callable[[], Operation]) -> None:
        pending = self._recorder.pending
        pending.bytes_in += bytes_in
        if self._recorder.has_contents:
            started = perf_counter_ns()
            pending.operation = describe()
            pending.watching_ns += perf_counter_ns() - started

    def _made(self, handle: int) -> int:
        self._recorder.pending.handle = handle
        return handle

    def _input(self, context: int, index: int, tensor: TensorView) -> SetInput:
        try:
            name = self.dialect.tensor_type(tensor.type, tensor.dimensions, len(tensor.data)).name.lower()
        except NnError:  # the session will say so
            name = None
        return SetInput(context, index, tensor.dimensions, tensor.type, name, bytes(tensor.data))

    def _output(self, context: int, index: int, size: int, data: bytes | None) -> GetOutput:
        type_name = self._session.output_type_name(context, index)
        return GetOutput(context, index, type_name, size, data)
