"""A picture whose pixels a model has enlarged: transparency and the tags that repeat its size follow the pixels."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..tiling.pixel_values import Image, white_of
from ..tiling.planner import Span
from .exif.size_tags import block_of_size, directory_of_size
from .formats.jpeg_files import JpegDetails, jpeg_details_of_size
from .formats.png.png_files import chunks_of_size
from .formats.tiff_files import TiffDetails
from .picture import Picture

_REACH = 2
"""Rows to either side that a row enlarged bicubically depends on."""


def enlarged(picture: Picture, pixels: Image) -> Picture:
    """`picture` with other pixels of its depth, a whole number of times as high and wide; at once, the same picture."""
    scale = pixels.shape[0] // picture.height
    if scale == 1:
        return picture.with_pixels(pixels)
    height, width = pixels.shape[:2]
    exif = picture.metadata.exif
    return replace(
        picture,
        pixels=pixels,
        alpha=None if picture.alpha is None else enlarged_alpha(picture.alpha, scale),
        metadata=replace(picture.metadata, exif=None if exif is None else block_of_size(exif, width, height)),
        native=_native_of_size(picture, width, height),
    )


def enlarged_alpha(alpha: Image, scale: int) -> Image:
    """Opacity (H, W), uint8, uint16 or float32, enlarged by Pillow's bicubic to (scale*H, scale*W)."""
    from PIL import Image as Pillow

    size = alpha.shape[1] * scale, alpha.shape[0] * scale
    if alpha.dtype == np.uint8:
        return np.asarray(Pillow.fromarray(alpha).resize(size, Pillow.Resampling.BICUBIC))
    # Pillow enlarges 16 bits as float32 alone.
    values = np.asarray(Pillow.fromarray(alpha.astype(np.float32)).resize(size, Pillow.Resampling.BICUBIC))
    rounded = values if alpha.dtype == np.float32 else np.rint(values)
    return np.clip(rounded, 0, white_of(alpha.dtype)).astype(alpha.dtype)


def enlarged_alpha_rows(alpha: Image, kept: Span, scale: int) -> Image:
    """The rows `kept` of `alpha`, enlarged as `enlarged_alpha` enlarges them in a picture that goes on around `alpha`.

    `alpha` has `alpha_rows_for` rows around them, or ends where the picture ends.
    """
    around = alpha_rows_for(kept, alpha.shape[0])
    return enlarged_alpha(alpha[around.slice], scale)[kept.shifted(-around.start).scaled(scale).slice]


def alpha_rows_for(rows: Span, height: int) -> Span:
    """The rows of a picture of `height` rows that the opacity of `rows` depends on when they are enlarged."""
    return Span(max(0, rows.start - _REACH), min(height, rows.stop + _REACH))


def _native_of_size(picture: Picture, width: int, height: int) -> Any:
    """What only the picture's own format can take back, for another number of pixels."""
    match picture.native:
        case TiffDetails() as details:
            return replace(details, tags=directory_of_size(details.tags, width, height))
        case JpegDetails() as details:
            return jpeg_details_of_size(details, width, height)
        case tuple() as chunks if picture.format == "PNG":
            return chunks_of_size(chunks, width, height)
        case native:
            return native
