"""The facts that `inspect` tells, as lines for a person; JSON has all of them, this those looked at first."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from host.guests import REACTOR_START, START

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from host.inspection.evidence import Guess
    from host.inspection.guest import GuestFacts, Linking
    from host.inspection.model import ModelFacts, PortFacts
    from host.wasm.module import Memory

_MOST: Final = 100
"""How many imports and so on are shown."""

_LACKS: Final = 5
_OPS: Final = 20
_COLUMN: Final = 11


def guest_lines(facts: GuestFacts) -> Iterator[str]:
    """Yield the lines on a guest; what is in them from the guest is not escaped yet."""
    yield f"{facts.file}: {facts.kind}, {_bytes(facts.size)}"
    yield from _rows("entry", [_entry(facts)] if facts.kind == "core module" else [])
    yield from _rows("inside", [f"{facts.inner_modules} modules or components"] * bool(facts.inner_modules))
    yield from _rows("memory", [_memory(memory) for memory in facts.memories])
    yield from _rows(
        "made by", [f"{made.field}: {made.name} {made.version}".rstrip() for made in facts.producers]
    )
    yield from _rows("features", [" ".join(facts.features[:_MOST])] * bool(facts.features))
    yield from _rows("imports", _imports(facts))
    yield from _rows("exports", (f"{item.name}: {item.type}" for item in facts.exports))
    yield from _rows("sections", [", ".join(facts.custom_sections[:_MOST])] * bool(facts.custom_sections))
    yield from _rows("links on", [_linking(host) for host in facts.linking])
    yield from _rows("dialect", _dialect(facts.dialect) if facts.dialect else [])
    yield from _rows("unread", facts.problems)
    yield from _rows("cannot run", facts.obstacles)
    yield from _rows("next", facts.advice)


def model_lines(facts: ModelFacts) -> Iterator[str]:
    """Yield the lines on a model; what is in them from the model is not escaped yet."""
    yield f"{facts.file}: {facts.format} model"
    yield from _rows("inputs", [_port(port) for port in facts.inputs])
    yield from _rows("outputs", [_port(port) for port in facts.outputs])
    yield from _rows("operations", _operations(facts))
    yield from _rows(
        "files", [f"{file.file}: {_bytes(file.size)}, sha256 {file.sha256}" for file in facts.files]
    )


def _port(port: PortFacts) -> str:
    shape = "of any rank" if port.shape is None else f"[{', '.join(map(str, port.shape))}]"
    number = "no tensor_type of wasi-nn" if port.tensor_type is None else f"tensor_type {port.tensor_type}"
    size = "size not fixed" if port.bytes is None else _bytes(port.bytes)
    layout = "" if port.layout is None else f" {port.layout}"
    return f"{port.index} {port.name or '(no name)'}: {port.type} {shape}{layout}, {number}, {size}"


def _operations(facts: ModelFacts) -> Iterator[str]:
    if facts.ops is None:
        yield "not counted"
        return
    shown = list(facts.ops.items())[:_OPS]
    more = f", and {len(facts.ops) - _OPS} more types" if len(facts.ops) > _OPS else ""
    types = ", ".join(f"{number} {op}" for op, number in shown)
    yield f"{facts.ops_count}: {types}{more}" if shown else "0"


def _rows(title: str, texts: Iterable[str]) -> Iterator[str]:
    rest = iter(texts)
    for number, text in enumerate(islice(rest, _MOST)):
        yield f"{'' if number else title:<{_COLUMN}}{text}"
    more = sum(1 for _ in rest)
    if more:
        yield f"{'':<{_COLUMN}}and {more} more"


def _bytes(count: int) -> str:
    return f"{count:,} bytes"


def _entry(facts: GuestFacts) -> str:
    kinds = {START: "a command", REACTOR_START: "a reactor, that is a library"}
    return f"{facts.entry}: {kinds[facts.entry]}" if facts.entry else "none"


def _memory(memory: Memory) -> str:
    limits = memory.limits
    most = "no maximum" if limits.high is None else f"at most {limits.high}"
    pages = f"{limits.low} x {limits.page_bytes:,} bytes, {most}"
    origin = "imported" if memory.is_imported else "its own"
    names = ", ".join(f"`{name}`" for name in memory.exported_as)
    parts = [pages, origin, f"exported as {names}" if names else "not exported"]
    parts += ["shared"] * limits.is_shared + ["64-bit"] * limits.is_64
    return ", ".join(parts)


def _imports(facts: GuestFacts) -> Iterator[str]:
    lacking = {item.wanted for item in facts.unmet}
    for item in sorted(facts.imports, key=lambda item: item.module):
        name = f"{item.module} {item.name} {item.type}".rstrip()
        yield f"{name}  (not here)" if item in lacking else name


def _linking(linking: Linking) -> str:
    if linking.links:
        return f"{linking.host}: yes"
    more = f" and {len(linking.lacks) - _LACKS} more" if len(linking.lacks) > _LACKS else ""
    return f"{linking.host}: no, it lacks {', '.join(linking.lacks[:_LACKS])}{more}"


def _dialect(guess: Guess) -> Iterator[str]:
    yield f"{' or '.join(guess.likely) or 'unknown'}"
    for item in guess.evidence:
        yield f"  {item.found}: {', '.join(item.epochs) or 'none known'}"
    if guess.note:
        yield guess.note
