"""The seam between wasi-nn and what computes: a backend makes graphs, a graph requests, a request infers.

Nothing here imports a backend; a backend imports nothing of wasm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from host.abi import TensorType
    from host.formats import Format
    from host.models.options import ModelOptions


@dataclass(frozen=True, slots=True)
class Dimension:
    """The lengths a dimension may have: `low` to `high`, both included; `high` None when unbounded."""

    low: int
    high: int | None

    def fits(self, length: int) -> bool:
        """Return whether a tensor may have `length` here."""
        return self.low <= length and (self.high is None or length <= self.high)

    def __str__(self) -> str:
        if self.low == self.high:
            return str(self.low)
        return f"{self.low}..{'' if self.high is None else self.high}"


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a graph.

    `dimensions` is None for a dynamic rank. `type` is None for an element type that wasi-nn has no value for;
    `type_name` is the backend's name of the type.
    """

    dimensions: tuple[Dimension, ...] | None
    type: TensorType | None
    type_name: str

    @property
    def static_shape(self) -> tuple[int, ...] | None:
        """The one shape that a tensor here can have; None when there are several."""
        if self.dimensions is None or any(length.low != length.high for length in self.dimensions):
            return None
        return tuple(length.low for length in self.dimensions)


class Request(Protocol):
    """One inference at a time, with input tensors of its own."""

    def set_input(self, index: int, dimensions: tuple[int, ...], data: bytes | memoryview) -> None:
        """Copy `data` in as input `index`; the caller has checked index, dimensions, type and length.

        `data` may be the guest's own memory: it is not touched after the call.
        """

    def infer(self) -> None:
        """Run the inference on the inputs set; NnError when the backend cannot."""

    def output(self, index: int) -> memoryview:
        """Return output `index` of the last inference, in the model's own layout.

        It is the request's own memory, gone or changed with the next inference.
        """

    def input(self, index: int) -> memoryview:
        """Return where input `index` was last copied to: the request's own memory until it is set again."""


class Graph(Protocol):
    """A compiled model, to which there can be weak references."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The inputs, by index, in the layout in which a guest gives them."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The outputs, by index."""

    @property
    def remark(self) -> str:
        """How it came to be, for the operator: a few words."""

    def request(self) -> Request:
        """Return a new, independent request."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the backend's; `problem` says why it cannot be used, and is None when it can."""

    name: str
    full_name: str
    capabilities: tuple[str, ...]
    problem: str | None


@dataclass(frozen=True, slots=True)
class Description:
    """What a model takes and gives, by index; a port without a name has the name `""`."""

    inputs: tuple[Port, ...]
    input_names: tuple[str, ...]
    outputs: tuple[Port, ...]
    output_names: tuple[str, ...]


class Describer(Protocol):
    """A backend that can tell of a model without compiling it."""

    def describe(self, path: Path) -> Description:
        """Return what the model at `path`, which the operator chose, takes and gives; NnError if not."""


class Backend(Protocol):
    """Something that compiles models."""

    def load(self, builders: tuple[bytes, ...], format_: Format, options: ModelOptions) -> Graph:
        """Compile a guest's bytes, already checked by `host.formats`; NnError when it cannot.

        The bytes are hostile: they must never reach an interface that takes them for a path.
        """

    def load_path(self, path: Path, files: tuple[Path, ...], options: ModelOptions) -> Graph:
        """Compile the model file at `path`, which the operator chose; NnError when it cannot.

        `files` are all that the model consists of, itself first.
        """

    def devices(self) -> tuple[Device, ...]:
        """Return the devices there are, and those of the usual kinds that are not there, with the reason."""
