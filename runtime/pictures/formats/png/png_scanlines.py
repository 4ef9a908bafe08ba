"""The pixels of a PNG out of its packed rows, band by band, so that only the pixels are ever held whole.

zlib unpacks the rows. libpng undoes their filters: it gets each band as a small PNG of its own, packed without
compression, with the row above it in front. Rows that are interlaced, padded or too many therefore give no warnings.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .....errors import UserError
from ...picture import Image

BAND_BYTES = 2**23
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of interlaced files: first column, first row, and the steps between columns and rows. PNG, section 8.2."""

Chunk = tuple[bytes, bytes]
"""Name and payload."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class PngHeader:
    """The chunk IHDR. What follows from it is for 8 and 16 bits without a palette alone."""

    width: int
    height: int
    depth: int
    """Bits per channel."""
    colour: int
    """PNG's number of the kind of pixels."""
    is_interlaced: bool

    @property
    def num_channels(self) -> int:
        return _CHANNELS[self.colour]

    @property
    def dtype(self) -> np.dtype[np.uint8 | np.uint16]:
        return np.dtype(np.uint16 if self.depth == 16 else np.uint8)

    @property
    def bytes_per_row(self) -> int:
        """Of the pixels."""
        return self.width * self.num_channels * self.depth // 8


def decoded_pixels(header: PngHeader, packed: Iterable[bytes]) -> Image:
    """All pixels (H, W, C). `packed`: the payloads of the chunks IDAT, in order.

    Raises UserError and zlib's and libpng's own errors for damaged rows.
    """
    pixels = np.empty((header.height, header.width, header.num_channels), header.dtype)
    inflated = _Inflated(packed)
    for left, top, across, down in _PASSES if header.is_interlaced else ((0, 0, 1, 1),):
        part = pixels[top::down, left::across]
        if part.size == 0:
            continue
        start = 0
        for band in _bands(header, part.shape[1], part.shape[0], inflated):
            part[start : start + len(band)] = band
            start += len(band)
    return pixels


def decoded_bands(header: PngHeader, packed: Iterable[bytes]) -> Iterator[Image]:
    """Bands (h, W, C) of the pixels from top to bottom, of a file that is not interlaced; errors as above.

    Before the last band comes, `packed` has been read to its end.
    """
    packed = iter(packed)
    num_rows = 0
    for band in _bands(header, header.width, header.height, _Inflated(packed)):
        num_rows += len(band)
        if num_rows == header.height:
            for _ in packed:
                pass
        yield band


def png_bytes(chunks: Iterable[Chunk]) -> bytes:
    """A PNG file of `chunks`, IEND included."""
    return SIGNATURE + b"".join(part for name, payload in chunks for part in chunk_parts(name, payload))


def chunk_parts(name: bytes, payload: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """A chunk as it stands in a file: length, name, payload, checksum."""
    return struct.pack(">I", len(payload)), name, payload, struct.pack(">I", checksum(name, payload))


def checksum(name: bytes, payload: bytes) -> int:
    """PNG's, of a chunk."""
    return zlib.crc32(payload, zlib.crc32(name))


def _bands(header: PngHeader, width: int, height: int, inflated: "_Inflated") -> Iterator[Image]:
    import imagecodecs

    bytes_per_row = width * header.num_channels * header.depth // 8
    most_rows = max(1, BAND_BYTES // bytes_per_row)
    above = b""
    for top in range(0, height, most_rows):
        num_rows = min(most_rows, height - top)
        rows = above + inflated.read(num_rows * (1 + bytes_per_row))
        num_above = 1 if above else 0
        start = struct.pack(">IIBBBBB", width, num_above + num_rows, header.depth, header.colour, 0, 0, 0)
        file = png_bytes([(b"IHDR", start), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b"")])
        band = np.asarray(imagecodecs.png_decode(file)).reshape(num_above + num_rows, width, header.num_channels)
        # As a row that no filter has changed.
        above = b"\0" + band[-1].astype(header.dtype.newbyteorder(">")).tobytes()
        yield band[num_above:]


class _Inflated:
    """What packed parts hold, to be read from front to back."""

    def __init__(self, packed: Iterable[bytes]) -> None:
        self._packed = iter(packed)
        self._decoder = zlib.decompressobj()
        self._waiting = b""

    def read(self, count: int) -> bytes:
        """The next `count` bytes; UserError where there are fewer."""
        parts: list[bytes] = []
        while count > 0:
            if not self._waiting:
                part = None if self._decoder.eof else next(self._packed, None)
                if part is None:
                    raise UserError("damaged or truncated PNG: it ends before the last pixels")
                self._waiting = part
            parts.append(self._decoder.decompress(self._waiting, count))
            self._waiting = self._decoder.unconsumed_tail
            count -= len(parts[-1])
        return b"".join(parts)
