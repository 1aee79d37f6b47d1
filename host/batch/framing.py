"""Many records in one call of a guest, and the answers to them; docs/scale.md has the form for guests.

All numbers are u32, little-endian: how many there are, the length of each, and then all of their bytes.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from struct import Struct
from typing import TYPE_CHECKING

from host.memory import U32

if TYPE_CHECKING:
    from collections.abc import Sequence


class FramingError(Exception):
    """Bytes that are not the answers they should be; the message is one line, without any of them."""


def pack(records: Sequence[bytes]) -> bytes:
    """Return the records as one; none of them is longer than a u32 can say."""
    head = Struct(f"<{1 + len(records)}I").pack(len(records), *map(len, records))
    return b"".join((head, *records))


def unpack(answer: bytes, count: int) -> list[bytes]:
    """Return the `count` answers in what a guest gave; FramingError when it is anything else."""
    head = U32.size * (1 + count)
    if len(answer) < U32.size:
        raise FramingError(f"the answer to {count} records has {len(answer)} bytes, not even their number")
    (said,) = U32.unpack_from(answer)
    if said != count:
        raise FramingError(f"the answer is for {said} records, not for the {count} there were")
    if len(answer) < head:
        raise FramingError(f"the answer to {count} records ends before their lengths do")
    lengths = Struct(f"<{count}I").unpack_from(answer, U32.size)
    ends = list(accumulate(lengths, initial=head))
    if ends[-1] != len(answer):
        raise FramingError(
            f"the answers should have {ends[-1] - head} bytes by their lengths, and have {len(answer) - head}"
        )
    return [answer[begin:end] for begin, end in pairwise(ends)]
