"""What is the same for every picture too large for the memory: its noise is measured on a sample, its rows are read as
they are needed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..pictures.enlarged import alpha_rows_for, enlarged_alpha_rows
from ..tiling.pixel_values import Image
from ..tiling.planner import Region, Span

_SAMPLES_PER_AXIS = 8
_SAMPLE_SIDE = 96


class Regions(Protocol):
    """An open picture file that can be read in parts."""

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def is_colour(self) -> bool: ...

    @property
    def has_alpha(self) -> bool: ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 or uint16."""
        ...

    @property
    def bytes_per_row(self) -> int:
        """Of the decoded picture, alpha included."""
        ...

    @property
    def most_bytes_at_once(self) -> int:
        """Of what can only be decoded whole."""
        ...

    def read(self, region: Region) -> tuple[Image, Image | None]:
        """Pixels (h, w) or (h, w, 3) and alpha (h, w). Raises UserError where the file is damaged."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class HugePicture:
    """A picture file that can be streamed: a subclass for each format."""

    path: Path
    height: int
    width: int
    is_colour: bool
    bits: int
    """Per channel: 8 or 16."""
    notes: tuple[str, ...]
    """What reading changes, as sentences for a person."""

    @property
    def num_channels(self) -> int:
        """Without alpha."""
        return 3 if self.is_colour else 1

    @property
    def size_text(self) -> str:
        """Width x height."""
        return f"{self.width}x{self.height}"


def note_on_bands(num_pixels: int) -> str:
    """What a person is told of the way such a picture goes."""
    return (
        f"{num_pixels / 1e6:.0f} megapixels do not fit into the memory allowed; "
        "the picture goes through in bands from disk to disk"
    )


def sample_of(regions: Regions) -> list[Image]:
    """Blocks of pixels from all over the picture, the same ones each time; a picture that is not huge whole."""
    across = _sample_spans(regions.width)
    blocks: list[Image] = []
    for rows in _sample_spans(regions.height):
        # Files hold whole rows, so a row of blocks is read at once.
        band, _ = regions.read(Region(rows, Span(0, regions.width)))
        blocks += [band[:, columns.slice].copy() for columns in across]
    return blocks


class SourceRows:
    """The rows of a picture as `Denoiser.bands` takes them; keeps the alpha of the rows read last."""

    def __init__(self, regions: Regions, scale: int) -> None:
        """`scale`: how many times as high and wide the result is."""
        self._regions = regions
        self._scale = scale
        self._alpha: tuple[Span, Image | None] = (Span(0, 0), None)
        self.height = regions.height
        self.width = regions.width
        self.is_colour = regions.is_colour
        self.dtype = regions.dtype
        self.bytes_per_row = regions.bytes_per_row
        # Encoded and decoded.
        self.most_bytes_at_once = 2 * regions.most_bytes_at_once

    def pixels(self, rows: Span) -> Image:
        is_alpha_enlarged = self._scale > 1 and self._regions.has_alpha
        read = alpha_rows_for(rows, self.height) if is_alpha_enlarged else rows
        pixels, alpha = self._regions.read(Region(read, Span(0, self.width)))
        self._alpha = read, alpha
        return pixels[rows.shifted(-read.start).slice]

    def with_alpha(self, rows: Span, pixels: Image) -> Image:
        """(scale * rows, scale * W, C) of the result `pixels` and the alpha for these rows, which were read last."""
        read, alpha = self._alpha
        if alpha is None:
            return pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
        kept = rows.shifted(-read.start)
        opacity = alpha[kept.slice] if self._scale == 1 else enlarged_alpha_rows(alpha, kept, self._scale)
        return np.dstack([pixels, opacity])


def _sample_spans(length: int) -> list[Span]:
    if length <= _SAMPLES_PER_AXIS * _SAMPLE_SIDE:
        return [Span(0, length)]
    middles = [(2 * index + 1) * length // (2 * _SAMPLES_PER_AXIS) for index in range(_SAMPLES_PER_AXIS)]
    return [Span(middle - _SAMPLE_SIDE // 2, middle + _SAMPLE_SIDE // 2) for middle in middles]
