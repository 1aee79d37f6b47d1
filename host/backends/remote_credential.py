"""What goes with every call to the server of a model, and is not to be told."""

from __future__ import annotations

import os
import re
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.errors import Condition, NnError

if TYPE_CHECKING:
    from host.backends.remote_address import Header

_VALUE: Final = re.compile(r"[\x20-\x7e]+")
_VALUE_BYTES: Final = 1 << 14
_SHORTEST_SECRET: Final = 4
_SAID_CHARACTERS: Final = 400
_KEPT: Final = 16
"""How many values are kept to be taken out: calls of other threads may be on their way with older ones."""


class Credential:
    """The header of a model on a server, for all links to it: read anew for each call."""

    def __init__(self, header: Header | None) -> None:
        """Read nothing yet; without a `header` there is nothing to send and nothing to hide."""
        self._header = header
        self._sent: deque[str] = deque(maxlen=_KEPT)

    def headers(self) -> dict[str, str]:
        """Return what to send with a call, as it is now; NnError, without it, when there is none."""
        if self._header is None:
            return {}
        value = _read(self._header)
        if value not in self._sent:
            self._sent.append(value)
        return {self._header.name: value}

    def scrubbed(self, said: str) -> str:
        """Return what a server said on a line, and not too long, without what it was sent: whole or in words.

        `said` must be all of it: of a value that is cut off at its end, the beginning would be left.
        """
        words = {word for value in tuple(self._sent) for word in (value, *value.split())}
        for word in sorted(words, key=len, reverse=True):
            if len(word) >= _SHORTEST_SECRET:
                said = said.replace(word, "***")
        line = " ".join(said.split())
        line = line if len(line) <= _SAID_CHARACTERS else f"{line[:_SAID_CHARACTERS]}..."
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _read(header: Header) -> str:
    where = f"{'file' if header.is_file else 'variable'} `{header.place}`"
    if header.is_file:
        try:
            with Path(header.place).open("rb") as file:
                text = file.read(_VALUE_BYTES + 1).decode("latin-1")
        except OSError as error:
            raise _missing(f"the {where} for `{header.name}`: {error.strerror}") from error
    elif header.place in os.environ:
        text = os.environ[header.place]
    else:
        raise _missing(f"the {where} for `{header.name}` is not set")
    text = text.strip()
    if len(text) > _VALUE_BYTES or not _VALUE.fullmatch(text):
        raise _missing(
            f"the {where} for `{header.name}` must hold one line of ASCII, of {_VALUE_BYTES} bytes at most"
        )
    return text


def _missing(reason: str) -> NnError:
    return NnError(Condition.REMOTE_FAILED, reason)
