"""What one run is given and how it can end badly: plain data, to be had without loading wasmtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from host.quantities import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.errors import NnError
    from host.models.registry import Registry
    from host.nn import Limits, Serving
    from host.tracing.observe import Call, Watch
    from host.tracing.stats import Stats


RECORD_OUTPUT_BYTES: Final = 64 << 20
"""What a guest may answer to one record when nothing else is asked."""

MEMORY_BYTES: Final = 2 << 30
"""What a guest's memory may grow to when nothing else is asked; it could address twice as much."""

_I64_MAX: Final = (1 << 63) - 1
_U64_MAX: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Preopen:
    """A folder of the host's that the guest sees as `guest`.

    Nothing outside of it can be reached through it: no `..` and no link leads out.
    """

    host: Path
    guest: str
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """What ends a run: seconds of time, bytes of guest memory, units of fuel (about one an instruction).

    None is no bound of time or fuel, and of memory MEMORY_BYTES. ValueError when a bound makes no sense.
    """

    timeout: float | None = None
    memory_bytes: int | None = None
    fuel: int | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout <= LONGEST:
            raise ValueError(f"a timeout is above 0 s and at most {LONGEST:.0f} s, not {self.timeout}")
        if self.memory_bytes is not None and not 0 <= self.memory_bytes <= _I64_MAX:
            raise ValueError(f"memory is from 0 to {_I64_MAX} bytes, not {self.memory_bytes}")
        if self.fuel is not None and not 0 <= self.fuel <= _U64_MAX:
            raise ValueError(f"fuel is from 0 to {_U64_MAX}, not {self.fuel}")

    @property
    def out_of_time(self) -> str:
        """What to say of a guest that was stopped for its time."""
        return f"the guest did not end within the {self.timeout or 0:g} s that `--timeout` gives it"


@dataclass(frozen=True, slots=True)
class Stdio:
    """Files in place of the process's own streams; a guest without `stdin` reads an empty one."""

    stdin: str | None
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Job:
    """All that one run needs.

    `arguments` go to the guest after the name of its file; `abi` is a dialect's name. `code` is the guest's
    WebAssembly where it is not in the file `guest`, which then is only what the guest is called. `stdio` is
    None for the streams of the process.
    """

    guest: Path
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    preopens: tuple[Preopen, ...]
    registry: Registry
    abi: str
    limits: Limits
    bounds: Bounds
    serving: Serving
    code: bytes | None = None
    stdio: Stdio | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of what happens during a run.

    `report` hears of failed wasi-nn calls (function, error), `notice` of what takes long before it starts,
    `warn` of what the operator should know unasked, `watch` of every wasi-nn call when it is not None.
    """

    report: Callable[[str, NnError], None]
    notice: Callable[[str], None]
    warn: Callable[[str], None]
    watch: Watch | None = None


class BadGuestError(Exception):
    """A guest, or a folder for it, that cannot be used: one line that says what would help.

    `details` are further lines, (kind, text), where one is not enough.
    """

    def __init__(self, message: str, details: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.details = details


class RunError(Exception):
    """A run that had begun and did not come to an exit; the message is one line.

    `stdout`, `stderr`, `notes`, `stats` and `trace` are what there was until then, as in a `RunResult`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.stdout = b""
        self.stderr = b""
        self.notes: tuple[str, ...] = ()
        self.stats: Stats | None = None
        self.trace: tuple[Call, ...] | None = None


class GuestTrapError(RunError):
    """The guest trapped."""


class LimitError(RunError):
    """A bound of the operator's ended the run; `limit` is its name: `timeout`, `max_memory` or `fuel`."""

    def __init__(self, message: str, limit: str) -> None:
        super().__init__(message)
        self.limit = limit
