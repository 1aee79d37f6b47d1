"""Read the custom sections in which tools leave marks: producers, target features; knows nothing of the rest.

A custom section is a tool's, not the engine's: a malformed one is a note, and never makes a guest unreadable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from host.wasm.header import WasmError
from host.wasm.reader import MOST_ITEMS, Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from host.wasm.reader import Section

_PRODUCERS: Final = "producers"
_FEATURES: Final = "target_features"


@dataclass(frozen=True, slots=True)
class Producer:
    """One entry: `field` is `language`, `processed-by` or `sdk`; `version` may be empty."""

    field: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What tools left: `features` as `+simd128` (used) or `-...` (not allowed), `problems` as lines."""

    producers: tuple[Producer, ...]
    features: tuple[str, ...]
    problems: tuple[str, ...]


def read_marks(sections: Iterable[Section]) -> Marks:
    """Return the marks in these sections; raises nothing."""
    producers: list[Producer] = []
    features: list[str] = []
    problems = []
    budget = iter(range(MOST_ITEMS))
    for section in sections:
        reader = Reader(section.data, 0, budget=budget)
        try:
            if section.name == _PRODUCERS:
                producers += _producers(reader)
            elif section.name == _FEATURES:
                features += [chr(reader.byte()) + reader.name() for _ in reader.items()]
        except WasmError as error:
            problems.append(f"custom section `{section.name}` at byte {section.offset}, inside it: {error}")
    return Marks(tuple(producers), tuple(features), tuple(problems))


def _producers(reader: Reader) -> Iterator[Producer]:
    for _ in reader.items():
        name = reader.name()
        for _ in reader.items():
            yield Producer(name, reader.name(), reader.name())
