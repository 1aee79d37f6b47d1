"""What can be told of a guest without running it: what it is, wants and was built with, and who can link it.

The facts are data, ready for JSON; nothing here prints.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from host import abi, dialects, guests, imports
from host.bindings import Bindings
from host.host_functions import MEMORY, HostFunctions
from host.import_families import WASI
from host.inspection import evidence
from host.job import BadGuestError
from host.models.registry import Registry
from host.nn import Session
from host.runner import define_nn, openvino
from host.wasm.component import read_component
from host.wasm.custom import Producer, read_marks
from host.wasm.header import WasmError, is_component
from host.wasm.module import DATA, Export, Import, Memory, read_core
from host.wasmtime_c import WasmtimeError
from host.wasmtime_objects import Engine, Linker, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from host.imports import Unmet
    from host.wasm.module import Core
    from host.wasm.reader import Section

THIS_HOST: Final = "this host"

# Custom sections that only binaries for a linker have.
_OBJECT: Final = "linking"
_SHARED: Final = frozenset({"dylink.0", "dylink"})


@dataclass(frozen=True, slots=True)
class Linking:
    """Whether a host has all imports, as far as is known, and which it lacks, as `module.name`."""

    host: str
    links: bool
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """What is told of a guest.

    `kind` is `core module` or `component`; a component's `imports` are names alone, and what only a core
    module has is empty. `entry` is the export that starts it. `obstacles` say why this host cannot run it,
    `problems` what could not be read, `advice` what to do next. `size` is in bytes, memories are in pages.
    """

    file: str
    kind: str
    size: int
    sha256: str
    custom_sections: tuple[str, ...]
    producers: tuple[Producer, ...]
    features: tuple[str, ...]
    problems: tuple[str, ...]
    obstacles: tuple[str, ...]
    advice: tuple[str, ...]
    imports: tuple[Import, ...] = ()
    exports: tuple[Export, ...] = ()
    memories: tuple[Memory, ...] = ()
    entry: str | None = None
    inner_modules: int = 0
    linking: tuple[Linking, ...] = ()
    unmet: tuple[Unmet, ...] = ()
    dialect: evidence.Guess | None = None


def inspect(path: Path, data: bytes) -> GuestFacts:
    """Return the facts of the guest in `data`; BadGuestError when it is none or is malformed.

    Args:
        path: The file that the data was read from.
        data: The guest, binary or text.
    """
    code = guests.as_binary(path, data)
    try:
        return _component(path, code) if is_component(code) else _core(path, code)
    except WasmError as error:
        raise BadGuestError(f"guest `{path}` {error}") from error


def interface() -> Callable[[str, str], str | None]:
    """Return what gives the type that (module, name) has on this host, or None."""
    engine = Engine()
    linker = Linker(engine)
    linker.define_wasi()
    functions = HostFunctions(linker)
    define_nn(functions, Bindings(Session(openvino, Registry({}), lambda _: None), lambda *_: None))
    return guests.provided(linker, Store(engine))


def _core(path: Path, code: bytes) -> GuestFacts:
    core = read_core(code)
    here = interface()
    unmet = imports.unmet(core.imports, here)
    guess = evidence.guess(core.imports, core.sections)
    obstacles = tuple(_obstacles(core, code, unmet))
    marks = read_marks(core.sections)
    return GuestFacts(
        file=str(path),
        kind="core module",
        size=len(code),
        sha256=sha256(code).hexdigest(),
        custom_sections=_custom_names(core.sections),
        producers=marks.producers,
        features=marks.features,
        problems=marks.problems,
        obstacles=obstacles,
        advice=tuple(dict.fromkeys(item.help for item in unmet) if obstacles else _next(path, core, guess)),
        imports=core.imports,
        exports=core.exports,
        memories=core.memories,
        entry=_entry(core),
        linking=tuple(_linking(core.imports, unmet, here)),
        unmet=unmet,
        dialect=guess,
    )


def _component(path: Path, code: bytes) -> GuestFacts:
    component = read_component(code)
    marks = read_marks(component.sections)
    unread = [f"there may be more imports: {component.problem}"] if component.problem else []
    return GuestFacts(
        file=str(path),
        kind="component",
        size=len(code),
        sha256=sha256(code).hexdigest(),
        custom_sections=_custom_names(component.sections),
        producers=marks.producers,
        features=marks.features,
        problems=(*marks.problems, *unread),
        obstacles=(guests.COMPONENT,),
        advice=("build a core module that uses wasi-nn with the header or the crate in guest/",),
        imports=tuple(Import(name, "", "") for name in component.imports),
        inner_modules=component.core_modules + component.components,
    )


def _custom_names(sections: Iterable[Section]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(section.name for section in sections if section.name != DATA))


def _entry(core: Core) -> str | None:
    names = {export.name for export in core.exports}
    return next((name for name in (guests.START, guests.REACTOR_START) if name in names), None)


def _obstacles(core: Core, code: bytes, unmet: tuple[Unmet, ...]) -> Iterator[str]:
    names = set(_custom_names(core.sections))
    if _OBJECT in names:
        yield "is an object file, of which a linker makes a guest: compile without `-c`"
        return
    if names & _SHARED:
        yield "is a shared library: link it into a guest, without `-shared`"
        return
    exports = {export.name: export.type for export in core.exports}
    problem = guests.start_problem(exports)
    if problem and not guests.is_reactor(exports):
        yield problem
    if unmet:
        yield f"cannot be linked: {imports.summary(unmet)}"
    try:
        Engine().validate(code)
    except WasmtimeError as error:
        yield f"is not valid: {guests.one_line(str(error))}"


def _linking(
    wanted: Sequence[Import], unmet: tuple[Unmet, ...], here: Callable[[str, str], str | None]
) -> Iterator[Linking]:
    yield _verdict(THIS_HOST, [item.wanted for item in unmet])
    for runtime in imports.RUNTIMES:
        yield _verdict(runtime, [item for item in wanted if imports.lacks(runtime, item, here)])


def _verdict(host: str, lacking: list[Import]) -> Linking:
    return Linking(host, not lacking, tuple(f"{item.module}.{item.name}" for item in lacking))


def _next(path: Path, core: Core, guess: evidence.Guess | None) -> Iterator[str]:
    """Yield how to run a guest that can be run."""
    used = {(wanted.module, wanted.name) for wanted in core.imports}
    is_reactor = guests.is_reactor({export.name: export.type for export in core.exports})
    command = "map" if is_reactor else "run"
    words = [f"python -m host {command}", shlex.quote(str(path))]
    if is_reactor:
        words.append("--inputs GLOB")
    if (WASI, "path_open") in used:
        words.append("--dir FOLDER")
    if any(module in imports.NN_MODULES and "by_name" in name for module, name in used):
        words.append("--graph NAME=MODEL")
    yield " ".join(words)
    if guess and not any(MEMORY in memory.exported_as for memory in core.memories):
        yield f"export its memory as `{MEMORY}`: without, every call of wasi-nn fails"
    if guess is None or len(guess.likely) != 1 or guess.likely == guess.possible:
        return
    (epoch,) = guess.likely
    if epoch in dialects.CHOICES and abi.EPOCHS[epoch] is not abi.EPOCHS["current"]:
        yield f"its bindings are those of {epoch}: `--abi {epoch}` gives it that epoch's error codes too"
