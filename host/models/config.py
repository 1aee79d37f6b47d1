"""What a guest asks of a named model in `load_by_name_with_config`: JSON to options, within what it may ask.

Compiles nothing and knows no files; which options there are is `host.models.options`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NoReturn

from host.errors import Condition, NnError
from host.models.options import KEYS, OptionsError, options_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from host.abi import ExecutionTarget
    from host.models.options import ModelOptions

_KEYS_SHOWN: Final = 8


def parse(config: bytes) -> dict[str, object]:
    """Return the JSON object in `config`, UTF-8; nothing at all, or blanks, is the empty object.

    Raises NnError(BAD_CONFIGURATION) for what is not JSON, not an object, or has a key twice, NaN or an
    infinity in it: hosts read those differently.
    """
    import json  # noqa: PLC0415 - few guests have a configuration

    try:
        text = config.decode()
        found: object = (
            json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant) if text.strip() else {}
        )
    except UnicodeDecodeError as error:
        raise _bad(f"not UTF-8: {error.reason}") from None
    except RecursionError:
        raise _bad("nested too deep") from None
    except ValueError as error:  # a JSONDecodeError is one, and what is said of an integer of many digits
        raise _bad(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise _bad(f"a JSON {type(found).__name__}, not an object")
    return found


def configure(
    given: Mapping[str, object],
    own: ModelOptions,
    *,
    fixed: frozenset[str],
    devices: Mapping[ExecutionTarget, str],
    notice: Callable[[str], None],
) -> ModelOptions:
    """Return the options that a named model is to run with.

    Args:
        given: What the guest asks for. Keys of other hosts are passed over, and `notice` hears of them.
        own: The operator's options for the model, which hold where the guest asks nothing.
        fixed: The options the operator has chosen for this model; the guest may only ask for the same.
        devices: The devices that guests may have, by target. A guest names a target (`gpu`) or a device.
        notice: Hears of what is not done as asked: keys passed over, threads beyond the machine's processors.

    Raises:
        NnError: BAD_CONFIGURATION for a value that cannot be, OPTION_FIXED for one that the operator does not
            leave to the guest.
    """
    foreign = [key for key in given if key not in KEYS]
    if foreign:
        shown = ", ".join(f"`{key}`" for key in foreign[:_KEYS_SHOWN])
        rest = f" and {len(foreign) - _KEYS_SHOWN} more" if len(foreign) > _KEYS_SHOWN else ""
        notice(f"passing over {shown}{rest} in the guest's configuration: this host has {', '.join(KEYS)}")
    known = {key: value for key, value in given.items() if key in KEYS}
    if isinstance(known.get("device"), str):
        known["device"] = _device(str(known["device"]), own, devices)
    try:
        asked = options_from(known, own)
    except OptionsError as error:
        raise _bad(str(error)) from None
    for key in sorted(fixed & known.keys()):
        if getattr(asked, key) != getattr(own, key):
            raise NnError(
                Condition.OPTION_FIXED,
                f"the operator has set `{key}` of this model to `{getattr(own, key)}`: "
                f"the guest cannot have `{getattr(asked, key)}`",
            )
    return _within_processors(asked, own, notice)


def _device(asked: str, own: ModelOptions, devices: Mapping[ExecutionTarget, str]) -> str:
    """Return the device that a guest means: by its target, in either case, or by its own name."""
    targets = {target.name.lower(): device for target, device in devices.items()}
    found = targets.get(asked.lower(), asked)
    if found not in {own.device, *targets.values()}:
        shown = ", ".join(f"{name} ({device})" for name, device in targets.items())
        raise NnError(Condition.OPTION_FIXED, f"device `{asked}` is none that guests may have: {shown}")
    return found


def _within_processors(asked: ModelOptions, own: ModelOptions, notice: Callable[[str], None]) -> ModelOptions:
    most = max(os.cpu_count() or 1, own.threads or 1)
    if asked.threads is None or asked.threads <= most:
        return asked
    notice(f"giving the guest {most} threads, not {asked.threads}: more would wait for each other")
    return replace(asked, threads=most)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _bad(reason: str) -> NnError:
    return NnError(Condition.BAD_CONFIGURATION, f"the guest's configuration: {reason}")
