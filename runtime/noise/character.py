"""Whether noise that passes for white is what the networks were trained for: of one level everywhere, no impulses.

Looked at in the calmest patches, where there is little else to see. Shapes: `P` patches of 8 x 8 pixels, one channel.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tiling.pixel_values import Image, white_of
from .measured_noise import MeasuredNoise

_SIDE = 8
_MOST_PATCHES = 20_000
_CALMEST = 0.1
"""Share of the patches looked at, those with the smallest variance around a plane."""
_FEWEST_PATCHES = 60
_FAINTEST = 2.0
"""Grey levels: fainter noise is mixed with rounding and with the picture itself."""
_MOST_CORRELATED = 0.25
"""Of a pixel's noise with its neighbour's. White noise has -0.02 here, for a plane is fitted."""
_MOST_UNEVEN = 1.5
"""Ratio of the noise in the calm patches of the brightest and the darkest third, either way."""
_MOST_ALIKE_IN_WHITE_NOISE = 0.08
_MOST_IMPULSES = 1e-3
"""Share of black and white pixels among neighbours of middle brightness."""


def doubts(image: Image, noise: MeasuredNoise) -> tuple[str, ...]:
    """Why the noise measured on `image` may be off, in words; empty where nothing speaks against it.

    `image`: (H, W) or (H, W, C) as `checked_image` allows. Noise that is not white may be correlated and uneven.
    """
    plane = image if image.ndim == 2 else image[:, :, min(1, image.shape[2] - 1)]
    levels = plane[:, :] if plane.size < 1 << 22 else _middle(plane)
    grey = np.multiply(levels, np.float32(255 / white_of(image.dtype)), dtype=np.float32)
    found: list[str] = []
    if (share := impulses(grey)) > max(_MOST_IMPULSES, 10 * _expected_impulses(noise.level)):
        found.append(f"{share:.1%} of the pixels are black or white dots: impulses, not Gaussian noise")
    if not noise.is_white or min(grey.shape) < _SIDE:
        return tuple(found)
    means_P, residuals = _patches(grey)
    calm = _calmest(residuals)
    if len(calm) < _FEWEST_PATCHES or _level(calm) < _FAINTEST:
        return tuple(found)
    if (neighbours := correlation(calm)) > _MOST_CORRELATED:
        found.append(
            f"neighbouring pixels share their noise (correlation {neighbours:.2f}), as after scaling or a raw "
            f"converter: the level of {noise.level:.1f} is probably underestimated; try --model photo, or "
            "--sigma 'auto*1.5'"
        )
    order = np.argsort(means_P, kind="stable")
    third = len(order) // 3
    ends = [_calmest(residuals[part]) for part in (order[:third], order[-third:])]
    dark, bright = map(_level, ends)
    # Texture looks like noise, too, but its neighbours are alike.
    is_white = correlation(max(ends, key=_level)) < _MOST_ALIKE_IN_WHITE_NOISE
    if is_white and max(dark, bright) > _MOST_UNEVEN * max(min(dark, bright), 1.0):
        found.append(f"the noise depends on brightness: about {dark:.1f} grey levels in shadow, {bright:.1f} in light")
    return tuple(found)


def impulses(grey: NDArray[np.float32]) -> float:
    """The share of pixels at black or white whose four neighbours' median lies in the middle half."""
    if min(grey.shape) < 3:
        return 0.0
    centre = grey[1:-1, 1:-1]
    extreme = (centre <= 0) | (centre >= 255)
    sides = (grey[:-2, 1:-1], grey[2:, 1:-1], grey[1:-1, :-2], grey[1:-1, 2:])
    middle = np.median(np.stack([side[extreme] for side in sides]), axis=0)
    return np.count_nonzero((middle > 64) & (middle < 191)) / centre.size


def correlation(residuals: NDArray[np.float32]) -> float:
    """Of horizontal and vertical neighbours in patches (P, 8, 8) of mean zero: 1 alike, 0 independent."""
    energy = float(np.mean(residuals**2))
    if energy == 0:
        return 0.0
    across = float(np.mean(residuals[:, :, 1:] * residuals[:, :, :-1]))
    down = float(np.mean(residuals[:, 1:] * residuals[:, :-1]))
    return (across + down) / 2 / energy


def _expected_impulses(sigma: float) -> float:
    """How often Gaussian noise itself takes a pixel of middle brightness to black or white; generous."""
    return float(np.exp(-((64 / max(sigma, 1.0)) ** 2) / 2))


def _middle(plane: Image) -> Image:
    """The middle of a large picture, 2048 pixels a side."""
    top, left = ((length - min(length, 2048)) // 2 for length in plane.shape[:2])
    return plane[top : top + 2048, left : left + 2048]


def _patches(grey: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Mean brightness (P,) of patches that are not clipped, and what is left of each around a plane (P, 8, 8)."""
    views = np.lib.stride_tricks.sliding_window_view(grey, (_SIDE, _SIDE))
    step = max(2, int(np.ceil(np.sqrt(views.shape[0] * views.shape[1] / _MOST_PATCHES))))
    patches = views[::step, ::step].reshape(-1, _SIDE, _SIDE)
    patches = patches[((patches <= 0) | (patches >= 255)).mean(axis=(1, 2)) < 0.02]
    ramp = np.arange(_SIDE, dtype=np.float32) - (_SIDE - 1) / 2
    ramp /= np.linalg.norm(ramp) * np.sqrt(np.float32(_SIDE))
    means = patches.mean(axis=(1, 2))
    residuals = patches - means[:, np.newaxis, np.newaxis]
    for slope in (np.tile(ramp, (_SIDE, 1)), np.tile(ramp[:, np.newaxis], (1, _SIDE))):
        residuals = residuals - np.einsum("pij,ij->p", residuals, slope)[:, np.newaxis, np.newaxis] * slope
    return means, residuals


def _calmest(residuals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Those with the smallest variance."""
    variances = np.mean(residuals**2, axis=(1, 2))
    return residuals[np.argsort(variances, kind="stable")[: int(_CALMEST * len(residuals))]]


def _level(residuals: NDArray[np.float32]) -> float:
    """The noise left around the planes, in grey levels; 0.0 where there is no patch."""
    return float(np.sqrt(np.mean(residuals**2))) if len(residuals) else 0.0
