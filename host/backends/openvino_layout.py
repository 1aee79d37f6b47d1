"""Let a guest lay pictures out in another way than the model wants them: OpenVINO transposes the inputs.

Inputs only, and only those of rank 4; outputs stay as the model has them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from host.backends.openvino_c import CData, Library

_OTHER: Final[Mapping[str, str]] = MappingProxyType({"nhwc": "nchw", "nchw": "nhwc"})


def with_layout(ov: Library, model: CData, ranks: tuple[int | None, ...], layout: str) -> CData:
    """Return `model` with each input of rank 4 in the guest's `layout`, and before that in the other one.

    `ranks` has the rank of each input, None for a dynamic one. NnError(LAYOUT_DOES_NOT_FIT) when none is 4.
    """
    pictures = [index for index, rank in enumerate(ranks) if rank == len(layout)]
    if not pictures:
        raise NnError(
            Condition.LAYOUT_DOES_NOT_FIT, f"layout {layout}: the model has no input of rank {len(layout)}"
        )
    lib = ov.lib
    steps = ov.make(
        "ov_preprocess_prepostprocessor_t",
        lib.ov_preprocess_prepostprocessor_create,
        model,
        free=lib.ov_preprocess_prepostprocessor_free,
    )
    given, wanted = (
        ov.make("ov_layout_t", lib.ov_layout_create, name.upper().encode(), free=lib.ov_layout_free)
        for name in (layout, _OTHER[layout])
    )
    for index in pictures:
        info = ov.make(
            "ov_preprocess_input_info_t",
            lib.ov_preprocess_prepostprocessor_get_input_info_by_index,
            steps,
            index,
            free=lib.ov_preprocess_input_info_free,
        )
        tensor = ov.make(
            "ov_preprocess_input_tensor_info_t",
            lib.ov_preprocess_input_info_get_tensor_info,
            info,
            free=lib.ov_preprocess_input_tensor_info_free,
        )
        ov.check(lib.ov_preprocess_input_tensor_info_set_layout(tensor, given))
        inner = ov.make(
            "ov_preprocess_input_model_info_t",
            lib.ov_preprocess_input_info_get_model_info,
            info,
            free=lib.ov_preprocess_input_model_info_free,
        )
        ov.check(lib.ov_preprocess_input_model_info_set_layout(inner, wanted))
    return ov.make("ov_model_t", lib.ov_preprocess_prepostprocessor_build, steps, free=lib.ov_model_free)
