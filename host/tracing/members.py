"""The members of a JSON object, each taken out as what it has to be; knows none of those of a trace."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from host.memory import U32_MASK
from host.models.options import OptionsError, options_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from host.models.options import ModelOptions

_ITEMS: Final = 4096
"""Of a list, at most: far more than a tensor has dimensions, or a model builders."""

_SHA256: Final = re.compile("[0-9a-f]{64}")


class TraceError(Exception):
    """A file that is no trace; the message is one line that says where and why."""


@dataclass(frozen=True, slots=True)
class Members:
    """A JSON object of a trace and the line it is in; each member is taken out as what it has to be."""

    number: int
    values: Mapping[str, object]

    def wrong(self, key: str, wanted: str) -> TraceError:
        """Return the error that `key` is not what is `wanted`."""
        return TraceError(f"line {self.number}: `{key}` is not {wanted}")

    def has(self, key: str) -> bool:
        """Return whether there is a `key`, and it is not null."""
        return self.values.get(key) is not None

    def u32(self, key: str) -> int:
        """Return a number of 32 bits."""
        return self._u32(key, self.values.get(key))

    def sha256(self, key: str) -> str:
        """Return a hash in hex."""
        value = self.text(key)
        if not _SHA256.fullmatch(value):
            raise self.wrong(key, "a SHA-256 in hex")
        return value

    def model_options(self, key: str) -> ModelOptions:
        """Return how a model ran."""
        given = {name: value for name, value in self.child(key).values.items() if value is not None}
        try:
            return options_from(given)
        except OptionsError as error:
            raise self.wrong(key, f"how a model can be run: {error}") from None

    def u32s(self, key: str) -> tuple[int, ...]:
        """Return a list of them."""
        return tuple(self._u32(key, item) for item in self._list(key))

    def text(self, key: str) -> str:
        """Return a string."""
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def octets(self, key: str) -> bytes:
        """Return bytes that were written as text."""
        try:
            return self.text(key).encode(errors="surrogateescape")
        except UnicodeEncodeError:
            raise self.wrong(key, "text that bytes could have been") from None

    def data(self, key: str) -> bytes:
        """Return bytes that were written in base64."""
        try:
            return b64decode(self.text(key), validate=True)
        except ValueError:
            raise self.wrong(key, "base64") from None

    def child(self, key: str) -> Members:
        """Return an object."""
        return self._members(key, self.values.get(key))

    def children(self, key: str) -> tuple[Members, ...]:
        """Return a list of them."""
        return tuple(self._members(key, item) for item in self._list(key))

    def _u32(self, key: str, value: object) -> int:
        if type(value) is not int or not 0 <= value <= U32_MASK:  # a bool is an int, but not of this type
            raise self.wrong(key, "a number of 32 bits")
        return value

    def _members(self, key: str, value: object) -> Members:
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Members(self.number, value)

    def _list(self, key: str) -> list[object]:
        value = self.values.get(key)
        if not isinstance(value, list) or len(value) > _ITEMS:
            raise self.wrong(key, f"a list of at most {_ITEMS}")
        return value
