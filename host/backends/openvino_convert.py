"""Convert a model to OpenVINO IR: read it, change its inputs and outputs, save it, compare the two.

Prints nothing; the facts are data, ready for JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed

from host.backends import openvino_convert_model as model
from host.backends.openvino_c import reason
from host.backends.openvino_convert_check import TOLERANCE, TOLERANCE_F16, Difference, compare
from host.backends.openvino_convert_files import Source, Target, check_target, find_source, made_beside
from host.backends.openvino_convert_plan import (
    Ask,
    ConvertError,
    InputPlan,
    OutputPlan,
    Port,
    assign,
    check_shape,
    input_plan,
    output_plan,
    steps,
)
from host.models.files import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

_MOST_TOLD: Final = 3


class CheckError(Exception):
    """The result computes something else than its source; the message is one line."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to convert, and how."""

    source: Path
    target: Target
    inputs: tuple[Ask, ...]
    outputs: tuple[Ask, ...]
    is_f16: bool
    seed: int | None
    """The seed of the check, None for no check."""


@dataclass(frozen=True, slots=True)
class PortFacts:
    """An input or output; `layout` is None where the model does not say it."""

    name: str
    type: str
    shape: str
    layout: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """An input or output before, None for a new one, and after; `steps` says what lies between."""

    index: int
    before: PortFacts | None
    after: PortFacts
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file that was written."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """The check that the result passed: its seed, what was allowed, what was found at each output."""

    seed: int
    tolerance: float
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a conversion did; `weights` says what those in f32 are kept in."""

    source: str
    format: str
    source_bytes: int
    inputs: tuple[Change, ...]
    outputs: tuple[Change, ...]
    weights: str
    files: tuple[FileFacts, ...]
    check: CheckFacts | None


def convert(request: Request) -> Facts:
    """Convert a model, and return what was done.

    Raises:
        ConvertError: it cannot be converted as asked; nothing was written.
        CheckError: it can, but computes something else; nothing was written.
        OSError: a file cannot be read or written; nothing was written.
    """
    source = find_source(request.source)
    check_target(request.target, source)
    core = openvino.Core()
    original = model.read(core, source.path)
    ports = model.inputs(original), model.outputs(original)
    changed, inputs, outputs = _changed(core, source, original, request)
    with made_beside(request.target) as path:
        _save(changed, path, is_f16=request.is_f16)
        result = model.read(core, path)
        check = None
        if request.seed is not None:
            found = compare(core, (original, result), inputs, outputs, request.seed)
            check = CheckFacts(request.seed, TOLERANCE_F16 if request.is_f16 else TOLERANCE, found)
            _check(check)
        return Facts(
            str(source.path),
            source.format,
            source.size,
            _changes(ports[0], model.inputs(result), {plan.port.index: steps(plan) for plan in inputs}),
            _changes(ports[1], model.outputs(result), _output_steps(outputs, len(ports[1]))),
            "f16, where the numbers fit" if request.is_f16 else "as they are",
            tuple(
                FileFacts(str(final), made.stat().st_size, sha256_of(made))
                for final in reversed(request.target.files)
                for made in [path.with_name(final.name)]
            ),
            check,
        )


def _changed(
    core: openvino.Core, source: Source, original: model.Model, request: Request
) -> tuple[model.Model, tuple[InputPlan, ...], tuple[OutputPlan, ...]]:
    """Return the model as asked for, and what was done; `original` gets a shape that it did not allow."""
    asks = assign(request.inputs, model.inputs(original), "input")
    shapes = [each.get("shape") for each in asks]
    for port, shape in zip(model.inputs(original), shapes, strict=True):
        if shape is not None:
            check_shape(port, shape)
    changed = model.read(core, source.path)
    model.reshape(changed, shapes)
    if not all(map(_allows, original.inputs, changed.inputs)):
        model.reshape(original, shapes)
    inputs = tuple(map(input_plan, model.inputs(changed), asks))
    wanted = assign(request.outputs, model.outputs(changed), "output")
    outputs = tuple(filter(None, map(output_plan, model.outputs(changed), wanted)))
    changed = model.put_before(changed, inputs)
    model.put_behind(changed, outputs)
    return changed, inputs, outputs


def _allows(one: openvino.ConstOutput, other: openvino.ConstOutput) -> bool:
    """Return whether a model with the port `one` runs on what `other` takes; not of any rank, on CPUs."""
    shape = one.partial_shape
    return bool(shape.rank.is_static and shape.relaxes(other.partial_shape))


def _save(changed: model.Model, path: Path, *, is_f16: bool) -> None:
    try:
        openvino.save_model(changed, path, compress_to_fp16=is_f16)
    except RuntimeError as error:
        raise ConvertError(
            f"the result could not be written to the folder `{path.parent.parent}` "
            f"({reason(str(error))}): is its disk full?"
        ) from error


def _check(check: CheckFacts) -> None:
    """Raise CheckError when something is further apart than it may be."""
    wrong = [each for each in check.differences if not each.relative <= check.tolerance]
    if wrong:
        told = ", ".join(f"`{each.output}` by {each.relative:.2g}" for each in wrong[:_MOST_TOLD])
        raise CheckError(
            f"the result differs from its source at {told} of its largest value, where {check.tolerance:g} "
            f"is allowed (random input of seed {check.seed}); nothing was written"
        )


def _changes(
    before: tuple[Port, ...], after: tuple[Port, ...], told: dict[int, tuple[str, ...]]
) -> tuple[Change, ...]:
    return tuple(
        Change(
            port.index,
            _facts(before[port.index]) if port.index < len(before) else None,
            _facts(port),
            told.get(port.index, ()),
        )
        for port in after
    )


def _facts(port: Port) -> PortFacts:
    return PortFacts(port.name, port.type, port.shape, port.layout)


def _output_steps(plans: tuple[OutputPlan, ...], count: int) -> dict[int, tuple[str, ...]]:
    """Return what was put behind the outputs, of which the source has `count`."""
    told: dict[int, tuple[str, ...]] = {}
    for plan in plans:
        softmax = (f"softmax over axis {plan.axis}",) * plan.has_softmax
        best = (f"the {plan.top_k} largest of axis {plan.axis}, sorted",) * (plan.top_k is not None)
        told[plan.port.index] = softmax + best
        if plan.top_k is not None:
            told[count] = (f"where in `{plan.port.name}` the {plan.top_k} largest are",)
            count += 1
    return told
