"""Read a guest's file and say, before anything runs, why it cannot be run here and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wasmtime import Engine, FuncType, Linker, Module, Store, WasmtimeError, wat2wasm

from host import abi
from host.bindings import FUNCTIONS
from host.job import BadGuestError

if TYPE_CHECKING:
    from pathlib import Path

    from wasmtime import ImportType

_MAGIC: Final = b"\0asm"
_CORE: Final = b"\x01\0\0\0"
_COMPONENT: Final = b"\x0d\0\x01\0"
_IMPORTS_SHOWN: Final = 20
START: Final = "_start"
_REACTOR_START: Final = "_initialize"
_LEGACY_MODULE: Final = abi.EPOCHS["wamr-legacy"].module


def read(path: Path, engine: Engine) -> Module:
    """Return the compiled module in the file at `path` (binary, or text when its name ends in `.wat`)."""
    try:
        code = path.read_bytes()
    except OSError as error:
        raise BadGuestError(f"cannot read guest `{path}`: {error.strerror}") from error
    try:
        if path.suffix == ".wat":
            code = bytes(wat2wasm(code))
        _check_header(path, code)
        return Module(engine, code)
    except WasmtimeError as error:
        raise BadGuestError(f"guest `{path}` does not compile: {one_line(str(error))}") from error


def check_start(path: Path, module: Module) -> None:
    """Raise BadGuestError unless the module exports a `_start` that takes and returns nothing."""
    exports = {export.name: export.type for export in module.exports}
    start = exports.get(START)
    if isinstance(start, FuncType) and not start.params and not start.results:
        return
    if START in exports:
        raise BadGuestError(f"guest `{path}`: its `{START}` is not a function without parameters and results")
    if _REACTOR_START in exports:
        raise BadGuestError(
            f"guest `{path}` is a WASI reactor (it exports `{_REACTOR_START}`, not `{START}`): "
            "it is a library; build it as a command, with a `main` and without `-mexec-model=reactor`"
        )
    raise BadGuestError(
        f"guest `{path}` has no `{START}`: give it a `main` and link it as a WASI command "
        "(target wasm32-wasip1, no `-nostartfiles`, no `--no-entry`; in Rust a binary crate, not a cdylib)"
    )


def check_imports(path: Path, module: Module, linker: Linker, store: Store) -> None:
    """Raise BadGuestError, naming all of them, when the module has imports that `linker` does not provide."""
    missing = [(item.module, item.name or "") for item in module.imports if not _has(linker, store, item)]
    if not missing:
        return
    names = ", ".join(f"`{module}`.`{name}`" for module, name in missing[:_IMPORTS_SHOWN])
    if len(missing) > _IMPORTS_SHOWN:
        names += f" and {len(missing) - _IMPORTS_SHOWN} more"
    raise BadGuestError(f"guest `{path}` needs imports that this host has not: {names}; {_hint(missing)}")


def one_line(text: str) -> str:
    """Return a message of wasmtime's, which has a line per cause, as one line."""
    lines = (line.strip() for line in text.splitlines())
    causes = (head if not rest or not number.isdigit() else rest for head, number, rest in map(_split, lines))
    return ": ".join(cause.rstrip(":") for cause in causes if cause and cause != "Caused by:")


def _split(line: str) -> tuple[str, str, str]:
    number, _, rest = line.partition(": ")
    return line, number, rest


def _check_header(path: Path, code: bytes) -> None:
    magic, version = code[:4], code[4:8]
    if magic != _MAGIC:
        what = (
            "is empty"
            if not code
            else f"is not WebAssembly: it starts with {code[:4].hex(' ')}, not 00 61 73 6d"
        )
        raise BadGuestError(f"guest `{path}` {what}")
    if version == _COMPONENT:
        raise BadGuestError(
            f"guest `{path}` is a component, and this host runs core modules: build for wasm32-wasip1, "
            "not wasip2 (with a component-making toolchain, take the core module from before that step)"
        )
    if version != _CORE:
        raise BadGuestError(
            f"guest `{path}` has version bytes {version.hex(' ') or 'cut off'}, not 01 00 00 00"
        )


def _has(linker: Linker, store: Store, item: ImportType) -> bool:
    try:
        linker.get(store, item.module, item.name or "")
    except WasmtimeError:
        return False
    return True


def _hint(missing: list[tuple[str, str]]) -> str:
    modules = {module for module, _ in missing}
    if abi.MODULE in modules:
        has = ", ".join(function.name for function in FUNCTIONS)
        return f"of `{abi.MODULE}` it has {has}"
    if _LEGACY_MODULE in modules:
        return f"`{_LEGACY_MODULE}` is WAMR's interface from before `{abi.MODULE}`: build against the latter"
    if "env" in modules:
        return "`env` holds symbols that were undefined at link time: link the library that defines them"
    return f"it has WASI preview 1 and `{abi.MODULE}`: build for wasm32-wasip1"
