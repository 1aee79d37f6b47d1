"""Have a guest answer a list of records, one or many in a call; what goes wrong costs its own record only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from host.batch import framing
from host.lanes import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CALL_BYTES: Final = 1 << 30
"""What the records of one call may have together: they have to fit into the guest's memory."""


def unanswered(reason: str) -> Answer:
    """Return what becomes of a record that a guest cannot even be given."""
    return Answer("", error=reason)


def answers(
    call: Callable[[bytes], Answer], records: Sequence[bytes | Answer], per_call: int
) -> list[Answer]:
    """Return what becomes of each record, in order; as `outputs`, but each as an Answer."""
    return [as_answer(each) for each in outputs(call, records, per_call)]


def as_answer(output: bytes | Answer) -> Answer:
    """Return one of `outputs` as an Answer."""
    return Answer("", output) if isinstance(output, bytes) else output


def outputs(
    call: Callable[[bytes], Answer], records: Sequence[bytes | Answer], per_call: int
) -> list[bytes | Answer]:
    """Return the answer to each record as bytes, or the Answer that says why there is none, in order.

    Args:
        call: Gives bytes to the guest.
        records: What to answer; one that is an Answer already stays as it is.
        per_call: How many records a call has: with 1 they are the bytes themselves, with more `framing.pack`.
    """
    found = list(records)
    asked = [at for at, record in enumerate(records) if not isinstance(record, Answer)]
    for begin in range(0, len(asked), per_call):
        part = asked[begin : begin + per_call]
        given: list[bytes] = [records[at] for at in part]  # type: ignore[misc]  # no Answer is asked
        for at, answer in zip(part, _part(call, given, per_call), strict=True):
            found[at] = answer
    return found


def _part(call: Callable[[bytes], Answer], records: list[bytes], per_call: int) -> list[bytes | Answer]:
    if per_call == 1:
        return [answer.output if answer.error is None else answer for answer in map(call, records)]
    if sum(map(len, records)) <= CALL_BYTES:
        together = _framed(call, records)
        if isinstance(together, list):
            return together
        if len(records) == 1:
            return [together]
    elif len(records) == 1:
        return [unanswered(f"the record has {len(records[0])} bytes, more than a call may have")]
    return [output for record in records for output in _part(call, [record], per_call)]


def _framed(call: Callable[[bytes], Answer], records: list[bytes]) -> list[bytes | Answer] | Answer:
    """Return an output for each record, or the one error that there is for all."""
    answer = call(framing.pack(records))
    if answer.error is not None:
        return answer
    try:
        return [*framing.unpack(answer.output, len(records))]
    except framing.FramingError as error:
        return answer._replace(output=b"", error=str(error))
