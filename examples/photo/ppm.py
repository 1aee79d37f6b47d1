"""Turn a PNG file into a binary PPM, which a guest reads without a decoder.

It reads 8-bit RGB without interlacing and checks no checksums: the recipe's photos are pinned by their hash.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from examples.recipe import ModelError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB8 = (8, 2, 0, 0, 0)
"""Depth, colour type, compression, filter method, interlacing."""

_Row = NDArray[np.uint8]


def from_png(png: bytes) -> bytes:
    """Return a PPM (`P6`, 255) of the same pixels.

    Raises:
        ModelError: it is no PNG, of another kind, or damaged.
    """
    try:
        width, height, rows = _rows(png)
        pixels = _unfilter(rows.reshape(height, 1 + 3 * width))
    except (ValueError, struct.error, zlib.error) as error:
        raise ModelError(f"the photo is not a PNG of 8-bit RGB, or damaged: {error}") from error
    return f"P6 {width} {height} 255\n".encode() + pixels.tobytes()


def _rows(png: bytes) -> tuple[int, int, _Row]:
    """Return width, height and the filtered rows of a PNG."""
    if not png.startswith(_SIGNATURE):
        raise ValueError("another signature")
    at, header, packed = len(_SIGNATURE), b"", b""
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        data = png[at + 8 : at + 8 + length]
        header = data if kind == b"IHDR" else header
        packed += data if kind == b"IDAT" else b""
        at += 12 + length
    width, height, *form = struct.unpack(">II5B", header)
    if tuple(form) != _RGB8:
        raise ValueError(f"form {form}")
    return width, height, np.frombuffer(zlib.decompress(packed), np.uint8)


def _unfilter(rows: _Row) -> _Row:
    """Undo what each row's first byte names: a difference to what is predicted from neighbours."""
    height, width = rows.shape[0], rows.shape[1] // 3
    pixels = np.zeros((height + 1, width + 1, 3), np.uint8)  # a row above and a column at the left, of zeros
    for y, row in enumerate(rows, 1):
        above, here = pixels[y - 1], pixels[y]
        differences = row[1:].reshape(width, 3)
        match row[0]:
            case 0:
                here[1:] = differences
            case 1:
                here[1:] = np.cumsum(differences, axis=0, dtype=np.uint8)
            case 2:
                here[1:] = differences + above[1:]
            case 3 | 4:
                predict = _average if row[0] == 3 else _paeth  # noqa: PLR2004 - PNG's numbers
                for x in range(1, width + 1):
                    here[x] = differences[x - 1] + predict(here[x - 1], above[x], above[x - 1])
            case other:
                raise ValueError(f"filter {other}")
    return pixels[1:, 1:]


def _average(left: _Row, above: _Row, _: _Row) -> _Row:
    return ((left.astype(np.int16) + above) // 2).astype(np.uint8)


def _paeth(left: _Row, above: _Row, corner: _Row) -> _Row:
    """Return, for each sample, which of the three is nearest to left + above - corner."""
    a, b, c = (side.astype(np.int16) for side in (left, above, corner))
    to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    nearest = np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, above, corner))
    return nearest.astype(np.uint8)
