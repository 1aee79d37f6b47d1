"""What a guest's call must come to, found out a second time: from arguments and memory, by the tables alone.

Knows the models by what they compute, not how; shares no code with `host.bindings` or `host.nn`. Where a call
has several faults any of them may be answered: the interface does not say which is looked for first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from host.abi import GRAPH_BUILDER, TENSOR, ExecutionTarget, GraphEncoding, NnErrno, TensorType
from host.bindings import FUNCTIONS
from host.nn import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.generic]
    Builders = tuple[bytes, ...]

DTYPES = {
    TensorType.F16: np.float16,
    TensorType.F32: np.float32,
    TensorType.F64: np.float64,
    TensorType.U8: np.uint8,
    TensorType.I32: np.int32,
    TensorType.I64: np.int64,
}
LIMITS = Limits(graphs=6, contexts=8)
"""Few enough to be reached."""

MOST_EXACT = 100
"""Elements up to this are computed without rounding or overflow in every element type."""

_N = NnErrno
_ANY_REFUSAL = frozenset({
    _N.INVALID_ARGUMENT, _N.INVALID_ENCODING, _N.RUNTIME_ERROR, _N.UNSUPPORTED_OPERATION, _N.TOO_LARGE,
})  # fmt: skip


@dataclass(frozen=True)
class Spec:
    """A model: shape and type of each input, and what it does.

    A length of None is any, a type of None one that wasi-nn has not. `run` returns the outputs, or None where
    the inference must fail.
    """

    inputs: tuple[tuple[tuple[int | None, ...], TensorType | None], ...]
    run: Callable[..., tuple[Array, ...] | None]
    outputs: int = 1


@dataclass
class Context:
    """A context: its inputs as they are, the outputs of its last `compute`; None for one not foreseen."""

    spec: Spec
    inputs: dict[int, Array] = field(default_factory=dict)
    outputs: tuple[bytes | None, ...] | None = None
    sizes: tuple[int, ...] = ()


@dataclass
class Expected:
    """What a call may answer, and then does to memory.

    `errnos` has SUCCESS alone, or errors alone, or both where the reference does not know. `writes` are the
    places, bytes and sizes that a success writes, None for bytes not foreseen; `size` is where TOO_LARGE
    writes a u32, and which.
    """

    errnos: set[NnErrno]
    writes: list[tuple[int, bytes | None, int]] = field(default_factory=list)
    commit: Callable[[], None] = lambda: None
    handle_at: int | None = None
    on_handle: Callable[[int], None] = lambda _: None
    size: tuple[int, int] | None = None


@dataclass
class Reference:
    """The state of one guest: what is live, which inputs are set, what the outputs are."""

    named: Mapping[bytes, Spec]
    loadable: Mapping[bytes, tuple[GraphEncoding, int, Spec]]
    """The first builder of each model that may be loaded: its encoding, how many builders, what it does.

    They have no weights, so a second builder may hold anything.
    """
    graphs: dict[int, Spec] = field(default_factory=dict)
    contexts: dict[int, Context] = field(default_factory=dict)
    given: list[int] = field(default_factory=list)
    """Every handle ever given, live or not."""

    def expect(self, name: str, arguments: tuple[int, ...], memory: bytes) -> Expected:
        """Return what a call must come to."""
        expected = Expected(set())
        for param, value in zip(FUNCTION[name].params, arguments, strict=True):
            if param.size and not _inside(memory, value, param.size):
                expected.errnos.add(_N.INVALID_ARGUMENT)
        getattr(self, f"_{name}")(expected, memory, *arguments)
        if not expected.errnos:
            expected.errnos.add(_N.SUCCESS)
        return expected

    def _load(  # noqa: PLR0913, PLR0917 - the parameters of `load`
        self, expected: Expected, memory: bytes, ptr: int, count: int, encoding: int, target: int, out: int
    ) -> None:
        faults = expected.errnos
        self._new_graph(expected, out)
        if encoding not in set(GraphEncoding):
            faults.add(_N.INVALID_ENCODING)
        if target not in set(ExecutionTarget):
            faults.add(_N.INVALID_ARGUMENT)
        elif target != ExecutionTarget.CPU:
            faults.add(_N.UNSUPPORTED_OPERATION)
        if count > LIMITS.builders:
            faults.add(_N.TOO_LARGE)
        if not _inside(memory, ptr, count * GRAPH_BUILDER.size):
            faults.add(_N.INVALID_ARGUMENT)
            return
        if count > LIMITS.builders:
            return
        ranges = [GRAPH_BUILDER.unpack_from(memory, ptr + GRAPH_BUILDER.size * at) for at in range(count)]
        if not all(_inside(memory, *each) for each in ranges):
            faults.add(_N.INVALID_ARGUMENT)
            return
        builders = tuple(memory[at : at + size] for at, size in ranges)
        found = next((known for known in self.loadable if _begin_alike(known, builders)), None)
        kind, number, spec = self.loadable.get(found or b"", (None, 0, None))
        if spec is None or number != count or encoding not in {kind, GraphEncoding.AUTODETECT}:
            faults |= _ANY_REFUSAL  # which one is for other tests to say
            return
        expected.on_handle = self._keep(spec)
        if builders[0] != found and not faults:  # its end is cut off, or more follows: it may be a model
            faults |= _ANY_REFUSAL | {_N.SUCCESS}

    def _load_by_name(self, expected: Expected, memory: bytes, ptr: int, size: int, out: int) -> None:
        self._new_graph(expected, out)
        name = self._text(expected, memory, ptr, size, LIMITS.name_bytes)
        if name is None:
            return
        if not _is_text(name) or b"\0" in name:
            expected.errnos.add(_N.INVALID_ARGUMENT)
        elif name not in self.named:
            expected.errnos.add(_N.NOT_FOUND)
        else:
            expected.on_handle = self._keep(self.named[name])

    def _load_by_name_with_config(  # noqa: PLR0913, PLR0917 - its parameters
        self,
        expected: Expected,
        memory: bytes,
        ptr: int,
        size: int,
        config_ptr: int,
        config_size: int,
        out: int,
    ) -> None:
        self._load_by_name(expected, memory, ptr, size, out)
        if not _inside(memory, out, 4):  # the extension's parameters come without sizes
            expected.errnos.add(_N.INVALID_ARGUMENT)
        config = self._text(expected, memory, config_ptr, config_size, LIMITS.config_bytes)
        if config is not None and config not in {b"", b"{}"}:
            expected.errnos.add(_N.INVALID_ARGUMENT)  # no other that is drawn is JSON

    def _init_execution_context(self, expected: Expected, _: bytes, graph: int, out: int) -> None:
        if graph not in self.graphs:
            expected.errnos.add(_N.INVALID_ARGUMENT)
        if len(self.contexts) >= LIMITS.contexts:
            expected.errnos.add(_N.BUSY)
        expected.handle_at = out
        expected.on_handle = lambda handle: self.contexts.update({handle: Context(self.graphs[graph])})

    def _set_input(self, expected: Expected, memory: bytes, context: int, index: int, tensor: int) -> None:
        live = self.contexts.get(context)
        port = live.spec.inputs[index] if live and index < len(live.spec.inputs) else None
        if port is None:
            expected.errnos.add(_N.INVALID_ARGUMENT)
        array = self._array(expected, memory, tensor)
        if array is None or live is None or port is None:
            return
        wanted, kind = port
        if kind is None or array.dtype != DTYPES[kind] or not _fits(wanted, array.shape):
            expected.errnos.add(_N.INVALID_ARGUMENT)
        array = array if wanted else array.reshape(())
        expected.commit = lambda: live.inputs.update({index: array})

    @staticmethod
    def _array(expected: Expected, memory: bytes, tensor: int) -> Array | None:
        """Return the tensor at a place, or None where it is none; why it is not joins what is expected."""
        faults = expected.errnos
        if not _inside(memory, tensor, TENSOR.size):
            return None
        shape_ptr, rank, kind, data_ptr, data_size = TENSOR.unpack_from(memory, tensor)
        is_shape_inside = _inside(memory, shape_ptr, 4 * rank)
        is_typed = kind in set(TensorType)
        if rank > LIMITS.rank:
            faults.add(_N.TOO_LARGE)
        if not (is_shape_inside and is_typed and _inside(memory, data_ptr, data_size)):
            faults.add(_N.INVALID_ARGUMENT)
        if rank > LIMITS.rank or not is_shape_inside or not is_typed:
            return None
        shape = tuple(_u32(memory, shape_ptr + 4 * at) for at in range(rank))
        size = math.prod(shape) * np.dtype(DTYPES[TensorType(kind)]).itemsize
        if size > LIMITS.tensor_bytes:
            faults.add(_N.TOO_LARGE)
        if size != data_size:
            faults.add(_N.INVALID_ARGUMENT)
        if faults:
            return None
        data = memory[data_ptr : data_ptr + data_size]
        return np.frombuffer(data, DTYPES[TensorType(kind)]).reshape(shape)

    def _compute(self, expected: Expected, _: bytes, context: int) -> None:
        live = self.contexts.get(context)
        if live is None:
            expected.errnos.add(_N.INVALID_ARGUMENT)
        elif len(live.inputs) < len(live.spec.inputs):
            expected.errnos.add(_N.RUNTIME_ERROR)
        else:
            inputs = [live.inputs[index] for index in range(len(live.inputs))]
            outputs = live.spec.run(*inputs)
            live.outputs = None
            if outputs is None:
                expected.errnos.add(_N.RUNTIME_ERROR)
                return
            is_exact = all(map(_is_exact, inputs))
            live.outputs = tuple(output.tobytes() if is_exact else None for output in outputs)
            live.sizes = tuple(output.nbytes for output in outputs)

    def _get_output(  # noqa: PLR0913, PLR0917 - the parameters of `get_output`
        self, expected: Expected, memory: bytes, context: int, index: int, ptr: int, most: int, out: int
    ) -> None:
        faults = expected.errnos
        live = self.contexts.get(context)
        if not _inside(memory, ptr, most):
            faults.add(_N.INVALID_ARGUMENT)
        if live is None or index >= live.spec.outputs:
            faults.add(_N.INVALID_ARGUMENT)
        elif live.outputs is None:
            faults.add(_N.RUNTIME_ERROR)
        if faults or live is None or live.outputs is None:
            return
        size = live.sizes[index]
        if size > most:
            faults.add(_N.TOO_LARGE)
            expected.size = (out, size)
            return
        expected.writes = [(out, size.to_bytes(4, "little"), 4), (ptr, live.outputs[index], size)]

    def _unload(self, expected: Expected, _: bytes, graph: int) -> None:
        self._remove(expected, self.graphs, graph)

    def _finalize_execution_context(self, expected: Expected, _: bytes, context: int) -> None:
        self._remove(expected, self.contexts, context)

    def _compute_single(self, expected: Expected, *_: object) -> None:
        expected.errnos.add(_N.UNSUPPORTED_OPERATION)

    _get_output_single = _fini_single = _compute_single

    def _new_graph(self, expected: Expected, out: int) -> None:
        if len(self.graphs) >= LIMITS.graphs:
            expected.errnos.add(_N.BUSY)
        expected.handle_at = out

    def _keep(self, spec: Spec) -> Callable[[int], None]:
        return lambda handle: self.graphs.update({handle: spec})

    @staticmethod
    def _remove(expected: Expected, table: dict[int, Spec] | dict[int, Context], handle: int) -> None:
        if handle not in table:
            expected.errnos.add(_N.INVALID_ARGUMENT)
        expected.commit = lambda: table.pop(handle)  # type: ignore[assignment]

    @staticmethod
    def _text(expected: Expected, memory: bytes, ptr: int, size: int, most: int) -> bytes | None:
        if size > most:
            expected.errnos.add(_N.TOO_LARGE)
        if not _inside(memory, ptr, size):
            expected.errnos.add(_N.INVALID_ARGUMENT)
            return None
        return memory[ptr : ptr + size]


def _begin_alike(known: bytes, builders: Builders) -> bool:
    return bool(builders) and builders[0].startswith(known[:-1])


FUNCTION = {function.name: function for function in FUNCTIONS}


def _inside(memory: bytes, ptr: int, size: int) -> bool:
    return ptr + size <= len(memory)


def _u32(memory: bytes, ptr: int) -> int:
    return int.from_bytes(memory[ptr : ptr + 4], "little")


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fits(wanted: tuple[int | None, ...], shape: tuple[int, ...]) -> bool:
    if wanted == ():
        return shape in {(), (1,)}
    return len(wanted) == len(shape) and all(a in {None, b} for a, b in zip(wanted, shape, strict=True))


def _is_exact(array: Array) -> bool:
    """Return whether arithmetic on the elements is the same everywhere: small whole numbers."""
    with np.errstate(invalid="ignore"):
        return bool(np.all((np.abs(array.astype(np.float64)) <= MOST_EXACT) & (array == np.trunc(array))))
