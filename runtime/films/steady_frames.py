"""A step over time: what stays the same from frame to frame is averaged, so that what is left of the noise fades.

Recursive and without a search for motion. Each frame that was denoised is mixed with the result for the frame before,
pixel by pixel, where the two differ by no more than what denoising leaves of the noise. Two tests around each pixel
decide. Single differences, as an edge that moves makes them, are seen in the mean square over a small window; slow
changes of brightness in the mean over a larger one, where what is left of the noise cancels out.

Shapes: pixels (H, W) or (H, W, 3) float32, black 0 and white 1; weights (H, W).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .frame_pixels import Pixels

_SMALL, _LARGE = 3, 7
"""Radii of the windows, in pixels."""
_DIFFERENCE_PER_ROOT, _LARGEST_DIFFERENCE = 1.75, 9.0
"""Root of the mean square, in grey levels: the first times the root of the noise level, for denoising leaves a smaller
share of stronger noise, and never more than the second."""
_LARGEST_CHANGE = 0.2
"""Of the mean, times the noise level."""
_MOST_OF_THE_PAST = 0.8
"""Weight of the result before; the noise left then has a ninth of its variance in the end."""
_WHITE = 255
FRAMES_REMEMBERED = 24
"""Behind so many frames less than a hundredth of what was before is left in a result."""


class SteadyFrames:
    """Takes the frames of a film in their order."""

    def __init__(self, sigma: float) -> None:
        """`sigma`: the noise level of the film before it was denoised, in grey levels, above 0."""
        self._most_square = (min(_DIFFERENCE_PER_ROOT * sigma**0.5, _LARGEST_DIFFERENCE) / _WHITE) ** 2
        self._most_mean_square = (_LARGEST_CHANGE * sigma / _WHITE) ** 2
        self._past: Pixels | None = None
        self._num_averaged: NDArray[np.float32] | None = None
        """How many frames the result before is the mean of, for each pixel."""

    def __call__(self, clean: Pixels) -> Pixels:
        """The next frame, denoised alone; the result is not to be changed."""
        if self._past is None or self._num_averaged is None:
            self._past = clean
            self._num_averaged = np.ones(clean.shape[:2], np.float32)
            return clean
        difference = self._past - clean
        num_averaged = self._num_averaged * self._sameness(difference)
        weight = np.minimum(num_averaged / (num_averaged + 1), np.float32(_MOST_OF_THE_PAST))
        difference *= weight if clean.ndim == 2 else weight[:, :, np.newaxis]
        difference += clean
        self._past, self._num_averaged = difference, num_averaged + 1
        return difference

    def _sameness(self, difference: Pixels) -> NDArray[np.float32]:
        """0: something else is shown there; 1: the same."""
        channels = np.atleast_3d(difference)
        square = _window_mean(np.square(channels).mean(axis=2), _SMALL)
        means = [_window_mean(channels[:, :, index], _LARGE) for index in range(channels.shape[2])]
        change = np.square(np.max(np.abs(means), axis=0))
        return np.clip(1 - square / np.float32(self._most_square), 0, 1) * np.clip(
            1 - change / np.float32(self._most_mean_square), 0, 1
        )


def _window_mean(values: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """Of (H, W), over the square window around each pixel; the values at the border go on beyond it."""
    side = 2 * radius + 1
    padded = np.pad(values, radius, mode="edge")
    return _sliding_sum(_sliding_sum(padded, side).T, side).T * np.float32(1 / side**2)


def _sliding_sum(values: NDArray[Any], length: int) -> NDArray[Any]:
    """Sums of `length` rows that follow each other: in as many additions as `length` has binary digits, or twice."""
    num_sums = len(values) - length + 1
    total: NDArray[Any] | None = None
    start, size, sums = 0, 1, values
    while True:
        if length & size:
            piece = sums[start : start + num_sums]
            total = piece.copy() if total is None else np.add(total, piece, out=total)
            start += size
        if 2 * size > length:
            assert total is not None
            return total
        sums = sums[:-size] + sums[size:]
        size *= 2
