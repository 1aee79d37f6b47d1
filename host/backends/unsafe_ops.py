"""The operations a guest's model may not hold, because they leave its own memory; looks for none itself."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from host.errors import Condition, NnError

_UNSAFE: Final = MappingProxyType(
    {"gathernd": "it does not check its indices, and so reads whatever else the host has in memory"}
)
"""Lower-case name, of IR and ONNX alike, to why. OpenVINO takes names in any case."""


def check_op(name: str) -> None:
    """Raise NnError(MODEL_UNSAFE) when the operation `name`, of any opset and domain, is unsafe."""
    why = _UNSAFE.get(name.lower())
    if why:
        raise NnError(Condition.MODEL_UNSAFE, f"the model has the operation `{name}`: {why}")
