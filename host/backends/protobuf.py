"""Walk a hostile protobuf message by message, without recursion and without a schema compiler.

It knows no format: a guard gives the schema. It refuses what the wire format allows but no writer produces,
because parsers differ on that, and a model could hide something between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

MOST_FIELDS: Final = 1_000_000
"""How many fields a guest's model may have: a walk of that many takes two seconds."""

MOST_DEPTH: Final = 200
"""How many messages may be inside each other: protobuf itself follows 100."""

VARINT, BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
_VARINT_MAX_BYTES, _KEY_MAX = 10, 0xFFFF_FFFF
_VARINT_MORE: Final = 0x80

Schema: TypeAlias = "Mapping[str, Mapping[int, str | int]]"
"""Message -> {field number: the message in that field, or the wire type the field must have}."""

Field: TypeAlias = "tuple[int, int, int | memoryview]"
"""Field number, wire type, value."""


class MalformedError(Exception):
    """The bytes are not a protobuf that a writer of the format could have made."""


class TooManyFieldsError(Exception):
    """More fields than the walk was to see."""


@dataclass(slots=True)
class Message:
    """A message that is being walked; `elements` is the product of the dimensions seen in it so far."""

    kind: str
    fields: Iterator[Field]
    elements: int = 1


def walk(
    data: bytes, root: str, schema: Schema, budget: Iterator[int], closed: frozenset[str] = frozenset()
) -> Iterator[tuple[Message, int, int | memoryview]]:
    """Yield each field of each message that `schema` leads to: the message, the field's number and value.

    Raises MalformedError, also for a field of another wire type than the schema has and, in the messages that
    are `closed`, for a field that the schema does not have; TooManyFieldsError.
    """
    stack = [Message(root, fields(memoryview(data), budget))]
    while stack:  # not recursion: the nesting is the guest's
        message = stack[-1]
        for number, wire, value in message.fields:
            yield message, number, value
            expected = schema[message.kind].get(number)
            if expected is None:
                if message.kind in closed:
                    raise MalformedError(f"field {number} of {message.kind}")
                continue
            if wire != (expected if isinstance(expected, int) else BYTES):
                raise MalformedError(f"field {number} of {message.kind} has wire type {wire}")
            if isinstance(expected, str) and isinstance(value, memoryview) and value:
                if len(stack) == MOST_DEPTH:
                    raise MalformedError(f"more than {MOST_DEPTH} messages inside each other")
                stack.append(Message(expected, fields(value, budget)))
                break
        else:
            stack.pop()


def fields(body: memoryview, budget: Iterator[int]) -> Iterator[Field]:
    """Yield (field number, wire type, value) of one message, as long as `budget` has a number for each."""
    at = 0
    end = len(body)
    while at < end:
        if next(budget, None) is None:
            raise TooManyFieldsError
        key, at = varint(body, at)
        number, wire = key >> 3, key & 7
        if key > _KEY_MAX or not number:
            raise MalformedError(f"field key {key} at byte {at}")
        if wire == VARINT:
            value, at = varint(body, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, at = varint(body, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:  # groups: deprecated before these formats were, and a way to hide fields from a walk
            raise MalformedError(f"wire type {wire} at byte {at}")
        if length > end - at:
            raise MalformedError(f"field {number} ends outside of its message")
        yield number, wire, body[at : at + length]
        at += length


def begins_with(data: bytes, number: int, members: AbstractSet[tuple[int, int]]) -> bool:
    """Return whether the first field of `data` is a message `number` that has all `members`.

    A member is a field's number and wire type.
    """
    budget = iter(range(MOST_FIELDS))
    try:
        first, wire, message = next(fields(memoryview(data), budget), (0, 0, 0))
        if (first, wire) != (number, BYTES) or not isinstance(message, memoryview):
            return False
        return members <= {(member, kind) for member, kind, _ in fields(message, budget)}
    except (MalformedError, TooManyFieldsError):
        return False


def varint(body: memoryview, at: int) -> tuple[int, int]:
    """Return the varint at `at` and where it ends."""
    if at < len(body) and body[at] < _VARINT_MORE:  # nearly all are one byte
        return body[at], at + 1
    value = 0
    for number, byte in enumerate(body[at : at + _VARINT_MAX_BYTES]):
        value |= (byte & 0x7F) << 7 * number
        if byte < _VARINT_MORE:
            return value, at + number + 1
    raise MalformedError(f"unfinished varint at byte {at}")


def packed(value: int | memoryview) -> Iterator[int]:
    """Yield the numbers of a repeated integer field, written one by one or packed."""
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        number, at = varint(value, at)
        yield number


def text(value: int | memoryview) -> str:
    """Return a field's bytes as text, for a message or to compare with names."""
    return bytes(value).decode(errors="replace") if isinstance(value, memoryview) else str(value)
