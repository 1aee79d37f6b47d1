"""Read a model with OpenVINO's Python package, and put steps before its inputs and behind its outputs.

What the steps are is decided in `host.backends.openvino_convert_plan`. Models are read by `Core.read_model`:
the same frontends as `openvino.convert_model` has, without that function's telemetry.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
from openvino import opset13 as ops
from openvino.preprocess import (  # type: ignore[import-untyped]  # see above
    PrePostProcessor,
    ResizeAlgorithm,
)

from host.backends.openvino_c import reason
from host.backends.openvino_convert_plan import ANY_SIZE, LAYOUTS, ConvertError, Port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from host.backends.openvino_convert_plan import Ask, InputPlan, OutputPlan

Model: TypeAlias = Any
"""An `openvino.Model`."""

INDICES: Final = "_indices"
"""What the name of an output ends in that has the indices of another's largest scores."""

CHANGED: Final = "_changed"
"""What the name of an output ends in when the one it had is still that of an input or another output."""


_SAME_NUMBERS: Final = ("Reshape", "Squeeze", "Unsqueeze", "Transpose", "Convert")


def read(core: Any, path: Path) -> Model:  # noqa: ANN401 - an openvino.Core, which is untyped
    """Return the model at `path`; ConvertError when OpenVINO cannot read it."""
    try:
        return core.read_model(path)
    except RuntimeError as error:
        raise ConvertError(f"model `{path}`: {reason(str(error))}") from error


def inputs(model: Model) -> tuple[Port, ...]:
    """Return the inputs."""
    return tuple(_port(index, port) for index, port in enumerate(model.inputs))


def outputs(model: Model) -> tuple[Port, ...]:
    """Return the outputs."""
    return tuple(
        replace(_port(index, port), is_softmax=_is_softmax(port.node.input_value(0).node))
        for index, port in enumerate(model.outputs)
    )


def reshape(model: Model, shapes: Sequence[Ask | None]) -> None:
    """Give the inputs the shapes asked for; ConvertError when the model does not work with them."""
    wanted = {
        model.input(index): openvino.PartialShape(f"[{ask.value}]")
        for index, ask in enumerate(shapes)
        if ask is not None
    }
    if not wanted:
        return
    try:
        model.reshape(wanted)
    except RuntimeError as error:
        given = ", ".join(f"`{ask.text}`" for ask in shapes if ask is not None)
        raise ConvertError(f"{given}: the model does not take that: {reason(str(error))}") from error


def put_before(model: Model, plans: Sequence[InputPlan]) -> Model:
    """Return the model with each plan's steps before its input; `model` itself is used up."""
    work = PrePostProcessor(model)
    for plan in plans:
        _describe(work.input(plan.port.index), plan)
        _add_steps(work.input(plan.port.index).preprocess(), plan)
    try:
        return work.build()
    except RuntimeError as error:
        raise ConvertError(
            f"OpenVINO cannot put these steps before the model: {reason(str(error))}"
        ) from error


def put_behind(model: Model, plans: Sequence[OutputPlan]) -> None:
    """Put each plan's softmax and top-k behind its output; indices become outputs at the end."""
    for plan in plans:
        result = model.output(plan.port.index).node
        scores = result.input_value(0)
        names = kept = scores.get_names()
        if _is_seen_elsewhere(scores):
            names = {f"{name}{CHANGED}" for name in names}
        else:
            kept = set()
        made = ops.softmax(scores, plan.axis).output(0) if plan.has_softmax else scores
        if plan.top_k is not None:
            best = ops.topk(made, plan.top_k, plan.axis, "max", "value", "i32", stable=True)
            made, indices = best.output(0), best.output(1)
            indices.set_names({f"{name}{INDICES}" for name in names})
            model.add_results([ops.result(indices)])
        result.input(0).replace_source_output(made)
        result.output(0).set_names(
            names
        )  # a result has names of its own, and gives them to what it is fed by
        scores.set_names(kept)
    model.validate_nodes_and_infer_types()


def _is_softmax(node: Any) -> bool:  # noqa: ANN401 - untyped, as all of OpenVINO
    """Return whether `node` is a softmax, or such numbers in another shape, order or type."""
    while node.get_type_name() in _SAME_NUMBERS:
        node = node.input_value(0).node
    return bool(node.get_type_name() == "Softmax")


def _is_seen_elsewhere(scores: Any) -> bool:  # noqa: ANN401 - untyped, as all of OpenVINO
    """Return whether a tensor is an input or another output too, which then keeps its name."""
    seen_by = [each for each in scores.get_target_inputs() if each.get_node().get_type_name() == "Result"]
    return len(seen_by) > 1 or scores.get_node().get_type_name() == "Parameter"


def _describe(info: Any, plan: InputPlan) -> None:  # noqa: ANN401 - see above
    tensor = info.tensor()
    if plan.is_u8:
        tensor.set_element_type(openvino.Type.u8)
    if plan.layout is not None and plan.inner is not None:
        tensor.set_layout(openvino.Layout(plan.layout.upper()))
        info.model().set_layout(openvino.Layout(plan.inner.upper()))
    if plan.resize == ANY_SIZE:
        tensor.set_spatial_dynamic_shape()
    elif plan.resize is not None:
        tensor.set_spatial_static_shape(*plan.resize)


def _add_steps(steps: Any, plan: InputPlan) -> None:  # noqa: ANN401 - see `_describe`
    """Add the steps in the order of `InputPlan`; all arithmetic is in f32."""
    if plan.is_u8 or plan.is_arithmetic:
        steps.convert_element_type(openvino.Type.f32)
    if plan.layout != plan.inner and plan.inner is not None:
        steps.convert_layout(openvino.Layout(plan.inner.upper()))
    if plan.resize is not None:
        steps.resize(ResizeAlgorithm.RESIZE_LINEAR)
    if plan.is_reversed:
        steps.reverse_channels()
    for values, step in ((plan.mean, steps.mean), (plan.scale, steps.scale)):
        if values:
            step(values[0] if len(values) == 1 else list(values))
    if plan.is_u8 or plan.is_arithmetic:
        steps.convert_element_type(getattr(openvino.Type, plan.port.type))


def _port(index: int, port: Any) -> Port:  # noqa: ANN401 - see `_describe`
    shape = port.partial_shape
    lengths = None
    if shape.rank.is_static:
        lengths = tuple(each.get_length() if each.is_static else None for each in shape)
    shown = ", ".join(map(str, shape)) if lengths is not None else "..."
    letters = str(openvino.layout_helpers.get_layout(port)).strip("[]").replace(",", "").lower()
    return Port(
        index,
        tuple(sorted(port.get_names())),
        port.element_type.get_type_name(),
        lengths,
        f"[{shown}]",
        letters if letters in LAYOUTS else None,
    )
