"""Separable filters as matrices: a plane X of (H, W) becomes `rows @ X @ columns.T`.

One product of matrices blurs with any width or scales by any factor, and BLAS makes it fast.
Planes are float32 of (..., H, W); borders mirror, the outermost pixel included.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np

Kernel = Literal["area", "bicubic", "lanczos"]


def gaussian_blurred(planes: np.ndarray, sigma: float) -> np.ndarray:
    """Blur with a Gaussian of `sigma` pixels; 0 returns the planes as they are."""
    if sigma == 0:
        return planes
    height, width = planes.shape[-2:]
    return gaussian_matrix(height, sigma) @ planes @ gaussian_matrix(width, sigma).T


def box_averaged(planes: np.ndarray, size: int) -> np.ndarray:
    """The mean over `size` x `size` pixels around each pixel; `size` is odd."""
    height, width = planes.shape[-2:]
    return box_matrix(height, size) @ planes @ box_matrix(width, size).T


def resized(planes: np.ndarray, height: int, width: int, kernel: Kernel) -> np.ndarray:
    """Scale to (..., height, width); a kernel is widened when it makes smaller, as Pillow does."""
    old_height, old_width = planes.shape[-2:]
    if (old_height, old_width) == (height, width):
        return planes
    return resize_matrix(old_height, height, kernel) @ planes @ resize_matrix(old_width, width, kernel).T


@lru_cache(maxsize=64)
def gaussian_matrix(length: int, sigma: float) -> np.ndarray:
    """(length, length) matrix of a Gaussian of `sigma` pixels, cut off at four sigma."""
    radius = int(np.ceil(4 * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return _mirrored_band(length, taps / taps.sum())


@lru_cache(maxsize=64)
def box_matrix(length: int, size: int) -> np.ndarray:
    """(length, length) matrix of the mean over `size` pixels, an odd number."""
    return _mirrored_band(length, np.full(size, 1 / size))


@lru_cache(maxsize=64)
def resize_matrix(old: int, new: int, kernel: Kernel) -> np.ndarray:
    """(new, old) matrix that scales a line of `old` pixels to `new`, its weights normalised per row."""
    stretch = max(1.0, old / new)
    centre = (np.arange(new) + 0.5) * old / new
    distance = (np.arange(old)[None, :] + 0.5 - centre[:, None]) / stretch
    weights = _KERNELS[kernel](distance)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _mirrored_band(length: int, taps: np.ndarray) -> np.ndarray:
    radius = len(taps) // 2
    column = np.arange(length)[:, None] + np.arange(-radius, radius + 1)[None, :]
    column = column % (2 * length)
    column = np.minimum(column, 2 * length - 1 - column)
    matrix = np.zeros((length, length))
    np.add.at(matrix, (np.arange(length)[:, None].repeat(len(taps), 1), column), taps[None, :].repeat(length, 0))
    return matrix.astype(np.float32)


def _area(distance: np.ndarray) -> np.ndarray:
    return ((distance >= -0.5) & (distance < 0.5)).astype(np.float64)


def _bicubic(distance: np.ndarray) -> np.ndarray:
    x = np.abs(distance)
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))


def _lanczos(distance: np.ndarray) -> np.ndarray:
    return np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)


_KERNELS: dict[Kernel, Callable[[np.ndarray], np.ndarray]] = {"area": _area, "bicubic": _bicubic, "lanczos": _lanczos}
