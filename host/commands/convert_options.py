"""The options of `convert` for an input or an output; whether they fit a model is not known here."""

from __future__ import annotations

import argparse
import math
import re
import struct
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from host.backends.openvino_convert_plan import ANY_SIZE, LAYOUTS, Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from host.console import Parser

INPUT_OPTIONS: Final = ("shape", "layout", "u8-input", "resize", "rgb2bgr", "mean", "scale")
OUTPUT_OPTIONS: Final = ("softmax", "top-k")

_FLAGS: Final = ("--u8-input", "--rgb2bgr", "--softmax")
_SIGNED: Final = ("--mean", "--scale")
_NEGATIVE: Final = re.compile(r"-[0-9.]")
_LENGTH: Final = r"(?:[1-9][0-9]{0,8}|\?|[1-9][0-9]{0,8}\.\.[1-9][0-9]{0,8})"
_SHAPE: Final = re.compile(rf"{_LENGTH}(?:,{_LENGTH})*")
_SIZE: Final = re.compile(r"([1-9][0-9]{0,4}),([1-9][0-9]{0,4})")
_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}")


def add_to(parser: Parser) -> None:
    """Add the options to `parser`."""
    inputs = parser.add_argument_group("inputs: what a guest hands over, and what the model makes of it")
    outputs = parser.add_argument_group("outputs")
    for group, name, metavar, value, purpose in (
        (inputs, "shape", "[NAME=]1,3,224,224", _shape,
         "the model's own shape, before everything else here; `?` is any length, `1..8` a range"),
        (inputs, "layout", "[NAME=]GUEST[:MODEL]", _layout,
         "how the guest has its pixels, nhwc or nchw, and the model, where its shape does not tell"),
        (inputs, "u8-input", "[=NAME]", _flag, "the guest hands over bytes (u8), not floats"),
        (inputs, "resize", "[NAME=]H,W", _size,
         f"the guest's pictures have this height and width, or `{ANY_SIZE}`; the model resizes them"),
        (inputs, "rgb2bgr", "[=NAME]", _flag, "the guest has the channels the other way round"),
        (inputs, "mean", "[NAME=]M[,M...]", _numbers,
         "subtract it: one number, or one for each channel in the model's own order"),
        (inputs, "scale", "[NAME=]S[,S...]", _divisors, "then divide by it, likewise"),
        (outputs, "softmax", "[=NAME]", _flag, "make probabilities of the scores, along their last axis"),
        (outputs, "top-k", "[NAME=]K", _count,
         "give only the K largest, sorted, and their indices (i32) as one more output at the end"),
    ):  # fmt: skip
        group.add_argument(
            f"--{name}", metavar=metavar, action="append", default=[], help=purpose,
            type=partial(_ask, name, value),
        )  # fmt: skip


def joined(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` as argparse takes them for what they mean.

    `--flag` becomes `--flag=`, so that the word behind it is not taken for its NAME, and `--mean -1,0`
    becomes `--mean=-1,0`, so that the numbers are not taken for an option.
    """
    words: list[str] = []
    for each in arguments:
        if words and words[-1] in _SIGNED and _NEGATIVE.match(each):
            words[-1] += f"={each}"
        else:
            words.append(f"{each}=" if each in _FLAGS else each)
    return words


def asked(options: argparse.Namespace, names: tuple[str, ...]) -> tuple[Ask, ...]:
    """Return what was asked by the options of these names."""
    return tuple(ask for name in names for ask in getattr(options, name.replace("-", "_")))


def _ask(option: str, value: Callable[[str], Any], text: str) -> Ask:
    spelled = f"--{option} {text}".rstrip()
    if value is _flag:
        return Ask(option, f"--{option}={text}" if text else spelled, text, None)
    port, _, rest = text.rpartition("=")
    try:
        return Ask(option, spelled, port, value(rest))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"`{text}`: {error}") from error


def _flag(text: str) -> None:
    """Stand for an option without a value."""


def _shape(text: str) -> str:
    if _SHAPE.fullmatch(text) is None:
        raise ValueError("no shape: lengths, as in 1,3,224,224, where `?` is any and `1..8` a range")
    return text


def _layout(text: str) -> tuple[str, str | None]:
    layout, colon, inner = text.partition(":")
    if layout not in LAYOUTS or (colon and inner not in LAYOUTS):
        raise ValueError(f"no layout: {' or '.join(LAYOUTS)}, or two of them, as in nhwc:nchw")
    return layout, inner or None


def _size(text: str) -> tuple[int, int] | str:
    if text == ANY_SIZE:
        return text
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"no size: height and width, as in 480,640, or `{ANY_SIZE}`")
    return int(found[1]), int(found[2])


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(_number, text.split(",")))
    except (ValueError, OverflowError):
        raise ValueError("no numbers: one, or several with commas, as in 104,117,123.5 or 1e-3") from None


def _number(text: str) -> float:
    """Return the number as f32, in which models compute; OverflowError where that has none so large."""
    (number,) = struct.unpack("<f", struct.pack("<f", float(text)))
    if not math.isfinite(number):
        raise ValueError("no number")
    return float(number)


def _divisors(text: str) -> tuple[float, ...]:
    numbers = _numbers(text)
    if 0 in numbers:
        raise ValueError("0 does not divide")
    return numbers


def _count(text: str) -> int:
    if _COUNT.fullmatch(text) is None:
        raise ValueError("no number of scores above 0")
    return int(text)
