"""Refuse a guest's OpenVINO IR that would harm the host, by streaming through its XML; compiles nothing.

What it is not: a proof that a model is safe. It does not infer shapes, so a model can still ask for more
memory than its ports say; it does not know what the operations do, only which few are known to be unsafe. A
model that passes is compiled and run in the host's process, outside of the sandbox.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from host.backends.unsafe_ops import check_op
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_ELEMENTS: Final = 1_000_000
MOST_DEPTH: Final = 200
_ENCODINGS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_INTEGER: Final = re.compile(r"\s*(-?[0-9]{1,20})\s*")
_DIGITS: Final = re.compile(r"[0-9]+")
_INTEGER_CHARACTERS: Final = 64
_BITS_OF_A_BYTE: Final = 8


def check_ir(xml: bytes, weights: int, tensor_bytes: int) -> None:
    """Raise NnError unless the IR may be given to a backend.

    Args:
        xml: the first builder.
        weights: how many bytes the second builder has.
        tensor_bytes: the most that a tensor may have; a larger one makes OpenVINO's arithmetic wrap.

    Raises:
        NnError: NOT_A_MODEL, ABSURD_SIZE or MODEL_UNSAFE.
    """
    walk = _Walk(weights, tensor_bytes)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.XmlDeclHandler = _check_declaration
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = walk.start
    parser.EndElementHandler = walk.end
    parser.CharacterDataHandler = walk.text
    try:
        parser.Parse(xml, True)  # noqa: FBT003 - expat takes no keywords
    except expat.ExpatError as error:
        raise NnError(Condition.NOT_A_MODEL, f"the XML is malformed: {error}") from None


def _check_declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    # In another encoding OpenVINO's parser could read other names than this one does.
    if encoding is not None and encoding.lower() not in _ENCODINGS:
        raise NnError(Condition.NOT_A_MODEL, f"the XML is in {encoding!r}, not in UTF-8")


def _refuse_doctype(*_: object) -> None:
    raise NnError(Condition.NOT_A_MODEL, "the XML has a DOCTYPE, which no IR has")


@dataclass(slots=True)
class _Walk:
    """Where in the XML the parser is; `port_bits` is the size of the port that is open, so far."""

    weights: int
    tensor_bytes: int
    elements: int = 0
    depth: int = 0
    port_bits: int = 0
    dim: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        self.depth += 1
        if self.elements > MOST_ELEMENTS or self.depth > MOST_DEPTH:
            raise NnError(
                Condition.ABSURD_SIZE,
                f"more than {MOST_ELEMENTS} elements of XML, or more than {MOST_DEPTH} inside each other",
            )
        if "type" in attributes:  # of whatever element: finding too much is safe
            check_op(attributes["type"])
        if "shape" in attributes:
            self._check_shape(attributes["shape"], attributes.get("element_type", ""))
        if "offset" in attributes and "size" in attributes:
            self._check_weights(attributes["offset"], attributes["size"])
        if name == "port":
            self.port_bits = _bits(attributes.get("precision", ""))
        self.dim = [] if name == "dim" else None

    def end(self, name: str) -> None:
        self.depth -= 1
        if name == "dim" and self.dim is not None:
            length = _integer("".join(self.dim))
            self.port_bits *= max(length, 1)
            self._check_bits(self.port_bits)
        self.dim = None

    def text(self, data: str) -> None:
        if self.dim is not None and len(self.dim) < _INTEGER_CHARACTERS:
            self.dim.append(data[:_INTEGER_CHARACTERS])

    def _check_shape(self, shape: str, element_type: str) -> None:
        bits = _bits(element_type)
        for dimension in _dimensions(shape):
            bits *= max(dimension, 1)  # an unknown length counts as 1, and so does 0: OpenVINO multiplies all
            self._check_bits(bits)

    def _check_bits(self, bits: int) -> None:
        if bits > self.tensor_bytes * _BITS_OF_A_BYTE:
            size = bits // _BITS_OF_A_BYTE
            raise NnError(
                Condition.ABSURD_SIZE,
                f"the model has a tensor of {size} bytes; {self.tensor_bytes} is the most",
                "tensor_bytes",
            )

    def _check_weights(self, offset: str, size: str) -> None:
        start, length = _integer(offset), _integer(size)
        if start < 0 or length < 0 or start + length > self.weights:
            raise NnError(
                Condition.NOT_A_MODEL,
                f"a constant has {length} bytes at {start} of weights that have {self.weights}",
            )


def _dimensions(shape: str) -> Iterable[int]:
    """Yield the lengths in a `shape` attribute, such as `1,3,?,2..8`; the upper bound of a range."""
    for part in shape.strip("[] ").split(","):
        last = part.rpartition("..")[2].strip()
        yield 1 if last in {"", "?"} else _integer(last)


def _integer(text: str) -> int:
    matched = _INTEGER.fullmatch(text)
    if matched is None:
        raise NnError(Condition.NOT_A_MODEL, f"{text[:_INTEGER_CHARACTERS]!r} in the XML is not an integer")
    return int(matched[1])


def _bits(element_type: str) -> int:
    """Return the size of an element of a type that IR names `f32`, `FP32`, `u4`, `boolean`, ..."""
    matched = _DIGITS.search(element_type)
    return int(matched[0][:3]) or 1 if matched else _BITS_OF_A_BYTE
