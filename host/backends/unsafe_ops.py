"""What no model of a guest may hold, whatever its format: unsafe operations, absurd sizes; looks for none."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from host.errors import Condition, NnError

_READS: Final = "it does not check what it is given, and so reads whatever else the host has in memory"
_WRITES: Final = "it does not check its indices, and so writes to whatever else the host has in memory"

_UNSAFE: Final = MappingProxyType(
    {
        "gathernd": _READS,
        "scatterelements": _WRITES,
        "putalongaxis": _WRITES,  # what Paddle calls it
        "ctc": _READS,
        "psroi": _READS,
    }
)
"""Part of a name, in lower case and without underscores, to why.

OpenVINO takes names in any case; ONNX and IR write `GatherND`, TensorFlow `GatherNd` and `ResourceGatherNd`,
TensorFlow Lite `GATHER_ND` and `FlexGatherNd`, Paddle `gather_nd`. Each was seen to end the host on the CPU,
with indices, labels, lengths or axes that a guest can put into an input.
"""

_UNSAFE_WHOLE: Final = MappingProxyType({"scatter": _WRITES, "roll": _READS, "flexroll": _READS})
"""A whole name, likewise; `Scatter` is ONNX's old name of `ScatterElements`."""

_SHOWN: Final = 80


def check_op(name: str) -> None:
    """Raise NnError(MODEL_UNSAFE) when the operation `name`, of any opset and domain, is unsafe."""
    plain = name.lower().replace("_", "")
    parts = (why for part, why in _UNSAFE.items() if part in plain)
    why = _UNSAFE_WHOLE.get(plain) or next(parts, None)
    if why is not None:
        raise NnError(Condition.MODEL_UNSAFE, f"the model has the operation `{name[:_SHOWN]}`: {why}")


def check_size(elements: int, tensor_bytes: int) -> None:
    """Raise NnError(ABSURD_SIZE) when a tensor of so many elements, at least a byte each, is over the cap."""
    if elements > tensor_bytes:
        raise NnError(
            Condition.ABSURD_SIZE,
            f"the model has a tensor of {elements} elements; {tensor_bytes} is the most",
            "tensor_bytes",
        )
