"""The compiled guest imports what the witx text lowers to: the compiler checks the generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmtime import Engine, FuncType, Module

from codegen import abi, generate
from tests.guest.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Compiler

Signature = tuple[tuple[str, ...], tuple[str, ...]]


def imported(guest: Path, module: str) -> dict[str, Signature]:
    """Return name → core signature of what a compiled guest imports from a module."""
    found: dict[str, Signature] = {}
    for item in Module.from_file(Engine(), str(guest)).imports:
        if item.module == module:
            assert isinstance(item.type, FuncType)
            assert item.name is not None
            found[item.name] = tuple(map(str, item.type.params)), tuple(map(str, item.type.results))
    return found


def specified() -> tuple[str, dict[str, Signature]]:
    """Return the module's name and name → core signature of what the witx text says."""
    (module,) = generate.document((ROOT / generate.SPEC,)).modules
    lowered = {function.name: abi.lower(function) for function in module.functions}
    return module.name, {
        name: (core.valtypes, (core.result,) if core.result else ()) for name, core in lowered.items()
    }


def test_the_photo_guest_imports_all_six_functions_as_specified(photo: Path) -> None:
    module, expected = specified()
    assert len(expected) == 6
    assert imported(photo, module) == expected


def test_a_guest_imports_only_what_it_calls(wasi_sdk: Compiler, tmp_path: Path) -> None:
    """A host without a newer function can still run a guest that does not use it."""
    source = tmp_path / "small.c"
    source.write_text("#include <wasi_nn.h>\nint main(void) { return wasi_nn_compute(0); }\n")
    module, expected = specified()
    guest = wasi_sdk.build(source, tmp_path / "small.wasm")
    assert imported(guest, module) == {"compute": expected["compute"]}
