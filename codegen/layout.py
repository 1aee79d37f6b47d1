"""Sizes, alignments and offsets in wasm32 linear memory; clang's C rule is the law.

It knows no target language. A Document is legal, so nothing here can fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from codegen import model

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCALAR_SIZES: Final = {
    **dict.fromkeys(("u8", "s8", "char8"), 1),
    **dict.fromkeys(("u16", "s16"), 2),
    **dict.fromkeys(("u32", "s32", "f32", "char", "usize"), 4),
    **dict.fromkeys(("u64", "s64", "f64"), 8),
}
_BOOL_TAG: Final = "u32"
_POINTER: Final = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """Size and alignment in bytes; `offsets` of a record's fields, or of a variant's payload."""

    size: int
    align: int
    offsets: tuple[int, ...] = ()

    @property
    def payload_offset(self) -> int:
        """Where a variant's payload starts."""
        return self.offsets[0]


class Layouts:
    """The layout of every type of one document, computed in order of definition.

    Named types are looked up, so a chain of ten thousand definitions needs no deep recursion.
    """

    def __init__(self, document: model.Document) -> None:
        self._named: dict[model.TypeDef, Layout] = {}
        for definition in document.types:
            self._named[definition] = self.of(definition.type)

    def of(self, type_: model.Type) -> Layout:  # noqa: PLR0911 (one branch per type)
        """Return the layout of a type of this document."""
        match type_:
            case model.Named(definition):
                return self._named[definition]
            case model.Builtin(name):
                return _scalar(name)
            case model.Bool():
                return _scalar(_BOOL_TAG)
            case model.Enum(tag=tag):
                return _scalar(tag)
            case model.Flags(repr=repr_):
                return _scalar(repr_)
            case model.Handle() | model.Pointer():
                return Layout(_POINTER, _POINTER)
            case model.String() | model.List():
                return Layout(2 * _POINTER, _POINTER)
            case model.Record(fields=fields):
                return _struct(self.of(field.type) for field in fields)
            case model.Variant(tag=tag, cases=cases):
                return self._variant(_scalar(tag), cases)
        assert_never(type_)

    def _variant(self, tag: Layout, cases: tuple[model.Case, ...]) -> Layout:
        return _struct((tag, self._union(cases)), payload_only=True)

    def payload(self, variant: model.Variant) -> Layout:
        """Return the layout of the union of a variant's payloads."""
        return self._union(variant.cases)

    def _union(self, cases: tuple[model.Case, ...]) -> Layout:
        payloads = [self.of(case.type) for case in cases if case.type is not None]
        align = max((payload.align for payload in payloads), default=1)
        return Layout(_up(max((payload.size for payload in payloads), default=0), align), align)


def _struct(members: Iterable[Layout], *, payload_only: bool = False) -> Layout:
    """Lay members out one after the other; `payload_only` drops the first member's (the tag's) offset."""
    end, align, offsets = 0, 1, []
    for member in members:
        offsets.append(_up(end, member.align))
        end = offsets[-1] + member.size
        align = max(align, member.align)
    return Layout(_up(end, align), align, tuple(offsets[1 if payload_only else 0 :]))


def _scalar(name: str) -> Layout:
    size = _SCALAR_SIZES[name]
    return Layout(size, size)


def _up(offset: int, align: int) -> int:
    return -(-offset // align) * align
