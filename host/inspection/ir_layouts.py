"""Read from an IR how its inputs and outputs are laid out, where whoever converted it wrote that down.

OpenVINO keeps that when it saves a model, but its C interface does not tell it.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Callable

_LAYER: Final = ["net", "layers", "layer"]
_PORT: Final = [*_LAYER, "output", "port"]
_ATTRIBUTE: Final = [*_PORT, "rt_info", "attribute"]
_EDGE: Final = ["net", "edges", "edge"]


@dataclass(frozen=True, slots=True)
class Layouts:
    """The layout of each input and output, as OpenVINO spells it: `[N,C,H,W]`; None where there is none."""

    inputs: tuple[str | None, ...]
    outputs: tuple[str | None, ...]


def ir_layouts(xml: bytes) -> Layouts:
    """Return the layouts in the IR; ExpatError when it is malformed."""
    walk = _Walk()
    parse_ir(xml, walk.start, walk.end)
    return Layouts(walk.of(walk.inputs), walk.of(walk.outputs))


def parse_ir(
    xml: bytes, start: Callable[[str, dict[str, str]], None], end: Callable[[str], None] | None = None
) -> None:
    """Call `start` and `end` for each element of an IR, which has no DOCTYPE; ExpatError when malformed."""
    # UTF-8, whatever it says: another encoding would be looked up among Python's codecs, which fail in ways
    # of their own. That it begins with a mark or blanks is nothing to OpenVINO.
    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.Parse(xml.removeprefix(BOM_UTF8).lstrip(), True)  # noqa: FBT003 - expat takes no keywords


def _refuse(*_: object) -> None:
    raise expat.ExpatError("a DOCTYPE, which no IR has")


@dataclass(slots=True)
class _Walk:
    """What has been seen of the outermost graph: layers by id, and a value by (layer, port) it comes from."""

    path: list[str] = field(default_factory=list)
    layer: str = ""
    port: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    sources: dict[str, tuple[str, str]] = field(default_factory=dict)
    layouts: dict[tuple[str, str], str] = field(default_factory=dict)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take an element in."""
        self.path.append(name)
        if self.path == _LAYER:
            self._layer(attributes.get("id", ""), attributes.get("type", ""))
        elif self.path == _PORT:
            self.port = attributes.get("id", "")
            self.sources.setdefault(self.layer, (self.layer, self.port))
        elif self.path == _ATTRIBUTE and attributes.get("name") == "layout":
            self.layouts[self.layer, self.port] = attributes.get("layout", "")
        elif self.path == _EDGE:
            source = attributes.get("from-layer", ""), attributes.get("from-port", "")
            self.sources[attributes.get("to-layer", "")] = source

    def end(self, _name: str) -> None:
        """Leave an element."""
        self.path.pop()

    def of(self, layers: list[str]) -> tuple[str | None, ...]:
        """Return the layout of the one value that each of these layers gives or takes."""
        return tuple(self.layouts.get(self.sources.get(layer, ("", ""))) for layer in layers)

    def _layer(self, number: str, kind: str) -> None:
        self.layer = number
        if kind == "Parameter":
            self.inputs.append(number)
        elif kind == "Result":
            self.outputs.append(number)
