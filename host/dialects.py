"""Which epoch or dialect of the interface a guest speaks: its numbers to the current ones, errors back.

The tables are `host.abi.EPOCHS`, so no number is typed here; nothing here reads memory or loads a model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from host.abi import EPOCHS, MODULE, ExecutionTarget, GraphEncoding, NnErrno, TensorType
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import IntEnum

AUTO: Final = "auto"
_CURRENT: Final = "current"
_SHORT: Final = MappingProxyType({"2021": "2021-02", "2022": "2022-10", "2023-08": "2023-08-14"})
_EPOCHS: Final = MappingProxyType(
    {name: name for name, epoch in EPOCHS.items() if epoch.module == MODULE} | dict(_SHORT)
)
CHOICES: Final = (AUTO, *_EPOCHS)
"""What `--abi` takes: `auto`, or the epoch or dialect to hold a guest to.

A year is the epoch of that year that bindings were made of. A dialect with another module has other
signatures too, and is not served.
"""

_LIKELIEST: Final = (_CURRENT, "2022", "wit", "wasmedge", "2021-12")
"""Where `auto` looks, in this order, for an epoch in which a number fits the bytes it comes with."""

_FITS_ANY_MODEL: Final = "autodetect"
_ANY_TARGET: Final = "auto"

ELEMENT_BYTES: Final = MappingProxyType(
    {"f16": 2, "bf16": 2, "f32": 4, "f64": 8, "u8": 1, "i32": 4, "i64": 8}
)
"""The size of one element in bytes, by the interface's name of its type."""

E = TypeVar("E", bound="IntEnum")


@dataclass(slots=True)
class Dialect:
    """How one guest numbers things; `auto` finds out call by call and tells `warn` once per finding."""

    choice: str = AUTO
    warn: Callable[[str], None] = field(default=lambda _: None)
    _said: set[str] = field(default_factory=set)

    def tensor_type(self, value: int, dimensions: tuple[int, ...], size: int) -> TensorType:
        """Return the element type that a guest's number stands for.

        Args:
            value: the number in the tensor.
            dimensions: the tensor's shape.
            size: how many bytes the guest gave; `auto` takes the epoch in which they are as many as needed.
                Without elements any type fits, and the number means what it does today.

        Raises:
            NnError: BAD_TENSOR_TYPE when the number stands for no type that the host has.
        """
        elements = math.prod(dimensions)
        choice, name = self._meaning("tensor_type", value, lambda name: _fits(name, elements, size))
        found = _member(TensorType, name)
        if found is None:
            raise NnError(Condition.BAD_TENSOR_TYPE, _unknown("tensor_type", value, choice, name))
        if choice != self._default():
            self._say(f"tensor type {value} with {size // elements} bytes an element is `{name}`", choice)
        return found

    def graph_encoding(self, value: int, sniffed: str | None) -> GraphEncoding:
        """Return the encoding that a guest's number stands for.

        Args:
            value: the number given to `load`.
            sniffed: the encoding that the bytes look like, if any; `auto` takes the epoch that agrees.

        Raises:
            NnError: BAD_ENCODING when the number stands for nothing, ENCODING_NOT_SERVED when it stands for
                an encoding that only other hosts have.
        """
        agrees = {sniffed, _FITS_ANY_MODEL} if sniffed else set()
        choice, name = self._meaning("graph_encoding", value, agrees.__contains__)
        found = _member(GraphEncoding, name)
        if found is None:
            is_foreign = name is not None or (self.choice == AUTO and _elsewhere("graph_encoding", value))
            raise NnError(
                Condition.ENCODING_NOT_SERVED if is_foreign else Condition.BAD_ENCODING,
                _unknown("graph_encoding", value, choice, name),
            )
        if choice != self._default():
            self._say(f"encoding {value} with a model of {sniffed} is `{name}`", choice)
        return found

    def execution_target(self, value: int) -> ExecutionTarget:
        """Return the target that a guest's number stands for; the CPU where any will do.

        Raises:
            NnError: BAD_TARGET when the number stands for nothing.
        """
        choice, name = self._meaning("execution_target", value, lambda _: True)
        found = ExecutionTarget.CPU if name == _ANY_TARGET else _member(ExecutionTarget, name)
        if found is None:
            raise NnError(Condition.BAD_TARGET, _unknown("execution_target", value, choice, name))
        if choice != self._default():
            self._say(f"target {value} is `{name}`", choice)
        return found

    def nn_errno(self, errno: NnErrno) -> int:
        """Return the number a guest knows an error by, or that of a more general error that it knows."""
        known = EPOCHS[_EPOCHS[self._default()]].values["nn_errno"]
        general = known.get("runtime_error", known["invalid_argument"])
        return known.get(errno.name.lower(), general)

    def hint(self, value: int, dimensions: tuple[int, ...], size: int) -> str:
        """Return what to add about a tensor whose bytes do not fit its type: a dialect in which they do."""
        elements = math.prod(dimensions)
        for choice in _LIKELIEST:
            name = _names(choice, "tensor_type").get(value)
            if name is not None and _fits(name, elements, size):
                return f", which fits `{name}` of the {choice} dialect: try `--abi {choice}`"
        each, rest = divmod(size, elements) if elements else (0, 1)
        return "" if rest else f" = {each} an element"

    def _default(self) -> str:
        return _CURRENT if self.choice == AUTO else self.choice

    def _meaning(self, kind: str, value: int, fits: Callable[[str], bool]) -> tuple[str, str | None]:
        """Return a dialect and the name a number has in it: under `auto` the likeliest one that `fits`."""
        for choice in _LIKELIEST if self.choice == AUTO else ():
            name = _names(choice, kind).get(value)
            if name is not None and fits(name):
                return choice, name
        return self._default(), _names(self._default(), kind).get(value)

    def _say(self, finding: str, choice: str) -> None:
        if finding not in self._said:
            self._said.add(finding)
            self.warn(
                f"{finding} in the {choice} dialect, and taken as that (`--abi {choice}` makes it sure)"
            )


def _fits(name: str, elements: int, size: int) -> bool:
    return elements > 0 and ELEMENT_BYTES[name] * elements == size


def _names(choice: str, kind: str) -> Mapping[int, str]:
    values = EPOCHS[_EPOCHS[choice]].values[kind]
    return {number: name for name, number in values.items()}


def _member(kind: type[E], name: str | None) -> E | None:
    """Return the current member of that name; other epochs have names that the current one lacks."""
    return next((member for member in kind if member.name.lower() == name), None)


def _elsewhere(kind: str, value: int) -> str:
    """Return what a number is in dialects that `auto` looks at, ready to be read."""
    found = {choice: _names(choice, kind).get(value) for choice in _LIKELIEST}
    return ", ".join(f"`{name}` in the {choice} dialect" for choice, name in found.items() if name)


def _unknown(kind: str, value: int, choice: str, name: str | None) -> str:
    if name is not None:
        return f"{kind} {value} is `{name}` in the {choice} dialect, and this host does not have it"
    known = ", ".join(f"{number} {name}" for number, name in sorted(_names(choice, kind).items()))
    elsewhere = _elsewhere(kind, value)
    return f"{kind} {value} is none of {known}" + (f"; it is {elsewhere}" if elsewhere else "")
