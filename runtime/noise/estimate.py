"""Estimate the level of Gaussian noise in one picture.

Idea, from two papers, in our own form:
- The covariance of 8 x 8 patches has a tail of equal eigenvalues, the noise variance; a few large ones carry texture.
  Drop the largest until the mean of the rest is not above their median (Chen, Zhu, Heng, ICCV 2015).
- Before that, keep patches without texture: those whose squared gradients are what noise alone
  explains (Liu, Tanaka, Okutomi, TIP 2013). Repeat with the level found.
Files clip noise at black and white, which shrinks its variance. So the variance that was seen is compared with the
mean variance of clipped Gaussian noise at the patches' own brightness, and the level that explains it is returned.

Shapes: `P` patches, `D` pixels of a patch.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tiling.pixel_values import Image, white_of
from .clipping import clipped_noise_variance, level_that_explains

_SIDE = 8
_MOST_PATCHES = 24_000
"""Per picture: bounds the time; pictures of 481 x 321 and larger are sampled on a regular grid."""
_FEWEST_PATCHES = 300
"""Below this the covariance of 64 values says nothing."""
_NUM_GRADIENTS = 2 * _SIDE * (_SIDE - 1)
_TEXTURELESS = 1.6
"""A patch counts as textureless up to this multiple of the gradient energy that noise alone has on average.

Measured on 25 pictures: 1.4 underestimates by 2 %, 1.6 is within 1 % on average."""
_MOST_CLIPPED = 0.15
"""Patches whose noise lost more than 85 % of its variance to clipping are left out."""
_MOST_PASSES = 4


def estimate_sigma(image: Image) -> float:
    """The standard deviation of the noise in grey levels 0..255, for any dtype; 0.0 where there is none to be seen.

    `image`: (H, W) or (H, W, C), as `checked_image` allows. Colour: the root mean square over the channels.
    Assumes white Gaussian noise of one level; pixels clipped at black or white are corrected for.
    """
    return estimate_sigma_of_blocks([image])


def estimate_sigma_of_blocks(blocks: Sequence[Image]) -> float:
    """As `estimate_sigma`, for a picture of which only some blocks are known. All are of one kind."""
    by_channel = [[block] if block.ndim == 2 else list(np.moveaxis(block, 2, 0)) for block in blocks]
    levels = [_planes_sigma(planes, _MOST_PATCHES // len(by_channel[0])) for planes in zip(*by_channel, strict=True)]
    return math.sqrt(sum(level**2 for level in levels) / len(levels))


def _planes_sigma(planes: Sequence[Image], most_patches: int) -> float:
    """`planes`: one channel of every block."""
    if sum(math.prod(max(0, side - _SIDE + 1) for side in plane.shape) for plane in planes) < _FEWEST_PATCHES:
        return _sigma_of_few_pixels(planes)
    patches_PD = np.concatenate(
        [_sampled_patches(plane, most_patches // len(planes)) for plane in planes if min(plane.shape) >= _SIDE]
    )
    bounds = _clipping_bounds(patches_PD)
    is_clipped_PD = (patches_PD <= bounds[0]) | (patches_PD >= bounds[1])
    patches_PD = patches_PD[is_clipped_PD.mean(axis=1) < 0.9]
    if len(patches_PD) < _FEWEST_PATCHES:
        return _sigma_of_few_pixels(planes)
    means_P = patches_PD.mean(axis=1)
    energy_P = _gradient_energy(patches_PD)
    sigma = level_that_explains(_tail_variance(patches_PD), means_P, bounds)
    for _ in range(_MOST_PASSES):
        if sigma == 0.0:
            break
        variance_P = clipped_noise_variance(means_P, sigma, bounds)
        # Two differing pixels: a gradient's energy is twice the variance.
        ratio_P = energy_P / (2 * _NUM_GRADIENTS * np.maximum(variance_P, 0.05 * sigma**2))
        is_flat_P = (ratio_P < _TEXTURELESS) & (variance_P > _MOST_CLIPPED * sigma**2)
        if np.count_nonzero(is_flat_P) < _FEWEST_PATCHES:
            is_flat_P = ratio_P <= np.partition(ratio_P, _FEWEST_PATCHES - 1)[_FEWEST_PATCHES - 1]
        previous, sigma = sigma, level_that_explains(_tail_variance(patches_PD[is_flat_P]), means_P[is_flat_P], bounds)
        if abs(sigma - previous) < 0.01 * previous:
            break
    return sigma


def _sampled_patches(plane: Image, most: int) -> NDArray[np.float32]:
    """Patches (P, D) in grey levels, overlapping, on a regular grid over the whole plane."""
    views = np.lib.stride_tricks.sliding_window_view(plane, (_SIDE, _SIDE))
    step = max(1, math.ceil(math.sqrt(views.shape[0] * views.shape[1] / most)))
    patches = views[::step, ::step].reshape(-1, _SIDE * _SIDE)
    return np.multiply(patches, np.float32(255 / white_of(plane.dtype)), dtype=np.float32)


def _clipping_bounds(patches_PD: NDArray[np.float32]) -> tuple[float, float]:
    """The grey levels noise is clipped at: 0 and 255 where pixels pile up there and none lie beyond; else far away."""
    black, white, far = 0.0, 255.0, 1e4
    few = 1e-4
    is_black = patches_PD.min() >= black and np.mean(patches_PD == black) > few
    is_white = patches_PD.max() <= white and np.mean(patches_PD == white) > few
    return (black if is_black else -far), (white if is_white else far)


def _gradient_energy(patches_PD: NDArray[np.float32]) -> NDArray[Any]:
    """Sum of squared horizontal and vertical differences of each patch."""
    patches = patches_PD.reshape(-1, _SIDE, _SIDE)
    down, across = np.diff(patches, axis=1), np.diff(patches, axis=2)
    return np.einsum("pij,pij->p", down, down) + np.einsum("pij,pij->p", across, across)


def _tail_variance(patches_PD: NDArray[np.float32]) -> float:
    """Mean of the smallest eigenvalues of the patches' covariance, as many as are alike; at least 0."""
    centred = patches_PD - patches_PD.mean(axis=0)
    # In blocks so small that BLAS stays on one thread: its threads take ten times as long where cores are busy.
    block = _SIDE * _SIDE
    whole = len(centred) // block * block
    blocks = centred[:whole].reshape(-1, block, block)
    scatter = np.matmul(blocks.transpose(0, 2, 1), blocks).sum(axis=0, dtype=np.float64)
    scatter += centred[whole:].T @ centred[whole:]
    eigenvalues = np.linalg.eigvalsh(scatter / len(centred))
    for count in range(len(eigenvalues), 1, -1):
        tail = eigenvalues[:count]
        if tail.mean() <= np.median(tail):
            return max(float(tail.mean()), 0.0)
    return max(float(eigenvalues[0]), 0.0)


def _sigma_of_few_pixels(planes: Sequence[Image]) -> float:
    """For pictures of a few pixels: the median size of mixed second differences, 0 on flat areas and ramps."""
    mixed = np.concatenate([_mixed_differences(plane).ravel() for plane in planes])
    if mixed.size == 0:
        return 0.0
    # Four pixels: twice the standard deviation; 0.6745 is the median of a standard Gaussian's magnitude.
    return float(np.median(np.abs(mixed))) / 2 / 0.6745


def _mixed_differences(plane: Image) -> NDArray[np.float64]:
    levels = plane.astype(np.float64) * (255 / white_of(plane.dtype))
    return levels[1:, 1:] - levels[1:, :-1] - levels[:-1, 1:] + levels[:-1, :-1]
