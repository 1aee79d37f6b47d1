"""Have a guest answer a list of records, one or many in a call; what goes wrong costs its own record only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeGuard

from host.batch import framing
from host.lanes import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CALL_BYTES: Final = 1 << 30
"""What the records of one call may have together: they have to fit into the guest's memory."""


def unanswered(reason: str) -> Answer:
    """Return what becomes of a record that a guest cannot even be given."""
    return Answer("", error=reason)


def as_answer(output: bytes | Answer) -> Answer:
    """Return one of `outputs` as an Answer."""
    return Answer("", output) if isinstance(output, bytes) else output


def are_all_bytes(found: Sequence[bytes | Answer]) -> TypeGuard[Sequence[bytes]]:
    """Return whether none of records or outputs is an Answer; quicker than to look at each in turn."""
    return Answer not in set(map(type, found))


def outputs(
    call: Callable[[bytes], bytes | Answer], records: Sequence[bytes | Answer], per_call: int
) -> list[bytes | Answer]:
    """Return the answer to each record as bytes, or the Answer that says why there is none, in order.

    Args:
        call: Gives bytes to the guest; as `Caller.call`.
        records: What to answer; one that is an Answer already stays as it is.
        per_call: How many records a call has: with 1 they are the bytes themselves, with more `framing.pack`.
    """
    if per_call == 1:
        return [call(record) if isinstance(record, bytes) else record for record in records]
    asked = records if are_all_bytes(records) else [each for each in records if isinstance(each, bytes)]
    found: list[bytes | Answer] = []
    for begin in range(0, len(asked), per_call):
        found += _together(call, asked[begin : begin + per_call])
    if asked is records:
        return found
    left = iter(found)
    return [next(left) if isinstance(record, bytes) else record for record in records]


def framed(call: Callable[[bytes], bytes | Answer], records: Sequence[bytes]) -> list[bytes] | Answer:
    """Have records answered in one call: return an output for each, or the one error there is for all."""
    size = sum(map(len, records))
    if size > CALL_BYTES:
        return unanswered(f"{len(records)} records of {size} bytes are more than a call may have")
    answer = call(framing.pack(records))
    if isinstance(answer, Answer):
        return answer
    try:
        return framing.unpack(answer, len(records))
    except framing.FramingError as error:
        return unanswered(str(error))


def _together(call: Callable[[bytes], bytes | Answer], records: Sequence[bytes]) -> Sequence[bytes | Answer]:
    found = framed(call, records)
    if isinstance(found, list):
        return found
    if len(records) == 1:
        return [found]
    return [output for record in records for output in _together(call, [record])]
