"""How a model is to run: on which device, how exactly, on how many threads, in which layout; plain data."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.abi import ExecutionTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

PRECISIONS: Final = ("f32", "bf16", "f16", "auto")
"""What arithmetic is done in; `auto` leaves it to the device."""

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
    and the answers then depend on the machine. `threads` is None for as many as the backend likes. `layout`,
    when not None, is how the guest lays out inputs that the model wants in another layout.
    """

    device: str = DEVICES[ExecutionTarget.CPU]
    precision: str = PRECISIONS[0]
    threads: int | None = None
    layout: str | None = None


DEFAULT: Final = ModelOptions()
"""Of a model for which nothing was asked."""
