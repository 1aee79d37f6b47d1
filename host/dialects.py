"""Which epoch or dialect of the interface a guest speaks: its numbers to the current ones, errors back.

The tables are `host.abi.EPOCHS`, so no number is typed here; nothing here reads memory or loads a model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
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
_EPOCHS: Final = MappingProxyType({name: name for name in EPOCHS} | dict(_SHORT))
CHOICES: Final = (AUTO, *_EPOCHS)
"""What `--abi` takes: `auto`, or the epoch or dialect to hold a guest to.

A year is the epoch of that year that bindings were made of.
"""

LEGACY: Final = "wamr-legacy"
"""The dialect of the one module that is not `host.abi.MODULE`."""

_LIKELIEST: Final = (_CURRENT, "2022", "wit", "wasmedge", "2021-12")
"""Where `auto` looks, in this order, for an epoch in which a number fits the bytes it comes with."""

_SAID_MOST: Final = 32
"""How many lines of its own a guest can bring onto the operator's screen with ever new numbers."""

_FITS_ANY_MODEL: Final = "autodetect"
_ANY_TARGET: Final = "auto"

ELEMENT_BYTES: Final = MappingProxyType(
    {"f16": 2, "bf16": 2, "f32": 4, "f64": 8, "u8": 1, "i32": 4, "i64": 8}
)
"""The size of one element in bytes, by the interface's name of its type."""

E = TypeVar("E", bound="IntEnum")


@dataclass(slots=True)
class Dialect:
    """How one guest numbers things; `auto` finds out call by call and tells `warn` once per finding.

    `warn` also hears, once for each number, of what fits no dialect, or only one the guest is not held to.
    """

    choice: str = AUTO
    warn: Callable[[str], None] = field(default=lambda _: None)
    _module: str = MODULE
    _errnos: str = _CURRENT
    _said: set[str] = field(default_factory=set)

    def enter(self, module: str) -> None:
        """Hear of a call to a function of `module`: those of the legacy one speak the legacy dialect."""
        self._module = module
        if module != MODULE and self.choice != LEGACY:
            self._tell(
                module,
                f"the guest calls functions of module `{module}`: they speak the {LEGACY} dialect, "
                f"which has other signatures, whatever `--abi` says of `{MODULE}`",
            )

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
            reason = _unknown("tensor_type", value, choice, name)
            raise self.mismatch(Condition.BAD_TENSOR_TYPE, f"tensor type {value}", reason)
        if choice != self._default():
            each = f"{size // elements} byte{'s' * (size != elements)}"
            self._say(f"tensor type {value} with {each} an element is `{name}`", choice)
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
            is_foreign = name is not None or (self._infers() and _elsewhere("graph_encoding", value))
            raise self.mismatch(
                Condition.ENCODING_NOT_SERVED if is_foreign else Condition.BAD_ENCODING,
                f"encoding {value}",
                _unknown("graph_encoding", value, choice, name),
            )
        if choice != self._default():
            if _proves_errnos("graph_encoding", value, name):
                self._errnos = choice
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
            reason = _unknown("execution_target", value, choice, name)
            raise self.mismatch(Condition.BAD_TARGET, f"target {value}", reason)
        if choice != self._default():
            self._say(f"target {value} is `{name}`", choice)
        return found

    def nn_errno(self, errno: NnErrno) -> int:
        """Return the number a guest knows an error by, or that of a more general error that it knows.

        Under `auto` it is today's number, unless the guest gave an encoding that only a dialect with other
        numbers has, and the model agreed: what fits a tensor fits several tables of errors.
        """
        choice = self._errnos if self._infers() else self._default()
        known = EPOCHS[_EPOCHS[choice]].values["nn_errno"]
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

    def mismatch(self, condition: Condition, finding: str, reason: str) -> NnError:
        """Return the error of a number that cannot be right, having told of it once for each `finding`."""
        self._tell(finding, f"hint: {reason}")
        return NnError(condition, reason)

    def _infers(self) -> bool:
        return self.choice == AUTO and self._module == MODULE

    def _default(self) -> str:
        if self._module != MODULE:
            return LEGACY
        return _CURRENT if self.choice == AUTO else self.choice

    def _meaning(self, kind: str, value: int, fits: Callable[[str], bool]) -> tuple[str, str | None]:
        """Return a dialect and the name a number has in it: under `auto` the likeliest one that `fits`."""
        for choice in _LIKELIEST if self._infers() else ():
            name = _names(choice, kind).get(value)
            if name is not None and fits(name):
                return choice, name
        return self._default(), _names(self._default(), kind).get(value)

    def _say(self, finding: str, choice: str) -> None:
        errors = ", errors too" if choice == self._errnos else ""
        self._tell(
            finding,
            f"{finding} in the {choice} dialect, and taken as that{errors} (`--abi {choice}` makes it sure)",
        )

    def _tell(self, finding: str, text: str) -> None:
        if finding not in self._said and len(self._said) < _SAID_MOST:
            self._said.add(finding)
            self.warn(text)


def _fits(name: str, elements: int, size: int) -> bool:
    return elements > 0 and ELEMENT_BYTES[name] * elements == size


def _names(choice: str, kind: str) -> Mapping[int, str]:
    values = EPOCHS[_EPOCHS[choice]].values[kind]
    return {number: name for name, number in values.items()}


def _proves_errnos(kind: str, value: int, name: str | None) -> bool:
    """Return whether all epochs that know `name` by `value` number errors alike."""
    knowing = [e for e in EPOCHS.values() if e.module == MODULE and e.values[kind].get(name or "") == value]
    tables = [epoch.values["nn_errno"] for epoch in knowing]
    return all(table == other for table, other in pairwise(tables))


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
