"""JPEG compression of a crop as it would meet a crop of a larger picture."""

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Jpeg:
    """How a picture is compressed."""

    quality: int
    """1 to 100, as libjpeg counts; 50: the tables of ITU-T T.81, Annex K, as they are printed."""
    subsampling: Literal["4:4:4", "4:2:0"]
    """Whether the colours keep their resolution or half of it."""
    offset: tuple[int, int] = (0, 0)
    """Row and column, 0 to 15, where the picture's grid of blocks begins within the first block of 16 x 16."""

    def compressed(self, pixels: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8, compressed and read again.

        Cut out a crop with a margin afterwards if the grid must not begin at its corner: what lies above and left of
        the offset stays uncompressed.
        """
        top, left = self.offset
        store = io.BytesIO()
        Image.fromarray(pixels[top:, left:]).save(store, "JPEG", quality=self.quality, subsampling=self.subsampling)
        result = pixels.copy()
        with Image.open(store) as picture:
            result[top:, left:] = np.asarray(picture)
        return result
