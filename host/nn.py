"""What the wasi-nn functions mean: graphs, contexts and the order of calls; no wasm and no OpenVINO in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from host.dialects import ELEMENT_BYTES, Dialect
from host.errors import Condition, NnError
from host.formats import recognise, sniff
from host.handles import HandleTable
from host.memory import U32_MASK
from host.models.config import configure, parse
from host.models.options import DEFAULT, DEVICES, ModelOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from host.abi import ExecutionTarget, TensorType
    from host.backends import Backend, Graph, Port, Request
    from host.hot_calls import Accepted
    from host.models.registry import NamedModel, Registry


@dataclass(frozen=True, slots=True)
class Limits:
    """What one guest may ask for, at most. Sizes in bytes."""

    graphs: int = 256
    contexts: int = 1024
    builders: int = 16
    model_bytes: int = 1 << 31
    name_bytes: int = 4096
    config_bytes: int = 1 << 16
    rank: int = 32
    tensor_bytes: int = U32_MASK
    """Of an input, an output, or a tensor inside a model; an output's size has to fit a u32 in any case."""
    guest_models: bool = True
    """Whether `load` takes models at all: they run in the host's process, outside of the sandbox."""

    def __post_init__(self) -> None:
        """Raise ValueError when a limit is negative."""
        for name in self.__slots__:
            if getattr(self, name) < 0:
                raise ValueError(f"the limit `{name}` is from 0 on, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Serving:
    """How models that a guest brings are run: the options of all, and the device of each target."""

    options: ModelOptions = DEFAULT
    devices: Mapping[ExecutionTarget, str] = field(default_factory=lambda: DEVICES)

    def options_for(self, target: ExecutionTarget) -> ModelOptions:
        """Return the options of a model that the guest wants on `target`."""
        return replace(self.options, device=self.devices[target])


@dataclass(frozen=True, slots=True)
class TensorView:
    """A tensor as the guest described it: nothing in it has been compared with a model.

    `data` may be the guest's own memory, and is then good for the length of the call only.
    """

    dimensions: tuple[int, ...]
    type: int
    data: bytes | memoryview


@dataclass(slots=True)
class Context:
    """An execution context: which inputs are set, and whether they have been computed since it was made.

    `accepted` has what `host.hot_calls` knows of the inputs as they are; setting one anew clears it.
    """

    graph: Graph
    request: Request
    inputs_set: set[int] = field(default_factory=set)
    is_computed: bool = False
    accepted: dict[int, Accepted] = field(default_factory=dict)


class Session:
    """One guest's graphs and contexts; a method that raises NnError has added no handle."""

    def __init__(  # noqa: PLR0913, PLR0917 - each of them is what a test wants to choose
        self,
        backend: Callable[[], Backend],
        registry: Registry,
        notice: Callable[[str], None],
        limits: Limits | None = None,
        dialect: Dialect | None = None,
        serving: Serving | None = None,
    ) -> None:
        """Make an empty session.

        Args:
            backend: Gives the backend; called only when a model has to be compiled.
            registry: The models `load_by_name` may give out.
            notice: Hears of what takes long, before it starts.
            limits: Caps; the defaults of `Limits` when None.
            dialect: What the guest's numbers mean; found out call by call when None.
            serving: How the guest's own models are run; the defaults of `Serving` when None.
        """
        self.limits = limits or Limits()
        self.dialect = dialect or Dialect()
        self._serving = serving or Serving()
        self._backend = backend
        self._registry = registry
        self._notice = notice
        self._told: set[str] = set()
        handles = iter(range(1, U32_MASK))  # from 1: a handle that was left at zero is never live
        self._graphs: HandleTable[Graph] = HandleTable("graph", self.limits.graphs, handles, "graphs")
        self._contexts: HandleTable[Context] = HandleTable(
            "graph_execution_context", self.limits.contexts, handles, "contexts"
        )

    def load(self, builders: tuple[bytes, ...], encoding: int, target: int) -> int:
        """Compile a model from the guest's bytes; return its graph handle."""
        if not self.limits.guest_models:
            raise NnError(Condition.GUEST_MODELS_OFF, "the operator allows models by name only")
        device = self.dialect.execution_target(target)
        claimed = self.dialect.graph_encoding(encoding, sniff(builders))
        self._graphs.check_room()
        definite = recognise(builders, claimed, self.limits.tensor_bytes)
        self._notice(f"loading {sum(map(len, builders))} bytes of {definite.value} from the guest")
        options = self._serving.options_for(device)
        try:
            return self._graphs.insert(self._backend().load(builders, definite, options))
        except NnError as error:
            self._tell_of_choice(error, device, options)
            raise

    def _tell_of_choice(self, error: NnError, target: ExecutionTarget, options: ModelOptions) -> None:
        """Warn the operator, once, of a device or precision that cannot be had and is no default."""
        is_chosen = {
            Condition.DEVICE_NOT_AVAILABLE: options.device != DEVICES[target],
            Condition.PRECISION_NOT_AVAILABLE: (options.device, options.precision)
            != (DEVICES[target], DEFAULT.precision),
        }
        if is_chosen.get(error.condition) and error.reason not in self._told:
            self._told.add(error.reason)
            self.dialect.warn(
                f"no model that the guest brings for `{target.name.lower()}` can run as the operator chose, "
                f"on {options.device} in {options.precision}: {error.reason}"
            )

    def load_by_name(self, name: bytes) -> int:
        """Return a graph handle for the model the operator registered as `name` (UTF-8)."""
        text = _name(name)
        self._graphs.check_room()
        return self._graphs.insert(self._registry.graph(text, self._backend, self._notice))

    def load_by_name_with_config(self, name: bytes, config: bytes) -> int:
        """Return a graph handle for the model registered as `name`, run as `config` (JSON, UTF-8) asks."""
        text, given = _name(name), parse(config)
        self._graphs.check_room()

        def options(model: NamedModel) -> ModelOptions:
            return configure(
                given,
                model.options,
                fixed=model.fixed,
                devices=self._serving.devices,
                notice=self._notice,
            )

        return self._graphs.insert(self._registry.graph(text, self._backend, self._notice, options))

    def init_execution_context(self, graph: int) -> int:
        """Return a context handle: its own inputs and outputs for `graph`."""
        live = self._graphs.get(graph)
        self._contexts.check_room()
        return self._contexts.insert(Context(live, live.request()))

    def context(self, context: int) -> Context | None:
        """Return the context of a handle; None when it is not live."""
        return self._contexts.find(context)

    def set_input(self, context: int, index: int, tensor: TensorView) -> None:
        """Copy `tensor` in as input `index`, in place of what was there."""
        live = self._contexts.get(context)
        port = _port(live.graph.inputs, index, "input")
        tensor_type = self.dialect.tensor_type(tensor.type, tensor.dimensions, len(tensor.data))
        self._check_length(tensor, tensor_type)
        if tensor_type is not port.type:
            raise NnError(
                Condition.TYPE_DIFFERS, f"input {index} is {port.type_name}, got {tensor_type.name.lower()}"
            )
        live.accepted.pop(index, None)
        live.request.set_input(index, _fit(port, index, tensor.dimensions), tensor.data)
        live.inputs_set.add(index)

    def compute(self, context: int) -> None:
        """Run the inference on the inputs as they are set now."""
        live = self._contexts.get(context)
        if len(live.inputs_set) != len(live.graph.inputs):
            unset = sorted(set(range(len(live.graph.inputs))) - live.inputs_set)
            raise NnError(Condition.INPUT_NOT_SET, f"inputs {unset} are not set")
        live.is_computed = False
        live.request.infer()
        live.is_computed = True

    def output_size(self, context: int, index: int) -> int:
        """Return how many bytes `get_output` gives, without copying them: a u32."""
        request = self._computed(context, index)
        size = len(request.output(index))
        most = min(self.limits.tensor_bytes, U32_MASK)
        if size > most:
            reason = f"output {index} has {size} bytes; {most} is the most"
            raise NnError(Condition.ABSURD_SIZE, reason, "tensor_bytes")
        return size

    def get_output(self, context: int, index: int, destination: memoryview) -> None:
        """Copy output `index` of the last `compute`, in the model's own layout, to all of `destination`.

        ValueError, and nothing written, when `destination` has another size than `output_size` says.
        """
        destination[:] = self._computed(context, index).output(index)

    def output_type_name(self, context: int, index: int) -> str:
        """Return the name of the element type of output `index`, computed or not; wasi-nn may not have it."""
        return _port(self._contexts.get(context).graph.outputs, index, "output").type_name

    def unload(self, graph: int) -> None:
        """End the life of a graph's handle; contexts of it go on."""
        self._graphs.remove(graph)

    def finalize_execution_context(self, context: int) -> None:
        """End the life of a context, with its inputs and outputs."""
        self._contexts.remove(context)

    def close(self) -> None:
        """End the life of all handles; what only this guest had of graphs and contexts is gone with it."""
        self._contexts.clear()
        self._graphs.clear()

    def _computed(self, context: int, index: int) -> Request:
        live = self._contexts.get(context)
        _port(live.graph.outputs, index, "output")
        if not live.is_computed:
            raise NnError(Condition.NOT_COMPUTED, "`compute` has not succeeded on this context")
        return live.request

    def _check_length(self, tensor: TensorView, tensor_type: TensorType) -> None:
        element = ELEMENT_BYTES[tensor_type.name.lower()]
        needed = math.prod(tensor.dimensions) * element
        if needed > self.limits.tensor_bytes:
            reason = f"tensor of {needed} bytes; {self.limits.tensor_bytes} is the most"
            raise NnError(Condition.ABSURD_SIZE, reason, "tensor_bytes")
        if needed != len(tensor.data):
            hint = self.dialect.hint(tensor.type, tensor.dimensions, len(tensor.data))
            raise self.dialect.mismatch(
                Condition.DATA_LENGTH,
                f"tensor type {tensor.type}",
                f"type {tensor.type} = {tensor_type.name.lower()} needs {needed} bytes for "
                f"{_shape(tensor.dimensions)}, got {len(tensor.data)}{hint}",
            )


def _name(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        raise NnError(Condition.BAD_NAME, f"the name is not UTF-8: {error.reason}") from None
    if "\0" in text:
        raise NnError(Condition.BAD_NAME, "the name has a NUL in it")
    return text


def _port(ports: tuple[Port, ...], index: int, what: str) -> Port:
    if index >= len(ports):
        raise NnError(Condition.INDEX_OUT_OF_RANGE, f"{what} {index} of a model that has {len(ports)}")
    return ports[index]


def _fit(port: Port, index: int, dimensions: tuple[int, ...]) -> tuple[int, ...]:
    """Return what `dimensions` of the guest are to the port: many guests can only say [1] for rank 0."""
    if port.dimensions is None:
        return dimensions
    if port.dimensions == () and dimensions == (1,):
        return ()
    pairs = zip(port.dimensions, dimensions, strict=False)
    if len(port.dimensions) != len(dimensions) or not all(
        dimension.fits(length) for dimension, length in pairs
    ):
        raise NnError(
            Condition.DIMENSIONS_DO_NOT_FIT,
            f"input {index} is {_shape(port.dimensions)}, got {_shape(dimensions)}",
        )
    return dimensions


def _shape(dimensions: tuple[object, ...]) -> str:
    return f"[{', '.join(map(str, dimensions))}]"
