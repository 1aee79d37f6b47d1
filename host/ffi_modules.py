"""Make the modules through which C libraries are called: `python -m host.ffi_modules` writes them.

They hold C declarations in a form that needs no C parser: to read those as text takes 50 to 100 ms at every
start, to import a module 1 to 3 ms. Loads none of the libraries.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import Final

from host import wasmtime_cdef
from host.backends import openvino_cdef

DECLARATIONS: Final = MappingProxyType(
    {"host.wasmtime_ffi": wasmtime_cdef.CDEF, "host.backends.openvino_ffi": openvino_cdef.CDEF}
)
"""What is declared, by the name of the module it becomes."""


def text(name: str, cdef: str) -> str:
    """Return the source of the module `name`, whose `ffi` has the declarations `cdef`."""
    from cffi import FFI  # noqa: PLC0415 - only here is a C parser needed

    builder = FFI()
    builder.cdef(cdef)
    builder.set_source(name, None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.py")
        builder.emit_python_code(str(path))
        _, _, code = path.read_text().partition("import _cffi_backend")
    source = f"{name.rpartition('.')[2].removesuffix('_ffi')}_cdef"
    banner = f"# Made from {source}.py by `python -m host.ffi_modules`. Do not edit.\n"
    doc = f'"""The declarations of `{source}`, already parsed."""\n\n'
    return f"{banner}{doc}import _cffi_backend{code}"


def path(name: str) -> Path:
    """Return where the module `name` is."""
    return Path(__file__).parent.parent.joinpath(*name.split(".")).with_suffix(".py")


if __name__ == "__main__":
    for module, declarations in DECLARATIONS.items():
        path(module).write_text(text(module, declarations))
