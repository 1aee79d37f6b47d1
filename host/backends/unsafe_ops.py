"""What no model of a guest may hold, whatever its format: unsafe operations, absurd sizes; looks for none."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from host.errors import Condition, NnError

_UNSAFE: Final = MappingProxyType(
    {"gathernd": "it does not check its indices, and so reads whatever else the host has in memory"}
)
"""Part of a name, in lower case and without underscores, to why.

OpenVINO takes names in any case; ONNX and IR write `GatherND`, TensorFlow `GatherNd` and `ResourceGatherNd`,
TensorFlow Lite `GATHER_ND` and `FlexGatherNd`, Paddle `gather_nd`.
"""

_SHOWN: Final = 80


def check_op(name: str) -> None:
    """Raise NnError(MODEL_UNSAFE) when the operation `name`, of any opset and domain, is unsafe."""
    plain = name.lower().replace("_", "")
    for part, why in _UNSAFE.items():
        if part in plain:
            raise NnError(Condition.MODEL_UNSAFE, f"the model has the operation `{name[:_SHOWN]}`: {why}")


def check_size(elements: int, tensor_bytes: int) -> None:
    """Raise NnError(ABSURD_SIZE) when a tensor of so many elements, at least a byte each, is over the cap."""
    if elements > tensor_bytes:
        raise NnError(
            Condition.ABSURD_SIZE,
            f"the model has a tensor of {elements} elements; {tensor_bytes} is the most",
            "tensor_bytes",
        )
