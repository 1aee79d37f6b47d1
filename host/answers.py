"""An answer as the members of a JSON object; to be had without loading wasmtime."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host.lanes import Answer


def members(answer: Answer) -> dict[str, object]:
    """Return what there is to tell of an answer besides which record it is of."""
    if answer.error is not None:
        return {"error": answer.error, **({"notes": answer.notes} if answer.notes else {})}
    try:
        return {"output": answer.output.decode()}
    except UnicodeDecodeError:
        return {"output_base64": base64.b64encode(answer.output).decode()}
