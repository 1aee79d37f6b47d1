"""Bounds-checked, copying access to a guest's memory; knows no wasi-nn and keeps nothing between calls."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wasmtime import Caller, Memory, Store

U32: Final = Struct("<I")
U32_MASK: Final = 0xFFFF_FFFF


class OutsideMemoryError(Exception):
    """A range that is not wholly inside the guest's memory."""


def u32(value: int) -> int:
    """Return the u32 that a core wasm i32 stands for: wasmtime hands i32 over as a signed number."""
    return value & U32_MASK


@dataclass(frozen=True, slots=True)
class GuestMemory:
    """The guest's memory for the length of one host call.

    Its size and address are asked for on every access: memory grows, and may move when it does.
    """

    memory: Memory
    store: Store | Caller

    def check(self, ptr: int, length: int, what: str) -> None:
        """Raise OutsideMemoryError unless `length` bytes at `ptr`, both unsigned, are inside."""
        size = self.memory.data_len(self.store)
        if ptr < 0 or length < 0 or ptr + length > size:
            raise OutsideMemoryError(f"`{what}`: {length} bytes at {ptr:#x} leave the memory of {size} bytes")

    def read(self, ptr: int, length: int, what: str) -> bytes:
        """Return a copy of `length` bytes at `ptr`; OutsideMemoryError when they are not all inside."""
        self.check(ptr, length, what)
        return bytes(self._view()[ptr : ptr + length]) if length else b""

    def write(self, ptr: int, data: bytes, what: str) -> None:
        """Copy `data` to `ptr`; OutsideMemoryError, and nothing written, when it does not all fit."""
        self.check(ptr, len(data), what)
        if data:
            self._view()[ptr : ptr + len(data)] = data

    def write_u32(self, ptr: int, value: int, what: str) -> None:
        """Write `value` as four little-endian bytes at `ptr`, aligned or not."""
        self.write(ptr, U32.pack(value), what)

    def _view(self) -> memoryview:
        # Not `Memory.read`: it truncates what is out of range and counts negative starts from the end.
        return memoryview(self.memory.get_buffer_ptr(self.store)).cast("B")
