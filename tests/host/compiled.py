"""What a compiled model says of itself, by a function of OpenVINO's that the host does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cffi import FFI

from host.backends.openvino_c import find
from host.backends.openvino_ffi import ffi

if TYPE_CHECKING:
    from host.backends.openvino_graph import OpenVinoGraph

INSPECTOR = FFI()
INSPECTOR.cdef(
    "int ov_compiled_model_get_property(void *model, const char *key, char **value); void ov_free(char *);"
)


def property_of(graph: OpenVinoGraph, key: str) -> str:
    """Return a property of a compiled model."""
    lib: Any = INSPECTOR.dlopen(str(find()))
    value = INSPECTOR.new("char **")
    model = INSPECTOR.cast("void *", int(ffi.cast("uintptr_t", graph.compiled)))
    assert lib.ov_compiled_model_get_property(model, key.encode(), value) == 0
    text: Any = INSPECTOR.string(value[0])
    lib.ov_free(value[0])
    return str(text.decode())
