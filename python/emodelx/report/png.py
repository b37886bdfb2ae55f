"""Grey pictures as PNG."""

import struct
import zlib
from base64 import b64encode

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def grey_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a picture; `pixels` has shape (rows, columns), 0 is black."""
    rows, columns = pixels.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    unfiltered = np.pad(pixels, ((0, 0), (1, 0)))  # every row begins with the number of its filter
    blocks = ((b"IHDR", header), (b"IDAT", zlib.compress(unfiltered.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_block(name, data) for name, data in blocks)


def data_address(png: bytes) -> str:
    """Give a picture as an address that holds it."""
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _block(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
