"""Rectangles of a TIFF file, decoded from only those tiles or strips that they touch."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ....errors import UserError
from ...tiling.pixel_values import Image
from ...tiling.planner import Region, Span
from ..damage import damage_is_the_users
from ..picture import without_alpha
from .tiff_pages import channels_of

_DECODED = {1: "none", 5: "LZW", 7: "JPEG", 8: "zlib", 32946: "zlib", 32773: "PackBits", 50000: "Zstandard"}
_PALETTE = 3


class TiffRegions:
    """One page of a TIFF file, read in parts. What `channels_of` makes of the samples is done to every part."""

    def __init__(self, page: Any) -> None:
        """`page`: tifffile's, of an open file, checked by `checked_page`.

        Raises UserError for compressions that cannot be decoded in parts and for files that end too early.
        """
        if int(page.compression) not in _DECODED:
            name = getattr(page.compression, "name", str(page.compression))
            raise UserError(
                f"a TIFF with the compression {name}, too large to be decoded whole; save it with one of "
                f"{', '.join(sorted(set(_DECODED.values())))} first"
            )
        self._page = page
        self.height: int = page.imagelength
        self.width: int = page.imagewidth
        self._segment_height: int = min(page.tilelength if page.is_tiled else page.rowsperstrip, self.height)
        self._segment_width: int = page.tilewidth if page.is_tiled else self.width
        self._across = -(-self.width // self._segment_width)
        self._down = -(-self.height // self._segment_height)
        self._num_planes: int = page.samplesperpixel if int(page.planarconfig) == 2 else 1
        # Rows of such strips lie at known places, so a strip need not be read whole.
        self._has_raw_rows = int(page.compression) == int(page.predictor) == int(page.fillorder) == 1 and (
            not page.is_tiled and page.bitspersample in (8, 16)
        )
        num_segments = self._num_planes * self._across * self._down
        ends = np.add(page.dataoffsets, page.databytecounts, dtype=np.float64)
        if len(ends) < num_segments or ends.max() > page.parent.filehandle.size:
            raise UserError("damaged or truncated: it ends before the last pixels")

    @property
    def is_colour(self) -> bool:
        return self.has_palette or self._page.samplesperpixel >= 3

    @property
    def has_palette(self) -> bool:
        return int(self._page.photometric) == _PALETTE

    @property
    def has_alpha(self) -> bool:
        return self._page.samplesperpixel in (2, 4)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 or uint16."""
        return np.dtype(np.uint8 if self.has_palette else self._page.dtype)

    @property
    def bytes_per_row(self) -> int:
        """Of the decoded picture, alpha included."""
        return self.width * self.dtype.itemsize * ((3 if self.is_colour else 1) + self.has_alpha)

    @property
    def most_bytes_at_once(self) -> int:
        """Of the largest part that can only be decoded whole; 0 where single rows can be read."""
        return 0 if self._has_raw_rows else self._segment_height * self._segment_width * self._bytes_per_stored_pixel

    @property
    def segment_text(self) -> str:
        """How the pixels are stored."""
        if self._page.is_tiled:
            return f"compressed tiles of {self._segment_width}x{self._segment_height} pixels"
        if self._down == 1:
            return "one compressed strip"
        return f"compressed strips of {self._segment_height} rows"

    def read(self, region: Region) -> tuple[Image, Image | None]:
        """Pixels (h, w) or (h, w, 3) and alpha (h, w) of `region`. Raises UserError where the file is damaged."""
        page = self._page
        stored = np.zeros((*region.shape, page.samplesperpixel), page.dtype)
        with damage_is_the_users():
            for where, plane, samples in self._parts(region):
                stored[(*where.within(region).slices, slice(plane, plane + samples.shape[2]))] = samples
            return without_alpha(channels_of(page, stored))

    @property
    def _bytes_per_stored_pixel(self) -> int:
        return self._page.dtype.itemsize * self._page.samplesperpixel // self._num_planes

    def _parts(self, region: Region) -> Iterator[tuple[Region, int, Image]]:
        """(where in the picture, first channel, samples (h, w, channels)) of every segment's part of `region`."""
        height, width = self._segment_height, self._segment_width
        for plane in range(self._num_planes):
            for row in range(region.rows.start // height, -(-region.rows.stop // height)):
                for column in range(region.columns.start // width, -(-region.columns.stop // width)):
                    index = (plane * self._down + row) * self._across + column
                    segment = Region(
                        Span(row * height, (row + 1) * height).clipped(self.height),
                        Span(column * width, (column + 1) * width).clipped(self.width),
                    )
                    part = Region(_common(segment.rows, region.rows), _common(segment.columns, region.columns))
                    samples = self._raw(index, segment, part) if self._has_raw_rows else self._decoded(index)
                    if samples is not None:
                        inside = part if self._has_raw_rows else part.within(segment)
                        yield part, plane, samples if self._has_raw_rows else samples[inside.slices]

    def _decoded(self, index: int) -> Image | None:
        """The whole segment, or more where its tile reaches beyond the picture; None: left out of the file (zeros)."""
        page = self._page
        num_bytes = page.databytecounts[index]
        if num_bytes == 0:
            return None
        data = self._bytes(page.dataoffsets[index], num_bytes)
        samples, _, _ = page.decode(data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        return None if samples is None else samples[0]

    def _raw(self, index: int, segment: Region, part: Region) -> Image:
        page = self._page
        bytes_per_row = self.width * self._bytes_per_stored_pixel
        start = page.dataoffsets[index] + part.within(segment).rows.start * bytes_per_row
        data = self._bytes(start, len(part.rows) * bytes_per_row)
        rows = np.frombuffer(data, page.dtype.newbyteorder(page.parent.byteorder))
        return rows.reshape(len(part.rows), self.width, -1)[:, part.columns.slice]

    def _bytes(self, start: int, count: int) -> bytes:
        handle = self._page.parent.filehandle
        handle.seek(start)
        return handle.read(count)


def _common(one: Span, other: Span) -> Span:
    return Span(max(one.start, other.start), min(one.stop, other.stop))
