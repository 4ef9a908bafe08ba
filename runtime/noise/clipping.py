"""Gaussian noise that a file has clipped at black and white: its mean and variance, and the way back to its level.

All values are grey levels 0..255. `bounds` = (lowest, highest) value that pixels are clipped to.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_HIGHEST_LEVEL = 200.0
_erf = np.frompyfunc(math.erf, 1, 1)


def clipped_noise_variance(
    mean_P: NDArray[np.floating], sigma: float, bounds: tuple[float, float]
) -> NDArray[np.float64]:
    """Variance of noise of level `sigma` where the clipped pixels' MEAN is `mean_P`."""
    offsets = np.linspace(-4 * sigma, 4 * sigma, 41)
    true_mean = np.sort(np.concatenate([bounds[0] + offsets, bounds[1] + offsets]))
    mean, variance = clipped_moments(true_mean, sigma, bounds)
    return np.interp(mean_P, mean, variance)


def level_that_explains(variance: float, mean_P: NDArray[np.floating], bounds: tuple[float, float]) -> float:
    """The noise level whose variance after clipping, averaged over areas of brightness `mean_P`, is `variance`."""
    if variance <= 0.0:
        return 0.0
    sample = mean_P[:: max(1, len(mean_P) // 1000)]
    low, high = math.sqrt(variance) * 0.5, _HIGHEST_LEVEL
    while high - low > 1e-3 * low:
        middle = math.sqrt(low * high)
        if clipped_noise_variance(sample, middle, bounds).mean() < variance:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


def clipped_moments(true_mean: Array, sigma: float, bounds: tuple[float, float]) -> tuple[Array, Array]:
    """Mean and variance of a Gaussian clipped (not truncated) to `bounds`, as functions of its mean before."""
    low, high = bounds
    a, b = (low - true_mean) / sigma, (high - true_mean) / sigma
    density_a, density_b = _density(a), _density(b)
    below, above = _below(a), 1 - _below(b)
    inside = 1 - below - above
    # Relative to the true mean, so that large bounds cost no digits.
    first = sigma * (a * below + b * above - (density_b - density_a))
    second = sigma**2 * (a * a * below + b * b * above + inside - (b * density_b - a * density_a))
    return true_mean + first, np.maximum(second - first**2, 0.0)


def _density(x: Array) -> Array:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _below(x: Array) -> Array:
    return 0.5 * (1 + np.asarray(_erf(x / math.sqrt(2)), np.float64))
