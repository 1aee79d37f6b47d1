"""Wasmtime's library, that of the package `wasmtime`: found, loaded without it, its failures made exceptions.

To import the package takes 60 ms, a quarter of a small run. What the library's objects do is in
`host.wasmtime_objects`; what of it can be called, in `host.wasmtime_cdef`.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from host import wasmtime_ffi

if TYPE_CHECKING:
    from collections.abc import Callable

CData: TypeAlias = Any
"""What cffi makes: a pointer, an array, a library. It has the members that the C type has."""

ffi: Final[CData] = wasmtime_ffi.ffi

COMPARED: Final = frozenset({"48", "49", "50"})
"""Major versions of the package that declare all as it is here; others are compared at start."""

_PACKAGE: Final = "wasmtime"
_LIBRARIES: Final = ("*/_libwasmtime.so", "*/_libwasmtime.dylib", "*/_wasmtime.dll")


class WasmtimeMismatchError(Exception):
    """The installed Wasmtime is not one this host was made for; the message is one line."""


class WasmtimeError(Exception):
    """Wasmtime refused, or a guest failed in a way that is no trap; the message has a line per cause."""


class Trap(Exception):  # noqa: N818 - WebAssembly's word
    """A guest's code was ended; `code` says by what where Wasmtime knows, `function` where it was."""

    def __init__(self, message: str, code: int | None, function: str | None) -> None:
        super().__init__(message)
        self.code = code
        self.function = function


@cache
def library() -> CData:
    """Return Wasmtime's library, loaded once.

    Raises:
        WasmtimeMismatchError: there is none, it lacks a function, or its functions take something else.
    """
    path = find()
    try:
        lib = ffi.dlopen(str(path))
    except OSError as error:
        raise WasmtimeMismatchError(
            f"the library of the package `wasmtime` does not load: {error}"
        ) from error
    for name in dir(lib):
        try:
            getattr(lib, name)
        except (AttributeError, ffi.error) as error:
            raise WasmtimeMismatchError(
                f"the package `wasmtime` has no `{name}`: this host was made for another version"
            ) from error
    if _major(path) not in COMPARED:
        from host import wasmtime_check  # noqa: PLC0415 - imports the package

        problem = wasmtime_check.difference(lib)
        if problem:
            raise WasmtimeMismatchError(
                f"the package `wasmtime` has other {problem}: this host was made for another version"
            )
    return lib


def find() -> Path:
    """Return where the library is; WasmtimeMismatchError when the package is not installed."""
    spec = find_spec(_PACKAGE)  # finds it, and imports nothing
    for folder in (spec and spec.submodule_search_locations) or ():
        for pattern in _LIBRARIES:
            found = sorted(Path(folder).glob(pattern))
            if found:
                return found[-1]
    raise WasmtimeMismatchError("the package `wasmtime` is not installed, or has no library for this machine")


@cache
def build() -> str:
    """Return what tells this build of Wasmtime from others, without reading its many megabytes."""
    status = find().stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _major(library: Path) -> str:
    """Return the package's major version by what it is installed as; `""` when that is not to be seen."""
    found = [path.name for path in library.parents[2].glob(f"{_PACKAGE}-*.dist-info")]
    return found[0].removeprefix(f"{_PACKAGE}-").partition(".")[0] if len(found) == 1 else ""


def owned(pointer: CData, delete: Callable[[CData], None]) -> CData:
    """Return `pointer`, for `delete` to get when nobody has it any more, or at `release`."""
    return ffi.gc(pointer, delete)


def words(*texts: str) -> tuple[bytes | int, ...]:
    """Return each text as C takes it: its bytes, and how many."""
    return tuple(word for data in map(str.encode, texts) for word in (data, len(data)))


def bytes_of(vector: CData) -> bytes:
    """Return what is in a `wasm_byte_vec_t *`."""
    return bytes(ffi.buffer(vector.data, vector.size)) if vector.size else b""


def bytes_from(function: Callable[..., Any], *arguments: object) -> bytes:
    """Return the bytes that `function` puts into its last parameter; WasmtimeError when it says so."""
    vector = ffi.new("wasm_byte_vec_t *")
    check(function(*arguments, vector))
    try:
        return bytes_of(vector)
    finally:
        library().wasm_byte_vec_delete(vector)


def check(error: CData) -> None:
    """Raise what an error of Wasmtime's says, if there is one, which it deletes."""
    if error:
        lib = library()
        try:
            raise WasmtimeError(bytes_from(lib.wasmtime_error_message, error).decode(errors="replace"))
        finally:
            lib.wasmtime_error_delete(error)


def check_trap(place: CData) -> None:
    """Raise the trap in a `wasm_trap_t **`, if there is one, which it deletes."""
    trap = place[0]
    if trap:
        place[0] = ffi.NULL
        lib = library()
        try:
            raise Trap(
                bytes_from(lib.wasm_trap_message, trap).rstrip(b"\0").decode(errors="replace"),
                _trap_code(lib, trap),
                _top_function(lib, trap),
            )
        finally:
            lib.wasm_trap_delete(trap)


def _trap_code(lib: CData, trap: CData) -> int | None:
    code = ffi.new("uint8_t *")
    return int(code[0]) if lib.wasmtime_trap_code(trap, code) else None


def _top_function(lib: CData, trap: CData) -> str | None:
    """Return what the innermost function of the guest is called; None when none was running."""
    frames = ffi.new("wasm_frame_vec_t *")
    lib.wasm_trap_trace(trap, frames)
    try:
        if not frames.size:
            return None
        name = lib.wasmtime_frame_func_name(frames.data[0])
        if name:
            return f"`{bytes_of(name).decode(errors='replace')}`"
        return f"function {lib.wasm_frame_func_index(frames.data[0])}"
    finally:
        lib.wasm_frame_vec_delete(frames)
