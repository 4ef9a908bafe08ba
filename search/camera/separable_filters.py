"""Separable filters as matrices: a plane X of (H, W) becomes `rows @ X @ columns.T`.

One product of matrices blurs with any width or scales by any factor, and BLAS makes it fast. Since every output pixel
depends on its neighbourhood only, the product is taken in blocks of rows, each with the columns that are not zero.
Planes are float32 of (..., H, W); borders mirror, the outermost pixel included.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np

Kernel = Literal["area", "bicubic", "lanczos"]
_Blocks = tuple[tuple[slice, slice, np.ndarray], ...]
_ROWS_PER_BLOCK = 64


def gaussian_blurred(planes: np.ndarray, sigma: float) -> np.ndarray:
    """Blur with a Gaussian of `sigma` pixels; 0 returns the planes as they are."""
    if sigma == 0:
        return planes
    height, width = planes.shape[-2:]
    return _filtered(planes, _gaussian_blocks(height, sigma), _gaussian_blocks(width, sigma))


def box_averaged(planes: np.ndarray, size: int) -> np.ndarray:
    """The mean over `size` x `size` pixels around each pixel; `size` is odd."""
    height, width = planes.shape[-2:]
    return _filtered(planes, _box_blocks(height, size), _box_blocks(width, size))


def resized(planes: np.ndarray, height: int, width: int, kernel: Kernel) -> np.ndarray:
    """Scale to (..., height, width); a kernel is widened when it makes smaller, as Pillow does."""
    old_height, old_width = planes.shape[-2:]
    if (old_height, old_width) == (height, width):
        return planes
    return _filtered(planes, _resize_blocks(old_height, height, kernel), _resize_blocks(old_width, width, kernel))


def gaussian_matrix(length: int, sigma: float) -> np.ndarray:
    """(length, length) matrix of a Gaussian of `sigma` pixels, cut off at four sigma."""
    radius = int(np.ceil(4 * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return _mirrored_band(length, taps / taps.sum())


def box_matrix(length: int, size: int) -> np.ndarray:
    """(length, length) matrix of the mean over `size` pixels, an odd number."""
    return _mirrored_band(length, np.full(size, 1 / size))


def resize_matrix(old: int, new: int, kernel: Kernel) -> np.ndarray:
    """(new, old) matrix that scales a line of `old` pixels to `new`, its weights normalised per row."""
    stretch = max(1.0, old / new)
    centre = (np.arange(new) + 0.5) * old / new
    distance = (np.arange(old)[None, :] + 0.5 - centre[:, None]) / stretch
    weights = _KERNELS[kernel](distance)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _filtered(planes: np.ndarray, rows: _Blocks, columns: _Blocks) -> np.ndarray:
    height, width = rows[-1][0].stop, columns[-1][0].stop
    tall = np.empty((*planes.shape[:-2], height, planes.shape[-1]), np.float32)
    for into, taken, block in rows:
        tall[..., into, :] = block @ planes[..., taken, :]
    result = np.empty((*planes.shape[:-2], height, width), np.float32)
    for into, taken, block in columns:
        result[..., into] = tall[..., taken] @ block.T
    return result


@lru_cache(maxsize=64)
def _gaussian_blocks(length: int, sigma: float) -> _Blocks:
    return _blocks(gaussian_matrix(length, sigma))


@lru_cache(maxsize=64)
def _box_blocks(length: int, size: int) -> _Blocks:
    return _blocks(box_matrix(length, size))


@lru_cache(maxsize=64)
def _resize_blocks(old: int, new: int, kernel: Kernel) -> _Blocks:
    return _blocks(resize_matrix(old, new, kernel))


def _blocks(matrix: np.ndarray) -> _Blocks:
    found: list[tuple[slice, slice, np.ndarray]] = []
    for top in range(0, len(matrix), _ROWS_PER_BLOCK):
        rows = slice(top, min(top + _ROWS_PER_BLOCK, len(matrix)))
        used = np.flatnonzero(matrix[rows].any(axis=0))
        columns = slice(int(used[0]), int(used[-1]) + 1)
        found.append((rows, columns, np.ascontiguousarray(matrix[rows, columns])))
    return tuple(found)


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
