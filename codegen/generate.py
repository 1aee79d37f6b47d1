"""The whole way from witx files to generated text: load, resolve, build views, render.

It writes nothing; `output` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from codegen import naming
from codegen.loader import Loader
from codegen.resolve import resolve
from codegen.targets import c, python, rust

if TYPE_CHECKING:
    from pathlib import Path

    from codegen import model

SPEC: Final = "witx/wasi_ephemeral_nn.witx"


def document(specs: tuple[Path, ...]) -> model.Document:
    """Return the resolved document of these files, in one scope.

    Raises:
        WitxError: something in them is wrong.
    """
    return resolve(tuple(map(str, specs)), Loader().load)


def headers(root: Path) -> dict[Path, str]:
    """Return path and text of every file generated from the project's own interface.

    Raises:
        WitxError: the witx text is wrong, or a target cannot express it.
    """
    from codegen.render import render  # noqa: PLC0415 (Jinja costs start-up time; a bad spec needs none of it)

    spec = document((root / SPEC,))
    prefix = naming.prefix_of(spec.modules[0].name)
    return {
        root / "guest/c/include/wasi_ephemeral_nn.h": render("c/header.h.j2", c.build(spec, prefix)),
        root / "guest/rust/src/raw.rs": render("rust/raw.rs.j2", rust.build(spec)),
        root / "host/abi.py": render("python/abi.py.j2", python.build(spec), blank_lines=2),
    }
