"""How WebAssembly binaries begin, and how the types of functions are told; all that a run needs of them.

The rest of the format is in `host.wasm.module` and `host.wasm.component`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC: Final = b"\0asm"
_CORE: Final = b"\x01\0\0\0"
_COMPONENT: Final = b"\x0d\0\x01\0"
HEADER_BYTES: Final = len(MAGIC) + len(_CORE)


class WasmError(Exception):
    """The bytes are not what a WebAssembly binary has there; the message names the place."""


def is_component(code: bytes) -> bool:
    """Return whether the header is that of a component, not of a core module; WasmError if it is neither."""
    magic, version = code[: len(MAGIC)], code[len(MAGIC) : HEADER_BYTES]
    if not code:
        raise WasmError("is empty")
    if magic != MAGIC:
        raise WasmError(f"is not WebAssembly: it starts with {magic.hex(' ')}, not {MAGIC.hex(' ')}")
    if version not in {_CORE, _COMPONENT}:
        raise WasmError(f"has version bytes {version.hex(' ') or 'cut off'}, not {_CORE.hex(' ')}")
    return version == _COMPONENT


def signature(params: Sequence[str], results: Sequence[str]) -> str:
    """Return a function's type as one line, such as `(i32, i32) -> i32`; `()` for nothing."""
    end = results[0] if len(results) == 1 else f"({', '.join(results)})"
    return f"({', '.join(params)}) -> {end}"
