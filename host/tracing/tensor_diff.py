"""How far two tensors of the same type are apart; knows no models and decides nothing but equality."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.abi import TensorType
from host.dialects import ELEMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class _Float:
    """A float type: its code in `struct`, and what rounding explains."""

    code: str
    tolerance: float


_FLOATS: Final[Mapping[str, _Float]] = MappingProxyType(
    {
        TensorType.F16.name.lower(): _Float("e", 2**-9),
        TensorType.F32.name.lower(): _Float("f", 1e-5),
        TensorType.F64.name.lower(): _Float("d", 1e-10),
    }
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two tensors of the same size differ.

    Attributes:
        elements: how many differ.
        of: how many there are.
        absolute: the largest difference; None when it is not finite, and for types that are not floats.
        relative: the same as a part of the largest magnitude in the first tensor; None as before, and when
            there is no such magnitude.
        ulp: how many steps from one value of the type to the next lie between two elements, at most; None
            for types that are not floats.
    """

    elements: int
    of: int
    absolute: float | None = None
    relative: float | None = None
    ulp: int | None = None

    def is_within(self, tolerance: float) -> bool:
        """Return whether no element is further off than `tolerance`, a part of the largest magnitude."""
        return self.relative is not None and self.relative <= tolerance

    def __str__(self) -> str:
        text = f"{self.elements} of {self.of} elements differ"
        if self.absolute is not None:
            text += f", at most by {self.absolute:.3g}"
        if self.relative is not None:
            text += f", {self.relative:.3g} of the largest"
        return text if self.ulp is None else f"{text}, {self.ulp} ulp"


def tolerance_of(type_name: str | None) -> float:
    """Return how far apart, as a part of the largest magnitude, elements of a type are by rounding alone."""
    known = _FLOATS.get(type_name or "")
    return known.tolerance if known else 0.0


def compare(was: bytes, now: bytes, type_name: str | None) -> Difference | None:
    """Return where two tensors of the same number of bytes differ; None when they are the same bytes.

    Both are little-endian, as in a guest's memory. Two NaN are the same, and 0 is -0, so a Difference may
    count no elements.
    """
    if was == now:
        return None
    known = _FLOATS.get(type_name or "")
    width = ELEMENT_BYTES.get(type_name or "", 1)
    if len(was) % width:  # no such tensor
        known, width = None, 1
    count = len(was) // width
    if known is None:
        starts = range(0, len(was), width)
        return Difference(sum(was[at : at + width] != now[at : at + width] for at in starts), count)
    return _floats(was, now, known.code)


def _floats(was: bytes, now: bytes, code: str) -> Difference:
    """Compare element by element and keep none of them: a tensor may be as large as memory allows."""
    item = struct.Struct(f"<{code}")
    width, count = item.size, len(was) // item.size
    elements = steps = 0
    gap = largest = 0.0
    is_finite = True
    pairs = zip(item.iter_unpack(was), item.iter_unpack(now), strict=True)
    for number, ((a,), (b,)) in enumerate(pairs):
        if math.isfinite(a):
            largest = max(largest, abs(a))
        if a == b or (math.isnan(a) and math.isnan(b)):
            continue
        elements += 1
        is_finite = is_finite and math.isfinite(a - b)
        gap = max(gap, abs(a - b))
        at = slice(number * width, (number + 1) * width)
        steps = max(steps, abs(_rank(was[at]) - _rank(now[at])))
    if not elements:
        return Difference(0, count, 0.0, 0.0, 0)
    absolute = gap if is_finite else None
    relative = absolute / largest if absolute is not None and largest else None
    return Difference(elements, count, absolute, relative, steps)


def _rank(data: bytes) -> int:
    """Return the place of a float among all of its type, with 0 for zero."""
    bits = int.from_bytes(data, "little")
    sign = 1 << (len(data) * 8 - 1)
    return bits if bits < sign else sign - bits
