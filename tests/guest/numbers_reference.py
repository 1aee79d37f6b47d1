"""What `docs/image-and-math.md` specifies, written with NumPy: the reference for every SDK.

It shares no code with them, and is itself held to textbook formulas where it copies an order of operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]
    Ints = NDArray[np.int64]


def nearest(image: NDArray, height: int, width: int) -> NDArray:  # type: ignore[type-arg]  # u8 or f32
    """Return the inputs under the centres of the outputs; `image` is [height, width, channels]."""
    rows = (2 * np.arange(height) + 1) * image.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * image.shape[1] // (2 * width)
    result: NDArray = image[rows][:, columns]  # type: ignore[type-arg]
    return result


def _taps(length: int, outputs: int) -> tuple[Ints, Ints, F32]:
    """Return for each output the two inputs around its centre, and how far it is from the first."""
    position = np.maximum((2 * np.arange(outputs) + 1) * length - outputs, 0)
    first = position // (2 * outputs)
    fraction = (position % (2 * outputs)).astype(np.float32) / np.float32(2 * outputs)
    return first, np.minimum(first + 1, length - 1), fraction


def bilinear(image: NDArray, height: int, width: int) -> NDArray:  # type: ignore[type-arg]  # u8 or f32
    """Return the image resized in f32, along rows first; u8 is rounded, halves up."""
    top, bottom, down = _taps(image.shape[0], height)
    left, right, across = _taps(image.shape[1], width)
    wide, across, down = image.astype(np.float32), across[None, :, None], down[:, None, None]

    def along(rows: Ints) -> F32:
        near, far = wide[rows][:, left], wide[rows][:, right]
        result: F32 = near + (far - near) * across
        return result

    upper, lower = along(top), along(bottom)
    mixed = upper + (lower - upper) * down
    return np.floor(mixed + np.float32(0.5)).astype(np.uint8) if image.dtype == np.uint8 else mixed


def _overlaps(length: int, outputs: int) -> Ints:
    """Return the [outputs, length] matrix of overlaps, in units of 1 / outputs of an input."""
    output, each = np.arange(outputs)[:, None], np.arange(length)[None, :]
    end = np.minimum((output + 1) * length, (each + 1) * outputs)
    result: Ints = np.maximum(end - np.maximum(output * length, each * outputs), 0)
    return result


def area(image: NDArray, height: int, width: int) -> NDArray:  # type: ignore[type-arg]  # u8 or f32
    """Return the mean over the box of each output: exact for u8, halves up; for f32 to f64's precision."""
    down, across = _overlaps(image.shape[0], height), _overlaps(image.shape[1], width)
    whole = image.shape[0] * image.shape[1]
    if image.dtype == np.uint8:
        sums = np.einsum("hy,yxc,wx->hwc", down, image.astype(np.int64), across, optimize=True)
        return np.asarray((2 * sums + whole) // (2 * whole), np.uint8)
    wide = (each.astype(np.float64) for each in (down, image, across))
    sums = np.einsum("hy,yxc,wx->hwc", *wide, optimize=True)
    result: F32 = (sums / whole).astype(np.float32)
    return result


def grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return luma of [height, width, 3 or 4]."""
    weighted = image[:, :, :3].astype(np.int64) @ np.array([19595, 38470, 7471])
    return np.asarray((weighted + 0x8000) >> 16, np.uint8)


LN_2_HIGH, LN_2_LOW = 6.931471803691238e-01, 1.9082149292705877e-10
FACTORIALS = [39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1]


def exp(x: F64) -> F64:
    """Return the power of e for numbers not above 0, in the specified order of operations."""
    clipped = np.maximum(x, -700)
    k = np.trunc(clipped * np.float64(1.4426950408889634) - 0.5)
    r = (clipped - k * LN_2_HIGH) - k * LN_2_LOW
    power = np.zeros_like(r)
    for factorial in FACTORIALS:
        power = power * r + 1.0 / factorial
    result: F64 = np.where(x < -700, 0.0, np.ldexp(power, k.astype(np.int32)))
    return result


def softmax(values: F32) -> F32:
    """Return the probabilities of finite numbers: powers rounded to f32, summed in f64 from the first on."""
    powers = exp((values - values.max()).astype(np.float64)).astype(np.float32)
    total = np.cumsum(powers.astype(np.float64))[-1]
    result: F32 = (powers / total).astype(np.float32)
    return result


def sigmoid(values: F32) -> F32:
    """Return 1 / (1 + exp(-x)) of finite numbers, in f64 and rounded once."""
    power = exp(-np.abs(values.astype(np.float64)))
    result: F32 = (np.where(values > 0, 1.0, power) / (1 + power)).astype(np.float32)
    return result


def iou(one: F32, other: F32) -> float:
    """Return intersection over union of two boxes of two opposite corners."""
    low, high = np.minimum(one[:2], one[2:]), np.maximum(one[:2], one[2:])
    other_low, other_high = np.minimum(other[:2], other[2:]), np.maximum(other[:2], other[2:])
    both = np.prod(np.maximum(np.minimum(high, other_high) - np.maximum(low, other_low), 0))
    union = np.prod(high - low) + np.prod(other_high - other_low) - both
    return float(both / union) if union > 0 else 0.0


def nms(boxes: F32, scores: F32, min_score: float, max_iou: float, most: int) -> list[int]:
    """Return the positions of the boxes that stay, best first."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if len(kept) == most or not scores[index] >= np.float32(min_score):
            break
        if all(iou(boxes[index], boxes[other]) <= np.float32(max_iou) for other in kept):
            kept.append(int(index))
    return kept
