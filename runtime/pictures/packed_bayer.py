"""Raw data in picture files: packed Bayer, whose four channels are all pixels and none of them transparency."""

from dataclasses import replace

import numpy as np

from ...errors import UserError
from ...network_input import PACKED_BAYER
from ..tiling.pixel_values import white_of
from .float_values import values_within
from .picture import Image, Picture, with_alpha

_VIEW_GAMMA = 2.2


def is_packed_bayer(pixels: Image) -> bool:
    """Whether an array of pixels is of raw data."""
    return pixels.ndim == 3 and pixels.shape[2] == PACKED_BAYER


def packed_bayer(picture: Picture) -> Picture:
    """`picture` as packed Bayer, (H, W, 4): what was read as RGB with transparency has no RGB.

    Raises UserError where it has another number of channels, or is of a format that holds pictures alone.
    """
    channels = with_alpha(picture)
    if picture.format not in ("NumPy", "TIFF"):
        raise UserError(
            f"a picture in {picture.format}, but the model is for raw data; give packed Bayer as .npy or TIFF"
        )
    if not is_packed_bayer(channels):
        count = 1 if channels.ndim == 2 else channels.shape[2]
        raise UserError(
            f"has {count} channel{'s' if count > 1 else ''}, but the model is for raw data: give packed Bayer of "
            f"{PACKED_BAYER}, the red, both green and the blue pixels of an RGGB mosaic"
        )
    if picture.alpha is None:
        return picture
    if channels.dtype != np.float32:
        return replace(picture, pixels=channels, alpha=None)
    # The fourth channel is looked at now, and the notes are those of all four.
    told = () if picture.beyond is None else values_within(channels[:, :, :3])[2]
    pixels, beyond, notes = values_within(channels)
    kept = tuple(note for note in picture.notes if note not in told)
    return replace(picture, pixels=pixels, alpha=None, beyond=beyond, notes=kept + notes)


def as_seen(pixels: Image) -> Image:
    """Pixels to show: of raw data the colours as the sensor sees them, brightened; others as they are."""
    if not is_packed_bayer(pixels):
        return pixels
    light = np.clip(pixels / np.float32(white_of(pixels.dtype)), 0, 1)
    green = (light[:, :, 1] + light[:, :, 2]) / 2
    return np.stack([light[:, :, 0], green, light[:, :, 3]], axis=2).astype(np.float32) ** np.float32(1 / _VIEW_GAMMA)
