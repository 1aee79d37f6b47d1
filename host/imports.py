"""Which imports of a guest this host does not have, which other hosts do, and what to do about it.

Reads no file and links nothing; what this host has is asked of the caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host import abi
from host.import_families import FAMILIES, WAMR, WAMR_LEGACY, WASI, WASMEDGE, WASMTIME
from host.wasm.header import signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from host.wasm.module import Import

RUNTIMES: Final[Mapping[str, str]] = MappingProxyType(
    {WASMTIME: "current", WASMEDGE: "wasmedge", WAMR: "wamr", WAMR_LEGACY: "wamr-legacy"}
)
"""Other hosts, and whose functions of wasi-nn each has: an epoch or dialect of `abi.EPOCHS`."""

NN_MODULES: Final = frozenset(epoch.module for epoch in abi.EPOCHS.values())
"""The modules that wasi-nn has had."""

_DOT: Final = re.DOTALL
_LIKE_NN: Final = re.compile(r"([\w-]*[^a-z:])?wasi[_-]?(ephemeral)?[_-]?nn([^a-z:][\w-]*)?")
_CHARACTERS: Final = 200
"""How much of a name is looked at: the guest chooses it, and patterns take their time on long ones."""
_SHOWN: Final = 500
"""How many imports are told one by one: who lacks more was not built for anything near."""


@dataclass(frozen=True, slots=True)
class Unmet:
    """An import that cannot be linked here.

    `here` is the type it has here when that differs, None when it is not here at all; `what` says where it
    is from, `hosts` who has it, `help` what to do.
    """

    wanted: Import
    here: str | None
    what: str
    hosts: tuple[str, ...]
    help: str


def unmet(imports: Iterable[Import], here: Callable[[str, str], str | None]) -> tuple[Unmet, ...]:
    """Return the imports that cannot be linked here; `here` gives the type that (module, name) has."""
    types = ((wanted, here(wanted.module, wanted.name)) for wanted in imports)
    return tuple(_explained(wanted, found) for wanted, found in types if found != wanted.type)


def lacks(runtime: str, wanted: Import, here: Callable[[str, str], str | None]) -> bool:
    """Return whether `runtime`, of RUNTIMES, has no such import, as far as is known.

    Every runtime is taken to have WASI preview 1 as it is here.
    """
    if wanted.module in NN_MODULES:
        return not _in_epoch(RUNTIMES[runtime], wanted)
    if wanted.module == WASI and here(WASI, wanted.name) == wanted.type:
        return False
    return runtime not in _family(wanted)[1]


def epochs_of(wanted: Import) -> tuple[str, ...]:
    """Return the epochs and dialects of wasi-nn that have this import, with this signature."""
    return tuple(name for name in abi.EPOCHS if _in_epoch(name, wanted))


def summary(found: tuple[Unmet, ...]) -> str:
    """Return what is wrong as one line."""
    missing = sum(item.here is None for item in found)
    parts = (
        (missing, "{} that this host does not have"),
        (len(found) - missing, "{} of another type than this host's"),
    )
    counts = (text.format(f"{count} import{'s' * (count > 1)}") for count, text in parts if count)
    return f"it needs {' and '.join(counts)}"


def lines(found: tuple[Unmet, ...]) -> tuple[tuple[str, str], ...]:
    """Return a line for each import and, after those with the same remedy, one that says it: (kind, text)."""
    groups: dict[str, list[Unmet]] = {}
    for item in found[:_SHOWN]:
        groups.setdefault(item.help, []).append(item)
    told = [line for help_, group in groups.items() for line in (*map(_line, group), ("help", help_))]
    if len(found) > _SHOWN:
        told.append(("missing", f"and {len(found) - _SHOWN} more imports"))
    return tuple(told)


def _line(item: Unmet) -> tuple[str, str]:
    wanted = item.wanted
    who = f"in {', '.join(item.hosts)}" if item.hosts else "in no host known"
    name = f"`{wanted.module}`.`{wanted.name}` {wanted.type}"
    if item.here is not None:
        return "differs", f"{name}, here {item.here}: {item.what}; {who}"
    return "missing", f"{name}: {item.what}; {who}"


def _explained(wanted: Import, found: str | None) -> Unmet:
    what, hosts, help_ = _family(wanted)
    if found is not None and wanted.module not in NN_MODULES:
        what, help_ = f"not the type of `{wanted.module}`", "build with unchanged bindings of that interface"
    return Unmet(wanted, found, what, hosts, help_)


def _family(wanted: Import) -> tuple[str, tuple[str, ...], str]:
    """Return where an import is from, who has it, and what to do."""
    if wanted.module in NN_MODULES:
        return _nn_family(wanted)
    module, name = wanted.module[:_CHARACTERS], wanted.name[:_CHARACTERS]
    if _LIKE_NN.fullmatch(module):
        help_ = f"use bindings for core modules, which import from `{abi.MODULE}`, such as those in guest/"
        return "wasi-nn under a module name of its own", (), help_
    for family in FAMILIES:
        if re.fullmatch(family.module, module, _DOT) and re.fullmatch(family.name, name, _DOT):
            return family.what, family.hosts, family.help
    raise AssertionError("the last family matches everything")


def _nn_family(wanted: Import) -> tuple[str, tuple[str, ...], str]:
    hosts = tuple(runtime for runtime, epoch in RUNTIMES.items() if _in_epoch(epoch, wanted))
    epochs = [epoch for epoch in abi.EPOCHS.values() if epoch.module == wanted.module]
    if not any(wanted.name in epoch.functions for epoch in epochs):
        known = dict.fromkeys(name for epoch in epochs for name in epoch.functions)
        return "no function of wasi-nn", hosts, f"`{wanted.module}` is known to have {', '.join(known)}"
    if not hosts:
        what = "wasi-nn with other parameters"
        return what, hosts, "make the bindings anew from the spec, or use those in guest/"
    return "an extension of wasi-nn", hosts, "leave it out to run here"


def _in_epoch(name: str, wanted: Import) -> bool:
    epoch = abi.EPOCHS[name]
    params = epoch.functions.get(wanted.name)
    if epoch.module != wanted.module or params is None:
        return False
    return wanted.type == signature(params.split(), abi.FUNCTIONS[0].results)
