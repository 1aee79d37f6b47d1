"""Write PNG files to test with, good ones and liars; reads nothing."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLOUR_TYPES: Final = {1: 0, 3: 2, 4: 6}


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG file of u8 [height, width, 1, 3 or 4]: grey, RGB or RGBA."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return claim(width, height, rows, _COLOUR_TYPES[channels])


def claim(width: int, height: int, rows: bytes, colour_type: int = 2) -> bytes:
    """Return a PNG file whose header claims a size, whatever `rows` hold."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
