"""How a model is to run: on which device, how exactly, on how many threads, in which layout; plain data."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.abi import ExecutionTarget
from host.memory import U32_MASK

if TYPE_CHECKING:
    from collections.abc import Mapping

PRECISIONS: Final = ("f32", "bf16", "f16", "auto")
"""What arithmetic is done in; `auto` leaves it to the device."""

LATENCY: Final = "latency"
HINTS: Final = (LATENCY, "throughput")
"""What is to be made quick: each inference, or many at once."""

LAYOUTS: Final = ("nchw", "nhwc")
"""How a guest lays out the pictures it gives to a model."""

DEVICES: Final[Mapping[ExecutionTarget, str]] = MappingProxyType(
    {ExecutionTarget.CPU: "CPU", ExecutionTarget.GPU: "GPU", ExecutionTarget.TPU: "NPU"}
)
"""The device that each target of a guest stands for, unless the operator maps it elsewhere."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How one model is compiled and run.

    `device` is a device of the backend's (`CPU`, `GPU.1`, `AUTO:GPU,CPU`); nothing else is tried in its
    place. `precision` is f32 unless asked otherwise: left to itself OpenVINO picks bf16 on some processors,
    and the answers then depend on the machine. `threads` is None for one or all, whichever is quicker. `hint`
    is one of HINTS. `layout`, when not None, is how the guest lays out inputs that the model wants in another
    layout.
    """

    device: str = DEVICES[ExecutionTarget.CPU]
    precision: str = PRECISIONS[0]
    threads: int | None = None
    hint: str = LATENCY
    layout: str | None = None


DEFAULT: Final = ModelOptions()
"""Of a model for which nothing was asked."""

KEYS: Final = tuple(field.name for field in fields(ModelOptions))
"""What can be asked for one model."""

_THREADS_MOST: Final = 1024
_SHOWN_CHARACTERS: Final = 40


class OptionsError(Exception):
    """Options that make no sense; the message is one line: which one, what it was, and what would do."""


def options_from(given: Mapping[str, object], base: ModelOptions = DEFAULT) -> ModelOptions:
    """Return `base` with what is `given` in place of its own, by the names of its fields.

    The values are as JSON, TOML or a command line has them: `threads` may be a number or its decimal digits,
    and `auto` is None. Whether a device exists is for the backend to say. Raises
    OptionsError for an unknown key and for a value that cannot be.
    """
    for key in given:
        if key not in KEYS:
            raise OptionsError(f"there is no option `{shown(key)}`, only {', '.join(KEYS)}")
    checks = {
        "device": _device,
        "precision": _precision,
        "threads": _threads,
        "hint": _hint,
        "layout": _layout,
    }
    return replace(base, **{key: checks[key](value) for key, value in given.items()})  # type: ignore[arg-type]


def _device(value: object) -> str:
    if isinstance(value, str) and value and value.isascii() and value.isprintable():
        return value.upper()  # as all devices are spelled
    raise OptionsError(f"`device` is the name of a device, such as CPU, not {shown(value)}")


def _precision(value: object) -> str:
    return _one_of("precision", value, PRECISIONS)


def _hint(value: object) -> str:
    return _one_of("hint", value, HINTS)


def _layout(value: object) -> str:
    return _one_of("layout", value, LAYOUTS)


def _one_of(key: str, value: object, known: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in known:
        return value
    raise OptionsError(f"`{key}` is one of {', '.join(known)}, not {shown(value)}")


def _threads(value: object) -> int | None:
    if value == "auto":
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < _SHOWN_CHARACTERS:
        value = int(value)
    if type(value) is int and 1 <= value <= _THREADS_MOST:  # not a bool, which is an int too
        return value
    raise OptionsError(f"`threads` is `auto` or from 1 to {_THREADS_MOST}, not {shown(value)}")


def shown(value: object) -> str:
    """Return a value for a message, short whatever it is.

    Of what holds others only the type is told: a huge int anywhere in it cannot even be turned into text.
    """
    if isinstance(value, int) and abs(value) > U32_MASK:
        return "a number that large"
    if not isinstance(value, str | int | float | None):
        return f"a {type(value).__name__}"
    text = str(value)
    return f"`{text[:_SHOWN_CHARACTERS]}...`" if len(text) > _SHOWN_CHARACTERS else f"`{text}`"
