"""Tables of live handles, each with a cap; a handle that was given out is never given out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class HandleTable(Generic[T]):
    """The live things of one kind and the u32 handles a guest knows them by."""

    def __init__(self, kind: str, cap: int, numbers: Iterator[int], limit: str | None = None) -> None:
        """Make an empty table.

        Args:
            kind: What the handles are, as the spec names it; for messages.
            cap: How many may be live at a time.
            numbers: Where new handles come from, rising; when it ends, so do handles. Tables of one store
                share it, so that a handle of one kind is never live as another.
            limit: The field of `Limits` that `cap` is from.
        """
        self._kind = kind
        self._cap = cap
        self._limit = limit
        self._numbers = numbers
        self._live: dict[int, T] = {}

    def check_room(self) -> None:
        """Raise NnError(OUT_OF_HANDLES) when no more may be live: asked before costly work, not after."""
        if len(self._live) >= self._cap:
            reason = f"{self._cap} live `{self._kind}` handles is the most"
            raise NnError(Condition.OUT_OF_HANDLES, reason, self._limit)

    def insert(self, value: T) -> int:
        """Return a new handle for `value`; NnError(OUT_OF_HANDLES) when the table is full."""
        self.check_room()
        handle = next(self._numbers, None)
        if handle is None:
            raise NnError(Condition.OUT_OF_HANDLES, f"no number is left for another `{self._kind}`")
        self._live[handle] = value
        return handle

    def find(self, handle: int) -> T | None:
        """Return what `handle` stands for; None when it is not live."""
        return self._live.get(handle)

    def get(self, handle: int) -> T:
        """Return what `handle` stands for; NnError(HANDLE_NOT_LIVE) when it is not live."""
        try:
            return self._live[handle]
        except KeyError:
            raise NnError(Condition.HANDLE_NOT_LIVE, f"`{self._kind}` {handle} is not live") from None

    def remove(self, handle: int) -> T:
        """Return what `handle` stood for and let go of it; NnError(HANDLE_NOT_LIVE) when it is not live."""
        value = self.get(handle)
        del self._live[handle]
        return value

    def clear(self) -> None:
        """Let go of all."""
        self._live.clear()
