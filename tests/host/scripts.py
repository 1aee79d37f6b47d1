"""Guests that are a list of calls: commands in WAT that make them in order and drop the errnos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmtime import wat2wasm

from host import abi
from host.bindings import FUNCTIONS
from tests.host.guests import DATA, DIMENSIONS, OUT, PAGE, TENSOR, f32

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Script = tuple[str, tuple[int, ...]]

NAME = 256
"""Where a name is."""
OUTPUT = 2048
"""Where outputs go."""
BUILDERS, MODEL = 512, 8192
"""Where a model's builders are, and their bytes."""


def command(
    script: Sequence[Script],
    memory: Mapping[int, bytes],
    end: str = "",
    functions: Sequence[abi.Function] = FUNCTIONS,
) -> bytes:
    """Return a guest that makes the calls of `script` (function, arguments) and then does `end`.

    `memory` is what is where in it; `functions` are those that it imports.
    """
    imports, calls = [], []
    for function in functions:
        kind = f"(param {' '.join(param.type for param in function.params)}) (result i32)"
        imports.append(f'(import "{function.module}" "{function.name}" (func ${function.name} {kind}))')
    for name, arguments in script:
        calls.append(f"(drop (call ${name} {' '.join(f'(i32.const {value})' for value in arguments)}))")
    data = [f'(data (i32.const {at}) "{_escaped(content)}")' for at, content in memory.items()]
    pages = max((at + len(content) for at, content in memory.items()), default=0) // PAGE + 1
    return bytes(
        wat2wasm(
            f'(module {" ".join(imports)} (memory (export "memory") {pages}) {" ".join(data)}'
            f'(func (export "_start") {" ".join(calls)} {end}))'
        )
    )


def inference(
    *values: float, load: Sequence[Script] = (), more: Sequence[Script] = ()
) -> tuple[list[Script], dict[int, bytes]]:
    """Return a script, and its memory, that gives `values` ([n], f32) to a model and gets its output back.

    The model is called `net`, or what `load` makes as graph 1; `more` comes at the end. The context is 2.
    """
    data = f32(*values)
    script = [
        *(load or [("load_by_name", (NAME, 3, OUT))]),
        ("init_execution_context", (1, OUT)),
        ("set_input", (2, 0, TENSOR)),
        ("compute", (2,)),
        ("get_output", (2, 0, OUTPUT, 1024, OUT)),
        *more,
    ]
    return script, {
        TENSOR: abi.TENSOR.pack(DIMENSIONS, 1, abi.TensorType.F32, DATA, len(data)),
        DIMENSIONS: len(values).to_bytes(4, "little"),
        NAME: b"net",
        DATA: data,
    }


def from_bytes(builders: tuple[bytes, ...]) -> tuple[list[Script], dict[int, bytes]]:
    """Return the call that loads an IR from `builders`, and its memory."""
    entries, memory, at = b"", {}, MODEL
    for builder in builders:
        entries += abi.GRAPH_BUILDER.pack(at, len(builder))
        memory[at] = builder
        at += len(builder)
    arguments = (BUILDERS, len(builders), abi.GraphEncoding.OPENVINO, abi.ExecutionTarget.CPU, OUT)
    return [("load", arguments)], {**memory, BUILDERS: entries}


def _escaped(data: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in data)
