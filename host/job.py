"""What one run is given and how it can end badly: plain data, to be had without loading wasmtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.errors import NnError
    from host.registry import Registry


@dataclass(frozen=True, slots=True)
class Preopen:
    """A folder of the host's that the guest sees as `guest`."""

    host: Path
    guest: str


@dataclass(frozen=True, slots=True)
class Job:
    """All that one run needs; `arguments` go to the guest after its own name, `abi` is a dialect's name."""

    guest: Path
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    preopens: tuple[Preopen, ...]
    registry: Registry
    abi: str
    guest_models: bool
    """Whether the guest may load models from bytes: they run unsandboxed in the host's process."""


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


class GuestTrapError(Exception):
    """The guest trapped; the message is one line."""
