"""Read the outer layer of a WebAssembly component: names it imports, how many modules are inside; runs none.

A component is recognised so that it can be named and explained; the host runs core modules only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from host.wasm.header import HEADER_BYTES, WasmError
from host.wasm.reader import Reader, Section, custom


class _Id(IntEnum):
    """Sections that are read; there are others."""

    CUSTOM = 0
    CORE_MODULE = 1
    COMPONENT = 4
    IMPORT = 10


class _Sort(IntEnum):
    """What an import is."""

    CORE = 0
    FUNCTION = 1
    VALUE = 2
    TYPE = 3
    COMPONENT = 4
    INSTANCE = 5


_VERSIONED_NAME: Final = 2
_EQUAL, _OF_TYPE = 0, 1


@dataclass(slots=True)
class Component:
    """A component; `problem` says why there may be more imports than are listed, and is None when not."""

    imports: list[str] = field(default_factory=list)
    core_modules: int = 0
    components: int = 0
    sections: list[Section] = field(default_factory=list)
    problem: str | None = None


def read_component(code: bytes) -> Component:
    """Return what the component `code` says of itself; WasmError with the place when it is malformed.

    The format is not final: imports of a form not known here end the list of them, and are no error.
    """
    found = Component()
    for number, body in Reader(memoryview(code), HEADER_BYTES).sections():
        match number:
            case _Id.CUSTOM:
                found.sections.append(custom(body))
            case _Id.CORE_MODULE:
                found.core_modules += 1
            case _Id.COMPONENT:
                found.components += 1
            case _Id.IMPORT if found.problem is None:
                try:
                    for _ in body.items():
                        found.imports.append(_import(body))
                except WasmError as error:
                    found.problem = str(error)
            case _:
                pass
    return found


def _import(body: Reader) -> str:
    form = body.byte()
    if form > _VERSIONED_NAME:
        raise body.fail(f"an import name of the unknown form {form}", body.at - 1)
    name = body.name()
    if form == _VERSIONED_NAME:
        name += f"@{body.name()}"
    sort = body.byte()
    match sort:
        case _Sort.CORE:
            body.byte()  # of a core module
            body.unsigned()
        case _Sort.VALUE | _Sort.TYPE:
            bound = body.byte()
            if (sort, bound) == (_Sort.VALUE, _OF_TYPE):
                body.unsigned(33)  # a value type: an index, or a negative number for a primitive
            elif bound == _EQUAL:
                body.unsigned()
        case _Sort.FUNCTION | _Sort.COMPONENT | _Sort.INSTANCE:
            body.unsigned()
        case _:
            raise body.fail(f"an import of the unknown sort {sort}", body.at - 1)
    return name
