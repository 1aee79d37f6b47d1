"""Compare a converted model with its source: the same random input, prepared in NumPy for the source.

Both run on the CPU in f32. What the steps mean is written here a second time, on purpose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from host.backends.openvino_c import reason
from host.backends.openvino_convert_plan import ANY_SIZE, ConvertError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from host.backends.openvino_convert_model import Model
    from host.backends.openvino_convert_plan import InputPlan, OutputPlan

    Array: TypeAlias = NDArray[Any]

TOLERANCE: Final = 1e-4
TOLERANCE_F16: Final = 0.1
"""The largest differences allowed, relative to the largest magnitude of the source's output.

Rounding weights to f16 moved the largest score of a real classifier by 0.036 of it on random input; a step
that is missing or wrong moves it by about 1.
"""

_FLOATS: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {"f16": np.float16, "f32": np.float32, "f64": np.float64}
)
_BYTE: Final = 256
_FREE_LENGTH: Final = 64
"""The length of a dimension of any length, but for the first one, which is likely the batch: 1."""

_MOST_ELEMENTS: Final = 1 << 28
"""How many elements an input may have that is made up."""

_CONFIG: Final = MappingProxyType({"INFERENCE_PRECISION_HINT": "f32"})
_REMEDY: Final = "fix its size with `--shape`, or leave the check out with `--no-check`"


@dataclass(frozen=True, slots=True)
class Difference:
    """How far an output is from the source's; `relative` is to the largest magnitude of the source's."""

    output: str
    absolute: float
    relative: float


def compare(
    core: Any,  # noqa: ANN401 - an openvino.Core, which is untyped
    models: tuple[Model, Model],
    inputs: Sequence[InputPlan],
    outputs: Sequence[OutputPlan],
    seed: int,
) -> tuple[Difference, ...]:
    """Return the difference at each output of the second of `models` from the first, its source.

    Raises ConvertError when one of them cannot be run, or an output of the source has but NaN and infinities.
    """
    source, result = models
    random = np.random.default_rng(seed)
    try:
        given = [_random(random, port, plan) for port, plan in zip(result.inputs, inputs, strict=True)]
        plain = [prepared(array, plan) for array, plan in zip(given, inputs, strict=True)]
    except (MemoryError, TypeError, ValueError, RuntimeError) as error:
        raise ConvertError(
            f"no input can be made up for the check: {_REMEDY} ({reason(str(error))})"
        ) from error
    expected = _run(core, source, plain, "source")
    found = _run(core, result, given, "converted")
    names = [port.any_name if port.get_names() else str(index) for index, port in enumerate(result.outputs)]
    for name, array in zip(
        names, expected, strict=False
    ):  # indices, which come last, are none of the source's
        if array.size and not np.isfinite(array).any():
            raise ConvertError(
                f"the check has nothing to compare: the source gives no number at `{name}` on random input "
                f"of seed {seed}: try another `--seed`, or leave the check out with `--no-check`"
            )
    pairs = _pairs(expected, found, outputs)
    return tuple(Difference(name, *_difference(*pair)) for name, pair in zip(names, pairs, strict=True))


def prepared(array: Array, plan: InputPlan) -> Array:
    """Return what the source model takes for what a guest hands to the result."""
    if plan.is_empty:
        return array
    made: Array = array.astype(np.float32) if plan.is_u8 or plan.is_arithmetic else array
    if plan.layout is not None and plan.inner is not None:
        made = made.transpose([plan.layout.index(axis) for axis in plan.inner])
    if plan.resize and plan.inner is not None:
        for axis, length in zip("hw", plan.size, strict=True):
            made = _resized(made, plan.inner.index(axis), length)
    if plan.is_reversed and plan.inner is not None:
        made = np.flip(made, plan.inner.index("c"))
    if plan.mean:
        made = made - _along_channels(plan.mean, plan)
    if plan.scale:
        made = made / _along_channels(plan.scale, plan)
    return np.ascontiguousarray(made, _FLOATS.get(plan.port.type, made.dtype))


def _along_channels(values: tuple[float, ...], plan: InputPlan) -> Array:
    array = np.array(values, np.float32)
    if len(values) == 1 or plan.inner is None:
        return array
    return array.reshape([-1 if axis == "c" else 1 for axis in plan.inner])


def _resized(array: Array, axis: int, length: int) -> Array:
    """Resize one axis: bilinear, the centres of pixels at halves, no smoothing."""
    old = array.shape[axis]
    at = np.clip((np.arange(length) + 0.5) * old / length - 0.5, 0, old - 1)
    low = np.floor(at).astype(np.int64)
    weight = (at - low).astype(np.float32).reshape([-1 if each == axis else 1 for each in range(array.ndim)])
    first, second = array.take(low, axis), array.take(np.minimum(low + 1, old - 1), axis)
    mixed: Array = first + (second - first) * weight
    return mixed


def _random(random: np.random.Generator, port: Any, plan: InputPlan) -> Array:  # noqa: ANN401 - untyped
    """Return a random array for an input; integers other than bytes are 0 or 1: they may be indices."""
    shape = [_length(axis, each, plan) for axis, each in enumerate(port.partial_shape)]
    if math.prod(shape) > _MOST_ELEMENTS:
        raise ValueError(f"{shape} is too large")
    kind = np.dtype(port.element_type.to_dtype())
    if kind.kind not in "fiub":
        raise ValueError("it is not numbers")
    if kind.kind != "f":
        return random.integers(0, _BYTE if kind == np.uint8 else 2, shape).astype(kind)
    made = random.uniform(0, _BYTE - 1, shape) if plan.is_arithmetic else random.standard_normal(shape)
    return made.astype(kind)


def _length(axis: int, dimension: Any, plan: InputPlan) -> int:  # noqa: ANN401 - untyped
    if dimension.is_static:
        return int(dimension.get_length())
    if plan.resize == ANY_SIZE and plan.layout is not None and plan.layout[axis] in "hw":
        # One to be made smaller and one to be made larger, neither by a whole factor.
        height, width = plan.size
        return height + height // 2 + 1 if plan.layout[axis] == "h" else width // 2 + 1
    low, high = dimension.min_length, dimension.max_length
    wanted = max(low, 1 if axis == 0 else _FREE_LENGTH)
    return int(wanted if high < 0 else min(wanted, high))


def _run(core: Any, model: Model, arrays: list[Array], which: str) -> list[Array]:  # noqa: ANN401 - untyped
    try:
        request = core.compile_model(model, "CPU", dict(_CONFIG)).create_infer_request()
        request.infer(arrays)
        return [np.array(request.get_output_tensor(index).data) for index in range(len(model.outputs))]
    except (RuntimeError, MemoryError, TypeError, ValueError) as error:
        shapes = ", ".join(str(list(array.shape)) for array in arrays)
        raise ConvertError(
            f"the check could not run the {which} model on inputs of {shapes}: {_REMEDY} "
            f"({reason(str(error))})"
        ) from error


def _pairs(
    expected: list[Array], found: list[Array], plans: Sequence[OutputPlan]
) -> Iterator[tuple[Array, Array]]:
    """Yield what to compare at each output: what the source gives, with softmax and top-k, and the result.

    Scores may be equal, or nearly, so indices are compared by the scores that they stand for.
    """
    planned = {plan.port.index: plan for plan in plans}
    chosen = []
    added = iter(found[len(expected) :])
    for index, array in enumerate(expected):
        plan = planned.get(index)
        if plan is None:
            yield array, found[index]
            continue
        scores = _softmax(array, plan.axis) if plan.has_softmax else array
        if plan.top_k is None:
            yield scores, found[index]
            continue
        best = np.flip(np.sort(scores, plan.axis), plan.axis).take(range(plan.top_k), plan.axis)
        yield best, found[index]
        chosen.append((best, _taken(scores, next(added), plan.axis)))
    yield from chosen


def _softmax(scores: Array, axis: int) -> Array:
    powers: Array = np.exp(scores.astype(np.float64) - scores.max(axis, keepdims=True))
    made: Array = powers / powers.sum(axis, keepdims=True)
    return made


def _taken(scores: Array, indices: Array, axis: int) -> Array:
    """Return the scores at the indices, NaN for those that are out of range."""
    is_inside = (indices >= 0) & (indices < scores.shape[axis])
    taken = np.take_along_axis(scores, np.where(is_inside, indices, 0), axis)
    return np.where(is_inside, taken, np.nan)


def _difference(expected: Array, found: Array) -> tuple[float, float]:
    """Return the largest difference, and that over the largest magnitude; infinite where not alike."""
    if expected.shape != found.shape:
        return np.inf, np.inf
    one, other = expected.astype(np.float64), found.astype(np.float64)
    is_same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        apart = np.where(is_same, 0.0, np.abs(one - other))
    absolute = float(np.where(np.isnan(apart), np.inf, apart).max(initial=0.0))
    largest = float(np.abs(one[np.isfinite(one)]).max(initial=0.0))
    return absolute, absolute / largest if largest else absolute
