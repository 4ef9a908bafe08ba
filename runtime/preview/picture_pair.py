"""A picture before and after a model, part by part and in 8 bits: held in memory, or read from files where it is huge.

Regions are in pixels of the picture before. Shapes: (h, w) grey or (h, w, 3) RGB, uint8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pictures.enlarged import alpha_rows_for
from ..tiling.pixel_values import Image
from ..tiling.planner import Region


@dataclass(frozen=True, kw_only=True, slots=True)
class PicturePair:
    """Both sides of a comparison, which have the same size: where the model enlarges, so is the picture before."""

    height: int
    """Pixels of the picture before."""
    width: int
    """Pixels of the picture before."""
    scale: int
    """How many times as high and wide the picture after is."""
    read_before: Callable[[Region], Image]
    """uint8, uint16 or float32 of a region."""
    read_after: Callable[[Region], Image]
    """The same of a region in pixels of the picture after."""

    @property
    def whole(self) -> tuple[int, int]:
        """(height, width) of the picture after."""
        return self.height * self.scale, self.width * self.scale

    def before(self, region: Region) -> NDArray[np.uint8]:
        """`region`, enlarged bicubically where the model enlarges: as in the whole picture, also at its edges."""
        if self.scale == 1:
            return _in_8_bits(self.read_before(region))
        from PIL import Image as Pillow

        # Bicubic reaches as far in pixels as in opacity.
        around = Region(alpha_rows_for(region.rows, self.height), alpha_rows_for(region.columns, self.width))
        part = Pillow.fromarray(_in_8_bits(self.read_before(around)))
        height, width = around.scaled(self.scale).shape
        pixels = np.asarray(part.resize((width, height), Pillow.Resampling.BICUBIC))
        return pixels[region.within(around).scaled(self.scale).slices]

    def after(self, region: Region) -> NDArray[np.uint8]:
        """What the model made of `region`."""
        return _in_8_bits(self.read_after(region.scaled(self.scale)))

    def change(self, region: Region) -> NDArray[np.uint8]:
        """How far each value of `region` moved, in grey levels."""
        before, after = self.before(region), self.after(region)
        return np.maximum(before, after) - np.minimum(before, after)


def held_pair(before: Image, after: Image) -> PicturePair:
    """The pair of two pictures in memory; `after` is a whole number of times as high and wide."""
    return PicturePair(
        height=before.shape[0],
        width=before.shape[1],
        scale=after.shape[0] // before.shape[0],
        read_before=lambda region: before[region.slices],
        read_after=lambda region: after[region.slices],
    )


def _in_8_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.float32:
        return np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
