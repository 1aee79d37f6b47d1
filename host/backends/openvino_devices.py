"""OpenVINO's devices: which there are, what an operator's choice comes to, which precisions it computes in.

Compiles nothing. There is no fallback that the operator did not ask for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.backends import Device
from host.backends.openvino_c import OpenVinoError
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

AUTO: Final = "AUTO"
CPU: Final = "CPU"
_AUTO_FULL_NAME: Final = "the one of these that OpenVINO prefers"
_KINDS: Final = (CPU, "GPU", "NPU")
"""What is always listed, there or not."""

OVER_DEVICES: Final = frozenset({AUTO, "HETERO", "MULTI", "BATCH"})
"""What is no device itself and runs on those given after a colon."""

_NAME: Final = r"[A-Z]+(?:\.[0-9]+)*"
_CHOICE: Final = re.compile(rf"({_NAME})(?::((?:-?{_NAME}(?:\([0-9]+\))?)(?:,-?{_NAME}(?:\([0-9]+\))?)*))?")
_ITEM: Final = re.compile(rf"(-?)({_NAME})")
_LIBRARY_MISSING: Final = re.compile(r"(\S+): cannot open shared object file")

_PRECISIONS: Final[Mapping[str, str]] = MappingProxyType({"f32": "FP32", "bf16": "BF16", "f16": "FP16"})
"""Precision to the capability that a device which computes in it has."""

AS_IT_LIKES: Final = "auto"


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices of one OpenVINO.

    `found` lists those there are: not called for the CPU alone, since OpenVINO then loads what it has for all
    devices. `ask` gives a property of a device, or raises OpenVinoError.
    """

    found: Callable[[], tuple[str, ...]]
    ask: Callable[[str, str], str]

    @property
    def available(self) -> tuple[str, ...]:
        """The names of the devices there are."""
        return self.found()

    def all(self) -> tuple[Device, ...]:
        """Return every device that is there, and of the usual kinds why one is not."""
        absent = [kind for kind in _KINDS if not any(_kind(name) == kind for name in self.available)]
        found = [self._available(name) for name in self.available]
        missing = [Device(kind, "", (), self._problem(kind)) for kind in absent]
        return (*found, *missing, self._available(AUTO))

    def resolve(self, choice: str) -> str:
        """Return what to compile for when the operator chose `choice`.

        That is `choice`, but of the devices of an `AUTO:` list only those that are there: such a list is how
        an operator asks for a fallback. NnError(DEVICE_NOT_AVAILABLE) when a device is not there.
        """
        head, names = self._parsed(choice)
        for excluded, name in names:
            if not excluded and not self._is_known(name):
                raise self._unavailable(choice, name)
        if head == AUTO and any(not excluded for excluded, _ in names):
            kept = [f"{excluded}{name}" for excluded, name in names if excluded or self._has(name)]
            if not any(not name.startswith("-") for name in kept):
                raise self._unavailable(choice, choice)
            return f"{AUTO}:{','.join(kept)}"
        for name in [name for excluded, name in names if not excluded] or [head]:
            if name not in OVER_DEVICES and not self._has(name):
                raise self._unavailable(choice, name)
        return choice

    def check_precision(self, resolved: str, precision: str) -> None:
        """Raise NnError(PRECISION_NOT_AVAILABLE) unless all devices `resolved` may use have `precision`."""
        if precision == AS_IT_LIKES:
            return
        capability = _PRECISIONS.get(precision)
        for name in self._used(resolved):
            capabilities = self._capabilities(name)
            if capability not in capabilities:
                has = [known for known, needed in _PRECISIONS.items() if needed in capabilities]
                raise NnError(
                    Condition.PRECISION_NOT_AVAILABLE,
                    f"{name} does not compute in {precision}, only in {', '.join([*has, AS_IT_LIKES])}",
                )

    def _used(self, resolved: str) -> tuple[str, ...]:
        head, names = self._parsed(resolved)
        if head not in OVER_DEVICES:
            return (head,)
        excluded = {name for minus, name in names if minus}
        listed = tuple(name for minus, name in names if not minus)
        return listed or tuple(name for name in self.available if _kind(name) not in excluded)

    def _parsed(self, choice: str) -> tuple[str, list[tuple[str, str]]]:
        """Return what stands before the colon, and each device after it with the minus that it may have."""
        parsed = _CHOICE.fullmatch(choice)
        if parsed is None or (parsed[2] and parsed[1] not in OVER_DEVICES):
            raise self._unavailable(choice, choice)
        return parsed[1], _ITEM.findall(parsed[2] or "")

    def _has(self, name: str) -> bool:
        # "GPU" where there are several is the first; "GPU.0" is how the only one may be called too.
        return name == CPU or any(name in {has, _kind(has), f"{has}.0"} for has in self.available)

    def _is_known(self, name: str) -> bool:
        return self._has(name) or _kind(name) in _KINDS

    def _unavailable(self, choice: str, name: str) -> NnError:
        asked = f"no device {name} here" if name == choice else f"no device {name} here for {choice}"
        has = ", ".join((*self.available, AUTO))
        return NnError(Condition.DEVICE_NOT_AVAILABLE, f"{asked}, only {has}")

    def _available(self, name: str) -> Device:
        full_name = _AUTO_FULL_NAME if name == AUTO else self.ask(name, "FULL_DEVICE_NAME")
        return Device(name, full_name, self._capabilities(name), None)

    def _capabilities(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(self.ask(name, "OPTIMIZATION_CAPABILITIES").split()))

    def _problem(self, kind: str) -> str:
        try:
            self.ask(kind, "FULL_DEVICE_NAME")
        except OpenVinoError as error:
            missing = _LIBRARY_MISSING.search(str(error))
            if missing:
                return f"no driver: the library {missing[1]} is not installed"
        return "no such hardware, or no driver for it"


def _kind(name: str) -> str:
    return name.partition(".")[0]
