"""Pictures enlarged and reduced by whole factors as MATLAB's imresize does it. Imports no torch.

Bicubic convolution with a = -0.5 (Keys 1981). Where a picture is reduced the kernel is stretched by the factor, which
keeps finer detail from aliasing. Beyond the border the picture is mirrored, the border's own pixels repeated.
"""

import numpy as np
from numpy.typing import NDArray

ENLARGEMENT_REACH = 2
"""Pixels of the small picture, on each side of the one it lies in, that a pixel of the large one depends on."""


def cubic(distance: NDArray[np.floating]) -> NDArray[np.float64]:
    """The kernel at distances in pixels; zero from 2 on."""
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def resampling_matrix(size: int, new_size: int) -> NDArray[np.float64]:
    """(new_size, size) weights of every old pixel in every new one, along one axis; each row sums to 1."""
    factor = new_size / size
    stretch = max(1.0, 1 / factor)
    reach = int(np.ceil(2 * stretch)) + 1
    centre = (np.arange(new_size) + 0.5) / factor - 0.5
    sources = np.floor(centre).astype(int)[:, None] + np.arange(-reach, reach + 1)
    weights = cubic((centre[:, None] - sources) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((new_size, size))
    phase = sources % (2 * size)
    mirrored = np.where(phase < size, phase, 2 * size - 1 - phase)
    np.add.at(matrix, (np.arange(new_size)[:, None], mirrored), weights)
    return matrix


def reduced(pixels: NDArray[np.floating], scale: int) -> NDArray[np.float64]:
    """(H, W) or (H, W, C), sides multiples of `scale`, to 1 / scale of its sides; not rounded."""
    height, width = pixels.shape[:2]
    assert height % scale == 0 and width % scale == 0, f"{pixels.shape} by {scale}"
    return _resized(pixels, height // scale, width // scale)


def enlarged(pixels: NDArray[np.floating], scale: int) -> NDArray[np.float64]:
    """(H, W) or (H, W, C) to `scale` times its sides; neither clipped nor rounded."""
    height, width = pixels.shape[:2]
    return _resized(pixels, height * scale, width * scale)


def enlarging_kernels(scale: int) -> NDArray[np.float64]:
    """(scale, 2 * ENLARGEMENT_REACH + 1) the weights of a pixel and its neighbours for each of the new ones in it."""
    offset = (np.arange(scale) + 0.5) / scale - 0.5
    neighbours = np.arange(-ENLARGEMENT_REACH, ENLARGEMENT_REACH + 1)
    return cubic(offset[:, None] - neighbours)


def _resized(pixels: NDArray[np.floating], height: int, width: int) -> NDArray[np.float64]:
    rows = np.tensordot(resampling_matrix(pixels.shape[0], height), pixels.astype(np.float64), axes=1)
    columns = np.tensordot(resampling_matrix(pixels.shape[1], width), rows, axes=(1, 1))
    return np.swapaxes(columns, 0, 1)
