"""What noise a picture has: how much, and whether it is white or what a camera's development and JPEG leave of it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tiling.pixel_values import Image, white_of
from .estimate import estimate_sigma_of_blocks
from .noise_network import SMALLEST_SIDE, noise_of_crops

_CROP_SIDE = 128
_MOST_CROPS = 25
_NONE_BELOW = 0.5
"""Grey levels: rounding to 8 bits makes 0.3, and a drawing is found to have about as much."""
_EQUAL_IN_DRAWINGS = 0.85
"""Share of pixels that equal their neighbour; noise leaves few, even where most are clipped."""
_LEAST_AGREEMENT = 0.5
"""White noise is measured by its own estimator at no less than this share of what the network sees."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredNoise:
    """The noise of one picture."""

    level: float
    """Grey levels 0..255. White noise: its standard deviation before clipping; else the RMS of all that noise and
    compression changed, 0 below 0.5 and in drawings of flat areas."""
    is_white: bool
    """Whether neighbouring pixels have noise of their own, the same everywhere, as a simulation or a sensor without
    development gives it."""


def measured_noise(blocks: Sequence[Image]) -> MeasuredNoise:
    """Look at a picture, or at blocks of it that stand for the whole; (H, W) or (H, W, C) as `checked_image` allows.

    Pictures of less than 48 pixels a side are taken to have white noise: there is too little to tell.
    """
    crops = list(_crops(blocks))
    if not crops:
        sigma = estimate_sigma_of_blocks(blocks)
        return MeasuredNoise(level=0.0 if sigma < _NONE_BELOW else sigma, is_white=True)
    found = noise_of_crops(crops)
    if found.equal_N.mean() > _EQUAL_IN_DRAWINGS:
        return MeasuredNoise(level=0.0, is_white=False)
    level = float(np.sqrt(np.mean(found.levels_N**2)))
    # Where there is more noise its kind is seen better.
    if float(np.sum(found.whiteness_N * found.levels_N)) > 0:
        sigma = estimate_sigma_of_blocks(blocks)
        if sigma >= _LEAST_AGREEMENT * level:
            return MeasuredNoise(level=sigma, is_white=True)
    return MeasuredNoise(level=0.0 if level < _NONE_BELOW else level, is_white=False)


def _crops(blocks: Sequence[Image]) -> Iterator[NDArray[np.float32]]:
    """At most `_MOST_CROPS`, evenly spread, in RGB and grey levels."""
    usable = [block for block in blocks if min(block.shape[:2]) >= SMALLEST_SIDE]
    per_block = _MOST_CROPS / max(1, len(usable))
    for block in usable[:: max(1, math.ceil(len(usable) / _MOST_CROPS))]:
        for rows in _spans(block.shape[0], per_block):
            for columns in _spans(block.shape[1], per_block):
                pixels = np.multiply(block[rows, columns], np.float32(255 / white_of(block.dtype)), dtype=np.float32)
                yield np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), (*pixels.shape[:2], 3))


def _spans(length: int, num_crops: float) -> list[slice]:
    """Along one side: crops from border to border, no more than their share."""
    side = min(length, _CROP_SIDE)
    count = max(1, min(length // side, math.isqrt(int(num_crops))))
    if count == 1:
        starts = [(length - side) // 2]
    else:
        starts = [index * (length - side) // (count - 1) for index in range(count)]
    return [slice(start, start + side) for start in starts]
