"""What bindings say of their model in words, the same in every language."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from codegen.source import quoted, visible

if TYPE_CHECKING:
    from codegen.bindings.model import Model, Port


def overview(model: Model) -> str:
    """Return what the head of a file says."""
    parts = [f"Bindings to {quoted(model.files[0])}, an {model.format} model."]
    if not model.parts:
        parts.append(
            "It has data in other files, so that a guest cannot load it from bytes: register it under a name."
        )
    parts.append(
        "Where it is registered under a name, the host checks each input against the model's shape and type "
        "when it is set; its bytes are checked where the operator gives their hash, as below."
    )
    return "\n\n".join(parts)


def registered(model: Model) -> str:
    """Return how the model is named on the command line, held to its hash."""
    graph = shlex.quote(f"--graph={model.name}={visible(model.files[0])},sha256={model.sha256}")
    return f"The SHA-256 of the model's files, one after the other. To hold a named model to it:\n\n`{graph}`"


def port_line(port: Port) -> str:
    """Return which port it is and what it takes, as the end of a sentence."""
    name = f", {quoted(port.name)}" if port.name else ""
    return f"{port.kind} {port.index}{name}: {port.shown}."
