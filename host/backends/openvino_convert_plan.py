"""What a conversion is to do to each input and output: what was asked, held against the ports of the model.

It reads and changes no model, and needs no OpenVINO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAYOUTS: Final = ("nchw", "nhwc")
ANY_SIZE: Final = "any"
"""In place of a height and width: pictures of every size."""

_CHANNELS: Final = (1, 3, 4)
_COLOURS: Final = 3
_FLOATS: Final = ("f16", "f32", "f64")
_NEEDS_FLOAT: Final = ("u8-input", "mean", "scale", "resize")


class ConvertError(Exception):
    """A model cannot be converted as asked; the message is one line."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One option: `--option [port=]value`; `text` is how it was spelled, `port` "" when none was named."""

    option: str
    text: str
    port: str
    value: Any


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output: a length of None is not fixed, `lengths` of None are of any rank.

    `shape` is the same as text, `layout` what the model says of its axes: one of LAYOUTS or None.
    `is_softmax` is an output that a softmax makes.
    """

    index: int
    names: tuple[str, ...]
    type: str
    lengths: tuple[int | None, ...] | None
    shape: str
    layout: str | None = None
    is_softmax: bool = False

    @property
    def name(self) -> str:
        """The name shown: the first one, or the index where there is none."""
        return self.names[0] if self.names else str(self.index)


@dataclass(frozen=True, slots=True)
class InputPlan:
    """What is put before an input, in this order: from `layout` to `inner`, size, channels, mean, scale.

    `resize` is the height and width of the guest's pictures, None when they are not resized, and `size` those
    of the model's. `mean` and `scale` have one number, one for each channel, or none.
    """

    port: Port
    layout: str | None = None
    inner: str | None = None
    is_u8: bool = False
    resize: tuple[int, int] | str | None = None
    size: tuple[int, int] = (0, 0)
    is_reversed: bool = False
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the input stays as it is, but for what is known of its layout."""
        return self.layout == self.inner and not (self.is_u8 or self.is_arithmetic or self.is_reversed)

    @property
    def is_arithmetic(self) -> bool:
        """Whether numbers are computed, and not only moved."""
        return bool(self.resize or self.mean or self.scale)


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """What is put behind an output: softmax over `axis`, then the `top_k` largest along it."""

    port: Port
    axis: int
    has_softmax: bool
    top_k: int | None


def assign(asks: Sequence[Ask], ports: Sequence[Port], kind: str) -> tuple[Mapping[str, Ask], ...]:
    """Return for each port what was asked of it, by option. ConvertError where that is not clear."""
    found: tuple[dict[str, Ask], ...] = tuple({} for _ in ports)
    for ask in asks:
        index = _index(ask, ports, kind)
        other = found[index].get(ask.option)
        if other is not None:
            raise ConvertError(
                f"`{ask.text}` and `{other.text}` are both for the {kind} `{ports[index].name}`"
            )
        found[index][ask.option] = ask
    return found


def check_shape(port: Port, ask: Ask) -> None:
    """Raise ConvertError when the shape asked for has another rank than the input."""
    wanted = len(ask.value.split(","))
    if port.lengths is not None and wanted != len(port.lengths):
        raise ConvertError(
            f"`{ask.text}`: the input `{port.name}` has {len(port.lengths)} dimensions ({port.shape}), "
            f"not {wanted}"
        )


def input_plan(port: Port, asks: Mapping[str, Ask]) -> InputPlan:
    """Return what to put before an input; ConvertError when that cannot be."""
    for option in _NEEDS_FLOAT:
        if option in asks and port.type not in _FLOATS:
            raise ConvertError(
                f"`{asks[option].text}`: the input `{port.name}` is {port.type}; this is for inputs of "
                f"{', '.join(_FLOATS)}"
            )
    layout, inner = _layouts(port, asks["layout"]) if "layout" in asks else (None, None)
    for option in ("resize", "rgb2bgr"):
        if option in asks and inner is None:
            raise ConvertError(
                f"`{asks[option].text}` has to know the axes of `{port.name}`: add `--layout nhwc` "
                "or `--layout nchw`, as your guest has its pixels"
            )
    plan = InputPlan(
        port,
        layout,
        inner,
        "u8-input" in asks,
        asks["resize"].value if "resize" in asks else None,
        _size(port, inner, asks["resize"]) if "resize" in asks and inner is not None else (0, 0),
        "rgb2bgr" in asks,
        asks["mean"].value if "mean" in asks else (),
        asks["scale"].value if "scale" in asks else (),
    )
    _check_channels(plan, asks)
    return plan


def output_plan(port: Port, asks: Mapping[str, Ask]) -> OutputPlan | None:
    """Return what to put behind an output, None for nothing; ConvertError when that cannot be."""
    if not asks:
        return None
    text = next(iter(asks.values())).text
    if port.type not in _FLOATS:
        raise ConvertError(
            f"`{text}`: the output `{port.name}` is {port.type}; this is for outputs of {', '.join(_FLOATS)}"
        )
    if "softmax" in asks and port.is_softmax:
        raise ConvertError(f"`{asks['softmax'].text}`: the output `{port.name}` is a softmax already")
    if port.lengths is None:
        raise ConvertError(f"`{text}`: the output `{port.name}` has no fixed number of dimensions")
    axis = _scores_axis(port, text)
    count = port.lengths[axis]
    top_k = asks["top-k"].value if "top-k" in asks else None
    if top_k is not None and count is None:
        raise ConvertError(
            f"`{text}`: how many scores `{port.name}` ({port.shape}) has is not fixed: give a `--shape`"
        )
    if top_k is not None and count is not None and top_k > count:
        raise ConvertError(f"`{asks['top-k'].text}`: the output `{port.name}` has only {count} scores")
    return OutputPlan(port, axis, "softmax" in asks, top_k)


