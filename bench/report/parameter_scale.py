"""Numbers of parameters as sizes of markers."""

from collections.abc import Sequence

import numpy as np

_SMALLEST_POINTS, _LARGEST_POINTS = 6.0, 14.0
"""Diameters."""


class ParameterScale:
    """Number of parameters to the diameter of a marker, over the logarithm: models differ by factors."""

    def __init__(self, parameters: Sequence[int | None]) -> None:
        """`parameters`: of every point in the picture; None: unknown."""
        self._known = sorted({number for number in parameters if number})
        low, high = (self._known[0], self._known[-1]) if self._known else (1e5, 1e6)
        # At least a decade, so that nearly equal models look nearly equal.
        middle, half = np.sqrt(float(low) * high), max(np.sqrt(high / low), np.sqrt(10))
        self._low, self._high = np.log(middle / half), np.log(middle * half)

    def diameter(self, parameters: int | None) -> float:
        """In points; the smallest one for None."""
        if not parameters:
            return _SMALLEST_POINTS
        share = (np.log(parameters) - self._low) / (self._high - self._low)
        return float(_SMALLEST_POINTS + (_LARGEST_POINTS - _SMALLEST_POINTS) * share)

    def examples(self) -> list[int]:
        """The smallest and the largest number in the picture, for a legend; one where they are the same."""
        return list(dict.fromkeys((self._known[0], self._known[-1]))) if self._known else []
