"""Guess by a guest's imports and the marks of its bindings which epoch of wasi-nn it was built for.

It says what the guess rests on, and that there is none where the binary does not tell: the numbers of types
and encodings are in the code, where nothing here looks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from host import abi
from host.imports import NN_MODULES, epochs_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from host.wasm.module import Import
    from host.wasm.reader import Section

_WASMEDGE, _OLD_WASMEDGE = "wasmedge", "2023-08-14"
"""WasmEdge's functions, and whose element types it took before 0.15."""

_UTF16: Final = "utf-16-le"  # in which AssemblyScript keeps its strings


@dataclass(frozen=True, slots=True)
class _Mark:
    """Bytes that bindings leave in data or debug sections; `epochs` are those the bindings were made of."""

    pattern: re.Pattern[bytes]
    bindings: str
    epochs: tuple[str, ...]


def _crate(name: str, version: str) -> re.Pattern[bytes]:
    """Return what finds the place in its sources that a crate keeps for the message of a panic."""
    return re.compile(rb"(?<![a-z0-9_-])" + f"{name}-{version}".encode() + rb"(?=[/\\]src[/\\])")


_MARKS: Final = (
    _Mark(_crate("wasi-nn", r"0\.1\.\d{1,3}"), "Rust crate", ("2021-02",)),
    _Mark(_crate("wasi-nn", r"0\.[234]\.\d{1,3}"), "Rust crate", ("2022-10",)),
    _Mark(_crate("wasi-nn", r"0\.5\.\d{1,3}"), "Rust crate", ("2023-08-14",)),
    _Mark(_crate("wasi-nn", r"0\.([6-9]|\d\d)\.\d{1,3}"), "Rust crate", ("current",)),
    _Mark(_crate("wasmedge-wasi-nn", r"\d{1,3}\.\d{1,3}\.\d{1,3}"), "Rust crate", (_WASMEDGE, _OLD_WASMEDGE)),
    _Mark(re.compile(re.escape("as-wasi-nn".encode(_UTF16))), "AssemblyScript package", ("2022-10",)),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something found, and the epochs and dialects that it speaks for."""

    found: str
    epochs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Guess:
    """What can be told: `likely` agrees with all evidence, `possible` with the imports.

    `note` is a sentence for a person where that leaves something open, else empty.
    """

    likely: tuple[str, ...]
    possible: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    note: str


def guess(imports: Iterable[Import], sections: Iterable[Section]) -> Guess | None:
    """Return what imports and sections tell of the epoch; None for a guest without wasi-nn."""
    used = [wanted for wanted in imports if wanted.module in NN_MODULES]
    if not used:
        return None
    of_imports = [Evidence(f"imports `{w.module}`.`{w.name}` {w.type}", epochs_of(w)) for w in used]
    possible = _agreed(of_imports)
    most = len(_of_modules({wanted.module for wanted in used}))
    telling = [evidence for evidence in of_imports if len(evidence.epochs) < most]
    marks = list(dict.fromkeys(_marks(sections)))
    likely = _agreed([Evidence("", possible), *marks]) if marks else possible
    return Guess(likely, possible, (*telling, *marks), _note(likely, possible))


def _of_modules(modules: set[str]) -> list[str]:
    return [name for name, epoch in abi.EPOCHS.items() if epoch.module in modules]


def _agreed(evidence: list[Evidence]) -> tuple[str, ...]:
    return tuple(name for name in abi.EPOCHS if all(name in item.epochs for item in evidence))


def _marks(sections: Iterable[Section]) -> Iterable[Evidence]:
    for section in sections:
        for mark in _MARKS:
            found = mark.pattern.search(section.data)
            if found:
                text = found[0].decode(_UTF16 if b"\0" in found[0] else "ascii")
                where = f"`{section.name}` section, byte {section.offset + found.start()}"
                yield Evidence(f"{mark.bindings} {text} ({where})", mark.epochs)


def _note(likely: tuple[str, ...], possible: tuple[str, ...]) -> str:
    if not possible:
        return "no known epoch or dialect has all of these imports"
    if not likely:
        return "the evidence contradicts itself: bindings of one epoch, imports of another"
    among = {*likely, _OLD_WASMEDGE} if _WASMEDGE in likely else set(likely)
    numbers = sorted({abi.EPOCHS[name].values["tensor_type"]["u8"] for name in among})
    if len(numbers) == 1:
        return ""
    values = " from ".join(f"u8 = {number}" for number in numbers)
    return (
        f"imports alone cannot tell {values}; `run --abi auto`, which is the default, tells at each call, by "
        "how many bytes a tensor has"
    )