def _scores_axis(port: Port, text: str) -> int:
    """Return the last axis of more than one score; the first one without a fixed length is the batch."""
    lengths = port.lengths or ()
    is_batched = bool(lengths) and lengths[0] is None
    axes = [axis for axis, length in enumerate(lengths) if length != 1 and not (is_batched and axis == 0)]
    if axes:
        return axes[-1]
    told = f"`{text}`: the output `{port.name}` ({port.shape}) is one number, not many scores"
    if is_batched:
        told += ", for each of a batch: where its first dimension is the scores, give a `--shape`"
    raise ConvertError(told)


def steps(plan: InputPlan) -> tuple[str, ...]:
    """Return what the model now does itself with what a guest hands over, in order, for a person."""
    told = [f"from u8 to {plan.port.type}"] * plan.is_u8
    if plan.layout != plan.inner:
        told.append(f"from {plan.layout} to {plan.inner}")
    if plan.resize:
        height, width = plan.size
        told.append(f"resized to {height} x {width}, bilinear")
    told += ["channels reversed"] * plan.is_reversed
    if plan.mean:
        told.append(f"minus {_numbers(plan.mean)}")
    if plan.scale:
        told.append(f"divided by {_numbers(plan.scale)}")
    return tuple(told)


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _index(ask: Ask, ports: Sequence[Port], kind: str) -> int:
    known = ", ".join(f"`{port.name}`" for port in ports)
    if not ask.port:
        if len(ports) == 1:
            return 0
        raise ConvertError(
            f"`{ask.text}`: say for which {kind}, as in `{_example(ask, ports)}`: "
            f"the model has {len(ports)}: {known}"
        )
    for port in ports:
        if ask.port in port.names:
            return port.index
    if ask.port.isdecimal() and int(ask.port) < len(ports):
        return int(ask.port)
    raise ConvertError(f"`{ask.text}`: the model has no {kind} `{ask.port}`, only {known}")


def _example(ask: Ask, ports: Sequence[Port]) -> str:
    option, _, value = ask.text.partition(" ")
    name = ports[0].name if ports else "NAME"
    return f"{option} {name}={value}" if value else f"{option}={name}"


def _layouts(port: Port, ask: Ask) -> tuple[str, str]:
    """Return the guest's layout and the model's; where the model does not say, its lengths do."""
    layout, inner = ask.value
    if port.lengths is None or len(port.lengths) != len(layout):
        raise ConvertError(
            f"`{ask.text}`: the input `{port.name}` ({port.shape}) has not the {len(layout)} dimensions "
            f"of {layout}"
        )
    lengths = port.lengths
    likely = [each for each in LAYOUTS if lengths[each.index("c")] in _CHANNELS]
    inner = inner or port.layout or (likely[0] if len(likely) == 1 else None)
    if inner is None:
        raise ConvertError(
            f"`{ask.text}`: nothing tells whether the model itself has `{port.name}` ({port.shape}) as nchw "
            f"or nhwc: say it too, as in `--layout {layout}:nchw`"
        )
    return layout, inner


def _check_channels(plan: InputPlan, asks: Mapping[str, Ask]) -> None:
    channels = None
    if plan.inner is not None and plan.port.lengths is not None:
        channels = plan.port.lengths[plan.inner.index("c")]
        if plan.is_reversed and channels != _COLOURS:
            raise ConvertError(
                f"`{asks['rgb2bgr'].text}`: the input {_shown(plan)} has {_count(channels)}, not {_COLOURS}"
            )
    for option, values in (("mean", plan.mean), ("scale", plan.scale)):
        if len(values) <= 1:
            continue
        if plan.inner is None:
            raise ConvertError(
                f"`{asks[option].text}`: one number for each channel needs a `--layout`, to know which axis "
                "the channels are"
            )
        if len(values) != channels:
            raise ConvertError(
                f"`{asks[option].text}`: the input {_shown(plan)} has {_count(channels)}, not {len(values)}"
            )


def _shown(plan: InputPlan) -> str:
    return f"`{plan.port.name}` ({plan.port.shape}, {plan.inner})"


def _count(channels: int | None) -> str:
    return "no fixed number of channels" if channels is None else f"{channels} channels"


def _size(port: Port, inner: str, ask: Ask) -> tuple[int, int]:
    """Return the height and width of the pictures that the model itself takes."""
    height, width = (port.lengths[inner.index(axis)] if port.lengths else None for axis in "hw")
    if height is None or width is None:
        raise ConvertError(
            f"`{ask.text}`: the input `{port.name}` ({port.shape}) takes pictures of more than one size: "
            "fix that of the model with `--shape`"
        )
    return height, width
