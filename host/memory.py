"""Bounds-checked access to a guest's memory; knows no wasi-nn and keeps nothing between calls."""

from __future__ import annotations

from struct import Struct
from typing import Final

U32: Final = Struct("<I")
U32_MASK: Final = 0xFFFF_FFFF


class OutsideMemoryError(Exception):
    """A range that is not wholly inside the guest's memory."""


class GuestMemory:
    """The guest's memory for the length of one host call: after that it may have grown, and moved."""

    __slots__ = ("_bytes", "size")

    def __init__(self, bytes_: memoryview) -> None:
        """Give access to `bytes_`, all of it."""
        self._bytes = bytes_
        self.size = len(bytes_)

    def check(self, ptr: int, length: int, what: str) -> None:
        """Raise OutsideMemoryError unless `length` bytes at `ptr`, both unsigned, are inside."""
        if ptr < 0 or length < 0 or ptr + length > self.size:
            raise OutsideMemoryError(
                f"`{what}`: {length} bytes at {ptr:#x} leave the memory of {self.size} bytes"
            )

    def read(self, ptr: int, length: int, what: str) -> bytes:
        """Return a copy of `length` bytes at `ptr`; OutsideMemoryError when they are not all inside."""
        self.check(ptr, length, what)
        return bytes(self._bytes[ptr : ptr + length])

    def view(self, ptr: int, length: int, what: str) -> memoryview:
        """Return `length` bytes at `ptr` themselves; OutsideMemoryError when they are not all inside."""
        self.check(ptr, length, what)
        return self._bytes[ptr : ptr + length]

    def write(self, ptr: int, data: bytes, what: str) -> None:
        """Copy `data` to `ptr`; OutsideMemoryError, and nothing written, when it does not all fit."""
        self.check(ptr, len(data), what)
        self._bytes[ptr : ptr + len(data)] = data

    def write_u32(self, ptr: int, value: int, what: str) -> None:
        """Write `value` as four little-endian bytes at `ptr`, aligned or not."""
        self.write(ptr, U32.pack(value), what)
