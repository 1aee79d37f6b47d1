"""The names of a model's inputs and outputs, from OpenVINO's C API; their types are in `openvino_graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.backends.openvino_c import CData, Library, OpenVinoError

if TYPE_CHECKING:
    from collections.abc import Callable


def names(
    ov: Library, model: CData, size: Callable[..., int], by_index: Callable[..., int]
) -> tuple[str, ...]:
    """Return the name of each port, `""` for one without."""
    free = ov.lib.ov_output_const_port_free
    indexes = range(ov.number("size_t", size, model))
    return tuple(_name(ov, ov.make("ov_output_const_port_t", by_index, model, n, free=free)) for n in indexes)


def _name(ov: Library, port: CData) -> str:
    try:
        return ov.text(ov.lib.ov_port_get_any_name, port)
    except OpenVinoError:  # OpenVINO's way to say that it has none
        return ""
