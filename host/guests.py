"""Read a guest's file and say, before anything runs, why it cannot be run here and what to do about it."""

from __future__ import annotations

import re
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.job import BadGuestError
from host.wasm import header as wasm
from host.wasm.header import WasmError
from host.wasmtime_c import WasmtimeError
from host.wasmtime_objects import Engine, Linker, Module, Store, wat2wasm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

START: Final = "_start"
REACTOR_START: Final = "_initialize"
ALLOC: Final = "wasi_nn_alloc"
MAP: Final = "wasi_nn_map"
REACTOR: Final = MappingProxyType(
    {
        ALLOC: wasm.signature(["i32"], ["i32"]),
        MAP: wasm.signature(["i32", "i32"], ["i32"]),
        "memory": "memory",
    }
)
"""The exports of a guest that answers records, and their types; it may have `_initialize` too."""

COMPONENT: Final = (
    "is a component, and this host runs core modules: build for wasm32-wasip1, not wasip2 "
    "(with a component-making toolchain, take the core module from before that step)"
)
"""Why a component cannot be run."""

_TEXT: Final = re.compile(rb"\s*(\(\s*(module|component)\b|;;|\(;)")
"""How text begins; no model does."""

_BINARY_SUFFIX: Final = ".wasm"
_TEXT_SUFFIX: Final = ".wat"


def compiled(path: Path, code: bytes, engine: Engine) -> Module:
    """Return the module in `code`, a binary, compiled; `path` is what the guest is called in messages."""
    try:
        if wasm.is_component(code):
            raise BadGuestError(f"guest `{path}` {COMPONENT}")
        return Module(engine, code)
    except WasmError as error:
        raise BadGuestError(f"guest `{path}` {error}") from error
    except WasmtimeError as error:
        raise BadGuestError(f"guest `{path}` does not compile: {one_line(str(error))}") from error


def read_code(path: Path) -> bytes:
    """Return the bytes of the guest in the file at `path`, as a binary even if the file is text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadGuestError(f"cannot read guest `{path}`: {error.strerror}") from error
    return as_binary(path, data)


def is_like_a_guest(path: Path, head: bytes) -> bool:
    """Return whether to take a file for a guest: by its first bytes, or else by its name."""
    return (
        head.startswith(wasm.MAGIC)
        or path.suffix.lower() in {_BINARY_SUFFIX, _TEXT_SUFFIX}
        or _TEXT.match(head) is not None
    )


def as_binary(path: Path, data: bytes) -> bytes:
    """Return the guest in `data`, binary or text, as a binary; `path` is what it is called.

    What is neither is returned as it is. BadGuestError for text that is named as a binary, or is wrong.
    """
    if data.startswith(wasm.MAGIC):
        return data
    is_text = _TEXT.match(data) is not None
    suffix = path.suffix.lower()
    if is_text and suffix == _BINARY_SUFFIX:
        raise BadGuestError(
            f"guest `{path}` is not WebAssembly but text: give it a name that ends in `{_TEXT_SUFFIX}`"
        )
    if not is_text and suffix != _TEXT_SUFFIX:
        return data
    try:
        return wat2wasm(data)
    except WasmtimeError as error:
        raise BadGuestError(f"guest `{path}` does not compile: {one_line(str(error))}") from error


def check_start(path: Path, module: Module) -> None:
    """Raise BadGuestError unless the module is a command or answers records."""
    if not is_reactor(exports_of(module)):
        check_command(path, module)


def check_command(path: Path, module: Module) -> None:
    """Raise BadGuestError unless the module exports a `_start` that takes and returns nothing."""
    problem = start_problem(exports_of(module))
    if problem:
        raise BadGuestError(f"guest `{path}` {problem}")


def is_reactor(exports: Mapping[str, str]) -> bool:
    """Return whether a guest with these exports (name to type) answers records: docs/map.md has how."""
    return START not in exports and exports.items() >= REACTOR.items()


def exports_of(module: Module) -> dict[str, str]:
    """Return the exports of a module: name to type, as `host.wasm.module.Export` has it."""
    return module.exports()


def start_problem(exports: Mapping[str, str]) -> str | None:
    """Return why a guest with these exports (name to type) cannot be started; None when it can."""
    start = exports.get(START)
    if start == wasm.signature((), ()):
        return None
    if start is not None:
        return f"has a `{START}` that is not a function without parameters and results"
    if is_reactor(exports):
        return "answers records and does nothing by itself: give it some with `python -m host map`"
    if MAP in exports:
        wanted = ", ".join(f"`{name}`: {kind}" for name, kind in REACTOR.items())
        return f"exports `{MAP}` but not all that makes a guest for records, which is {wanted}"
    if REACTOR_START in exports:
        return (
            f"is a WASI reactor (it exports `{REACTOR_START}`, not `{START}`): "
            "it is a library; build it as a command, with a `main` and without `-mexec-model=reactor`"
        )
    return (
        f"has no `{START}`: give it a `main` and link it as a WASI command "
        "(target wasm32-wasip1, no `-nostartfiles`, no `--no-entry`; in Rust a binary crate, not a cdylib)"
    )


def check_imports(path: Path, module: Module, linker: Linker, store: Store) -> None:
    """Raise BadGuestError when `linker` does not provide all imports; its details name each that it lacks."""
    from host import imports  # noqa: PLC0415 - what follows is for guests that cannot be run
    from host.wasm.module import Import  # noqa: PLC0415 - see above

    wanted = [Import(*item) for item in module.imports()]
    found = imports.unmet(wanted, provided(linker, store))
    if found:
        problem = f"guest `{path}` cannot be linked: {imports.summary(found)}"
        raise BadGuestError(problem, imports.lines(found))


def provided(linker: Linker, store: Store) -> Callable[[str, str], str | None]:
    """Return what gives the type that (module, name) has in `linker`, or None."""
    return partial(linker.type_of, store)


def one_line(text: str) -> str:
    """Return a message of wasmtime's, which has a line per cause, as one line."""
    lines = (line.strip() for line in text.splitlines())
    causes = (head if not rest or not number.isdigit() else rest for head, number, rest in map(_split, lines))
    return ": ".join(cause.rstrip(":") for cause in causes if cause and cause != "Caused by:")


def _split(line: str) -> tuple[str, str, str]:
    number, _, rest = line.partition(": ")
    return line, number, rest
