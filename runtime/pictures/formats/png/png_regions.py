"""A PNG from disk to disk: its rows read from top to bottom, and a file of the same kind written band by band."""

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ....tiling.pixel_values import Image
from ....tiling.planner import Region, Span
from ...damage import damage_is_the_users
from ...picture import without_alpha
from ...pillow_files import notes_on_rest
from .png_chunks import chunks_in, packed_pixels
from .png_files import KEY_NOTE, alpha_of_key, filtered, header_of_png, stays_true
from .png_scanlines import BAND_BYTES, SIGNATURE, Chunk, chunk_parts, decoded_bands

_COPIES_OF_A_BAND = 6
"""Of a band while it is decoded or encoded: packed, unpacked, filtered, and joined with what is before it."""
_LEVEL = 4


class PngRegions:
    """The pixels of an open PNG file. Rows that lie above those read last are reached by reading from the top again."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises UserError for pictures that hinas does not take, and for files that end too early."""
        self._file = file
        scanned = chunks_in(file)
        chunks, self._packed = scanned.chunks, scanned.packed
        file.seek(scanned.end)
        self.notes = [*scanned.notes, *notes_on_rest(file.read(), SIGNATURE)]
        self.header = header_of_png(chunks)
        self.chunks = tuple(chunk for chunk in chunks if stays_true(chunk[0]))
        """What a PNG of the result takes back."""
        key = next((payload for name, payload in chunks if name == b"tRNS"), None)
        self._key = key if self.header.colour in (0, 2) else None
        if self._key is not None:
            self.notes.append(KEY_NOTE)
        self._bands: Iterator[Image] = iter(())
        self._held = Span(0, 0)
        self._rows: list[Image] = []

    @property
    def can_be_streamed(self) -> bool:
        """Not where rows are interlaced, or where pixels are looked up in a palette or are less than a byte."""
        return not self.header.is_interlaced and self.header.colour != 3 and self.header.depth >= 8

    @property
    def height(self) -> int:
        return self.header.height

    @property
    def width(self) -> int:
        return self.header.width

    @property
    def is_colour(self) -> bool:
        return self.header.num_channels >= 3

    @property
    def has_alpha(self) -> bool:
        return self._key is not None or self.header.num_channels in (2, 4)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 or uint16."""
        return self.header.dtype

    @property
    def bytes_per_row(self) -> int:
        """Of the decoded picture, alpha included."""
        return self.width * self.dtype.itemsize * ((3 if self.is_colour else 1) + self.has_alpha)

    @property
    def most_bytes_at_once(self) -> int:
        """What reading and writing take beside the rows themselves."""
        return _COPIES_OF_A_BAND * max(BAND_BYTES, self.bytes_per_row)

    def read(self, region: Region) -> tuple[Image, Image | None]:
        """Pixels (h, w) or (h, w, 3) and alpha (h, w) of `region`. Raises UserError where the file is damaged."""
        with damage_is_the_users():
            self._hold(region.rows)
        held = np.concatenate(self._rows) if len(self._rows) > 1 else self._rows[0]
        self._rows = [held]
        pixels, alpha = without_alpha(held[region.rows.shifted(-self._held.start).slice, region.columns.slice])
        if self._key is not None:
            alpha = alpha_of_key(pixels, self._key, self.header.depth)
        return pixels, alpha

    def _hold(self, rows: Span) -> None:
        """Have all of `rows` in memory, and no band that ends above them."""
        if rows.start < self._held.start or not self._rows:
            self._bands = decoded_bands(self.header, packed_pixels(self._file, self._packed))
            self._held, self._rows = Span(0, 0), []
        if self._rows:
            first = min(rows.start, self._held.stop)
            self._rows = [self._rows[0][first - self._held.start :].copy()]
            self._held = Span(first, self._held.stop)
        while self._held.stop < rows.stop:
            band = next(self._bands)
            stop = self._held.stop + len(band)
            if stop <= rows.start:
                self._held, self._rows = Span(stop, stop), [band[:0]]
                continue
            self._held = Span(self._held.start, stop)
            self._rows.append(band)


def write_png_bands(target: Path, chunks: Iterable[Chunk], bands: Iterable[Image]) -> None:
    """Write a PNG of `bands` (h, W, C), from top to bottom, as they come.

    `chunks`: IHDR, and what else stands in front of the pixels.
    """
    packer = zlib.compressobj(_LEVEL)
    above: Image | None = None
    with target.open("wb") as file:
        file.write(SIGNATURE)
        for name, payload in chunks:
            file.writelines(chunk_parts(name, payload))
        for band in bands:
            for part in np.split(band, range(_rows_at_once(band), len(band), _rows_at_once(band))):
                rows = filtered(part) if above is None else filtered(np.concatenate([above, part]))[1:]
                above = part[-1:].copy()
                if packed := packer.compress(rows.tobytes()):
                    file.writelines(chunk_parts(b"IDAT", packed))
        file.writelines(chunk_parts(b"IDAT", packer.flush()))
        file.writelines(chunk_parts(b"IEND", b""))


def _rows_at_once(band: Image) -> int:
    return max(1, BAND_BYTES // band[0].nbytes)
