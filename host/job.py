"""What one run is given and how it can end badly: plain data, to be had without loading wasmtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.errors import NnError
    from host.nn import Limits, Serving
    from host.registry import Registry


@dataclass(frozen=True, slots=True)
class Preopen:
    """A folder of the host's that the guest sees as `guest`."""

    host: Path
    guest: str
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """What ends a run: seconds of time, bytes of guest memory, units of fuel (about one an instruction).

    None is no bound.
    """

    timeout: float | None = None
    memory_bytes: int | None = None
    fuel: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """All that one run needs; `arguments` go to the guest after its own name, `abi` is a dialect's name."""

    guest: Path
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    preopens: tuple[Preopen, ...]
    registry: Registry
    abi: str
    limits: Limits
    bounds: Bounds
    serving: Serving


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of what happens during a run.

    `report` hears of failed wasi-nn calls (function, error), `notice` of what takes long before it starts,
    `warn` of what the operator should know unasked.
    """

    report: Callable[[str, NnError], None]
    notice: Callable[[str], None]
    warn: Callable[[str], None]


class BadGuestError(Exception):
    """A guest, or a folder for it, that cannot be used: one line that says what would help."""


class GuestExit(Exception):  # noqa: N818 (an exit, not an error: raised by `proc_exit` to leave the guest)
    """The guest ended itself; `code` is the u32 it gave."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class LimitError(Exception):
    """A bound of the operator's ended the run; the message is one line and names the option that sets it."""


class GuestTrapError(Exception):
    """The guest trapped; the message is one line."""
