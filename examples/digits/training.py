"""Train a small convolutional network on 8 x 8 pictures in NumPy, to the same bits on every machine.

A sum of floating-point numbers depends on its order, which differs from one BLAS and one processor to the
next, and training makes much of little. So the operands of every product of matrices are rounded to integers
of at most 20 bits in units of a power of two: sums of up to 8192 such products are exact in f64, in any
order. That rounding also takes away the last bit of an exponential, which differs, too. It reads no files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

SIDE = 8
CLASSES = 10
FIRST, SECOND = 16, 32  # channels
KERNEL = 3
HALF = SIDE // 2  # the second convolution has a stride of 2
EPOCHS = 30
BATCH = 32
RATE = 2e-3

# How many of an operand's bits are behind the binary point.
_ACTIVATION, _WEIGHT, _GRADIENT = 12, 16, 18
_LARGEST = 2.0**20

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Weights:
    """What is learnt: kernels are [channel, y, x; outputs], the dense layer is [y, x, channel; classes]."""

    kernel1: Array  # [9, 16]
    bias1: Array
    kernel2: Array  # [144, 32]
    bias2: Array
    dense: Array  # [512, 10]
    bias3: Array


def uniform(source: np.random.PCG64, *shape: int) -> Array:
    """Return numbers from 0 to 1 of the generator's raw bits, which no version of NumPy changes."""
    raw = source.random_raw(int(np.prod(shape)))
    return (raw >> np.uint64(11)).astype(np.float64).reshape(shape) * 2.0**-53


def permutation(source: np.random.PCG64, count: int) -> NDArray[np.intp]:
    """Return the numbers below `count` in random order."""
    return np.argsort(uniform(source, count))


def train(images: Array, labels: Labels, seed: int) -> Weights:
    """Learn by Adam from images [n, 8, 8, 1], 0 to 1, and their classes.

    The weights are multiples of 2^-16 below 16, which f32 holds exactly.
    """
    source = np.random.PCG64(seed)
    weights = _start(source)
    means, squares = ([np.zeros_like(array) for array in _arrays(weights)] for _ in range(2))
    per_epoch = -(-len(images) // BATCH)
    for step in range(EPOCHS * per_epoch):
        if step % per_epoch == 0:
            order = permutation(source, len(images))
        batch = order[step % per_epoch * BATCH :][:BATCH]
        gradients = _gradients(_rounded(weights), images[batch], labels[batch])
        rate = RATE * (1 - step / (EPOCHS * per_epoch))
        decay1, decay2 = 1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1)
        for array, mean, square, gradient in zip(
            _arrays(weights), means, squares, _arrays(gradients), strict=True
        ):
            mean[...] += 0.1 * (gradient - mean)
            square[...] += 0.001 * (gradient * gradient - square)
            array[...] -= rate * (mean / decay1) / (np.sqrt(square / decay2) + 1e-8)
    return _rounded(weights)


def classify(weights: Weights, images: Array) -> Labels:
    """Return the most likely class of each image [n, 8, 8, 1], 0 to 1."""
    classes: Labels = _forward(weights, images)[-1].argmax(1)
    return classes


def _start(source: np.random.PCG64) -> Weights:
    def layer(inputs: int, outputs: int) -> Array:
        return (2 * uniform(source, inputs, outputs) - 1) * math.sqrt(6 / inputs)

    window = KERNEL * KERNEL
    return Weights(
        layer(window, FIRST),
        np.zeros(FIRST),
        layer(window * FIRST, SECOND),
        np.zeros(SECOND),
        layer(HALF * HALF * SECOND, CLASSES),
        np.zeros(CLASSES),
    )


def _arrays(weights: Weights) -> tuple[Array, ...]:
    return tuple(getattr(weights, field.name) for field in fields(weights))


def _round(numbers: Array, bits: int) -> Array:
    """Make operands of an exact product."""
    return np.clip(np.rint(numbers * 2.0**bits), -_LARGEST, _LARGEST) * 2.0**-bits


def _rounded(weights: Weights) -> Weights:
    return Weights(*(_round(array, _WEIGHT) for array in _arrays(weights)))


def _patches(images: Array, stride: int) -> Array:
    """Return the window around each pixel, or each second: [n, h, w, 9 channels]."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (KERNEL, KERNEL), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    return np.ascontiguousarray(windows).reshape(*windows.shape[:3], -1)


def _relu(numbers: Array) -> Array:
    return _round(np.maximum(numbers, 0), _ACTIVATION)


def _forward(weights: Weights, images: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Return patches and result of the first layer, the same of the second, and the logits."""
    patches1 = _patches(images, 1)
    result1 = _relu(patches1 @ weights.kernel1 + weights.bias1)
    patches2 = _patches(result1, 2)
    result2 = _relu(patches2 @ weights.kernel2 + weights.bias2)
    logits = result2.reshape(len(images), -1) @ weights.dense + weights.bias3
    return patches1, result1, patches2, result2, logits


def _gradients(weights: Weights, images: Array, labels: Labels) -> Weights:
    """Return how the cross entropy, summed over the images, changes with each weight."""
    patches1, result1, patches2, result2, logits = _forward(weights, images)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    wanted = np.eye(CLASSES)[labels]
    at_logits = _round(powers / powers.sum(1, keepdims=True) - wanted, _GRADIENT)
    flat = result2.reshape(len(images), -1)
    at_result2 = (at_logits @ weights.dense.T).reshape(result2.shape)
    at_sum2 = _round(at_result2 * (result2 > 0), _GRADIENT)
    at_patches2 = (at_sum2 @ weights.kernel2.T).reshape(len(images), HALF, HALF, FIRST, KERNEL, KERNEL)
    at_padded = np.zeros((len(images), SIDE + 2, SIDE + 2, FIRST))
    for y in range(KERNEL):
        for x in range(KERNEL):
            at_padded[:, y : y + SIDE : 2, x : x + SIDE : 2] += at_patches2[..., y, x]
    at_result1 = at_padded[:, 1:-1, 1:-1]
    at_sum1 = _round(at_result1 * (result1 > 0), _GRADIENT)
    return Weights(
        _at_kernel(patches1, at_sum1),
        at_sum1.sum((0, 1, 2)),
        _at_kernel(patches2, at_sum2),
        at_sum2.sum((0, 1, 2)),
        flat.T @ at_logits,
        at_logits.sum(0),
    )


def _at_kernel(patches: Array, at_sums: Array) -> Array:
    """Return how the loss changes with a kernel: picture by picture, in products too small for threads."""
    left, right = (array.reshape(len(array), -1, array.shape[-1]) for array in (patches, at_sums))
    total: Array = (left.transpose(0, 2, 1) @ right).sum(0)
    return total
