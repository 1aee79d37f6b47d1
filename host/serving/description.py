"""What a service takes and gives: the tensors of a guest, as its author wrote them down, and their bytes.

docs/serve.md has the form of the file. Knows neither Triton nor numpy.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BYTES: Final = "BYTES"
"""The protocol's data type of strings of bytes."""

DATATYPES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4,
        "INT64": 8, "FP16": 2, "FP32": 4, "FP64": 8,
    }
)  # fmt: skip
"""The protocol's data types of numbers that a tensor may have, and the bytes of an element."""

ANY: Final = -1
"""The length of a dimension that may be any."""

Shape: TypeAlias = tuple[int, ...]

_KEYS: Final = ("inputs", "outputs")
_MEMBERS: Final = ("name", "datatype", "shape")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,199}", re.ASCII)
_LENGTH_MOST: Final = (1 << 31) - 1
_RANK_MOST: Final = 31
"""One less than numpy may have, for the rows."""


class DescriptionError(Exception):
    """A description that cannot be, or bytes that are not what it says; the message is one line."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of one record: its name, its data type as the protocol has it, and its shape."""

    name: str
    datatype: str
    shape: Shape

    @property
    def is_bytes(self) -> bool:
        """Whether it is a string of bytes, and not numbers."""
        return self.datatype == BYTES

    @property
    def least_bytes(self) -> int:
        """How many bytes it has, with a dimension of ANY length counted as one."""
        return DATATYPES[self.datatype] * prod(each for each in self.shape if each != ANY)


@dataclass(frozen=True, slots=True)
class Description:
    """The tensors of a record and of its answer, in the order in which their bytes follow each other."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def fixed_bytes(self) -> int:
        """How many bytes those outputs have whose size is the same in each answer."""
        return sum(each.least_bytes for each in self.outputs if not each.is_bytes and ANY not in each.shape)

    def split(self, answer: bytes) -> list[tuple[Shape, bytes]]:
        """Return the shape and the bytes of each output in an answer.

        DescriptionError when it has not as many bytes as they do.
        """
        if self.outputs[0].is_bytes:
            return [((1,), answer)]
        found, at = [], 0
        for tensor in self.outputs:
            shape, size = tensor.shape, tensor.least_bytes
            if ANY in shape:  # it has what the others leave
                length = (len(answer) - self.fixed_bytes) // size
                shape = tuple(length if each == ANY else each for each in shape)
                size *= length
            found.append((shape, answer[at : at + size]))
            at += size
        if at != len(answer) or any(length < 0 for shape, _ in found for length in shape):
            raise DescriptionError(f"the guest answered with {len(answer)} bytes, {self._wanted()}")
        return found

    def _wanted(self) -> str:
        least = sum(each.least_bytes for each in self.outputs)
        open_ = next((each for each in self.outputs if ANY in each.shape), None)
        if open_ is None:
            return f"and its outputs have {least}"
        others = f", after {self.fixed_bytes} for the others" if self.fixed_bytes else ""
        return f"no whole rows of its output `{open_.name}`, of {open_.least_bytes} bytes each{others}"


AS_BYTES: Final = Description((Tensor("record", BYTES, (1,)),), (Tensor("answer", BYTES, (1,)),))
"""Of a guest that is not described: a record and its answer as they are."""


def read(path: Path) -> Description:
    """Return the description in a TOML file; DescriptionError, which names the file and the place in it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DescriptionError(f"`{path}` cannot be read: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or not TOML; then it tells the line
        raise DescriptionError(f"`{path}` is not TOML: {error}") from error
    except RecursionError as error:
        raise DescriptionError(f"`{path}` is nested too deep") from error
    try:
        return from_tables(content)
    except DescriptionError as error:
        raise DescriptionError(f"`{path}`: {error}") from error


def from_tables(content: Mapping[str, object]) -> Description:
    """Return the description in `inputs` and `outputs`, each a list of tables; DescriptionError."""
    for key in content:
        if key not in _KEYS:
            raise DescriptionError(f"there is no `{key}`, only [[inputs]] and [[outputs]]")
    inputs, outputs = (_tensors(key, content.get(key)) for key in _KEYS)
    if len(inputs) > 1 and any(ANY in each.shape for each in inputs):
        raise DescriptionError(
            f"with more than one input a length of {ANY} cannot be: the guest gets bytes end to end"
        )
    if sum(each.shape.count(ANY) for each in outputs) > 1:
        raise DescriptionError(f"one length of {ANY} in all outputs is the most: an answer has only one size")
    return Description(inputs, outputs)


def to_tables(description: Description) -> dict[str, object]:
    """Return what `from_tables` makes the description of."""
    return {
        key: [{member: getattr(each, member) for member in _MEMBERS} for each in getattr(description, key)]
        for key in _KEYS
    }


def _tensors(key: str, tables: object) -> tuple[Tensor, ...]:
    if not isinstance(tables, list) or not tables:
        raise DescriptionError(f"there is no [[{key}]], of which there has to be one at least")
    found = tuple(_tensor(f"[[{key}]] number {at}", table) for at, table in enumerate(tables, 1))
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise DescriptionError(f"two [[{key}]] are named `{name}`")
    if len(found) > 1 and any(each.is_bytes for each in found):
        raise DescriptionError(f"[[{key}]]: a tensor of {BYTES} is alone, it is the whole of the bytes")
    return found


def _tensor(where: str, table: object) -> Tensor:
    if not isinstance(table, dict):
        raise DescriptionError(f"{where} is not a table")
    for key in table:
        if key not in _MEMBERS:
            raise DescriptionError(f"{where} has `{key}`, and there are only {', '.join(_MEMBERS)}")
    for key in _MEMBERS:
        if key not in table:
            raise DescriptionError(f"{where} has no `{key}`")
    name, datatype = table["name"], table["datatype"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DescriptionError(f"{where}: a `name` is letters, digits and _.:/- and begins with no sign")
    if not isinstance(datatype, str) or datatype not in {BYTES, *DATATYPES}:
        raise DescriptionError(f"{where}, `{name}`: a `datatype` is one of {BYTES}, {', '.join(DATATYPES)}")
    shape = _shape(f"{where}, `{name}`", table["shape"])
    if datatype == BYTES and shape != (1,):
        raise DescriptionError(f"{where}, `{name}`: the `shape` of {BYTES} is [1], one string")
    return Tensor(name, datatype, shape)


def _shape(where: str, value: object) -> tuple[int, ...]:
    wanted = f"a `shape` is a list of lengths from 1 on, one of which may be {ANY} for any"
    if not isinstance(value, list | tuple) or not 0 < len(value) <= _RANK_MOST or value.count(ANY) > 1:
        raise DescriptionError(f"{where}: {wanted}")
    for length in value:
        if type(length) is not int or not (length == ANY or 0 < length <= _LENGTH_MOST):
            raise DescriptionError(f"{where}: {wanted}")
    if prod(length for length in value if length != ANY) > _LENGTH_MOST:
        raise DescriptionError(f"{where}: the `shape` has more elements than a guest has memory")
    return tuple(value)
