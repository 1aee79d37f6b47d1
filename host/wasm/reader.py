"""Read numbers, names and sections of a WebAssembly binary, bounded; knows no section's meaning.

The bytes are hostile: every length is checked before it is used, the number of items in a file has a cap, and
nothing recurses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from host.wasm.header import WasmError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_ITEMS: Final = 500_000
"""How many types, imports, exports and so on are read of one file: a few seconds of reading."""

MOST_NAME: Final = 100_000
"""The longest name in bytes: what engines allow."""

_U32_BITS: Final = 32
_LEB_BITS: Final = 7
_LEB_MORE: Final = 1 << _LEB_BITS


@dataclass(frozen=True, slots=True)
class Section:
    """A section whose bytes matter: `name` is that of a custom one, or `data`; `offset` is in the file."""

    name: str
    offset: int
    data: memoryview


@dataclass(slots=True)
class Reader:
    """A place in the binary; nothing from `end` on is read, `budget` has a number for each item to come."""

    code: memoryview
    at: int
    end: int = -1
    budget: Iterator[int] = field(default_factory=lambda: iter(range(MOST_ITEMS)))

    def __post_init__(self) -> None:
        self.end = len(self.code) if self.end < 0 else self.end

    def fail(self, problem: str, at: int | None = None) -> WasmError:
        """Return the error for a problem at `at`, or here."""
        return WasmError(f"{problem} at byte {self.at if at is None else at}")

    def take(self, length: int, what: str) -> memoryview:
        """Return the next `length` bytes."""
        if length > self.end - self.at:
            raise self.fail(f"{what} of {length} bytes where {self.end - self.at} are left")
        self.at += length
        return self.code[self.at - length : self.at]

    def inner(self, length: int, what: str) -> Reader:
        """Return a reader of the next `length` bytes, and go past them."""
        self.take(length, what)
        return Reader(self.code, self.at - length, self.at, self.budget)

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1, "a byte")[0]

    def unsigned(self, bits: int = _U32_BITS) -> int:
        """Return the next LEB128 number, of at most `bits` bits in at most as many bytes as they need."""
        start = self.at
        value = 0
        for shift in range(0, bits, _LEB_BITS):
            byte = self.byte()
            value |= (byte % _LEB_MORE) << shift
            if byte < _LEB_MORE:
                if value >> bits:
                    raise self.fail(f"a number of more than {bits} bits", start)
                return value
        raise self.fail("a number that does not end", start)

    def items(self) -> Iterator[int]:
        """Read a count, and yield that many numbers; each item is a byte or more, and there is a cap."""
        start = self.at
        count = self.unsigned()
        if count > self.end - self.at:
            raise self.fail(f"{count} items where {self.end - self.at} bytes are left", start)
        for number in range(count):
            if next(self.budget, None) is None:
                raise self.fail(f"more than {MOST_ITEMS} items in the file")
            yield number

    def name(self) -> str:
        """Return the next name."""
        start = self.at
        length = self.unsigned()
        if length > MOST_NAME:
            raise self.fail(f"a name of {length} bytes; {MOST_NAME} is the most", start)
        try:
            return bytes(self.take(length, "a name")).decode()
        except UnicodeDecodeError:
            raise self.fail("a name that is not UTF-8", start) from None

    def sections(self) -> Iterator[tuple[int, Reader]]:
        """Yield the number and the body of each section up to the end."""
        while self.at < self.end:
            if next(self.budget, None) is None:
                raise self.fail(f"more than {MOST_ITEMS} items in the file")
            number = self.byte()
            yield number, self.inner(self.unsigned(), f"section {number}")


def custom(body: Reader) -> Section:
    """Return the custom section that `body` is."""
    name = body.name()
    return Section(name, body.at, body.code[body.at : body.end])
