"""PSNR and SSIM as stated definitions, for images in grey levels 0..255.

The output is clipped to 0..255 (and not rounded) before it is compared. Shapes: (H, W) or (H, W, C).
"""

import math

import numpy as np
from numpy.typing import NDArray

WINDOW_RADIUS = 5
"""Pixels: SSIM's window is 11x11."""
SMALLEST_SIDE = 2 * WINDOW_RADIUS + 1
"""Pixels: smaller images have no SSIM."""
_WINDOW_STD = 1.5
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2

Pixels = NDArray[np.float32] | NDArray[np.float64]


def clipped(output: Pixels) -> NDArray[np.float32 | np.float64]:
    """`output` within 0..255, as any file would keep it; not rounded."""
    return np.clip(output, 0, 255)


def psnr_db(output: Pixels, clean: NDArray[np.uint8] | Pixels) -> float:
    """10 log10(255^2 / MSE) in dB, the MSE over all pixels and all channels; infinite where nothing differs."""
    error = clipped(output) - clean
    mean_square = float(np.mean(np.square(error, dtype=np.float64)))
    return math.inf if mean_square == 0 else 10 * math.log10(255**2 / mean_square)


class SsimReference:
    """A clean image with its local statistics, to compare many outputs with it.

    SSIM of Wang et al. (2004): a Gaussian window of 11x11 pixels with standard deviation 1.5, C1 = (0.01 * 255)^2,
    C2 = (0.03 * 255)^2, population (not sample) variances. Only windows that lie wholly inside the image count, so
    nothing is invented beyond its borders; the mean over them, then over the channels, is the result.
    """

    def __init__(self, clean: NDArray[np.uint8] | Pixels) -> None:
        """`clean`: both sides at least SMALLEST_SIDE pixels (a defect of the caller otherwise)."""
        assert min(clean.shape[:2]) >= SMALLEST_SIDE, f"no 11x11 window fits into {clean.shape}"
        self._clean = clean.astype(np.float64)
        self._mean = windowed_mean(self._clean)
        self._variance = windowed_mean(self._clean**2) - self._mean**2

    def ssim(self, output: Pixels) -> float:
        """SSIM of `output` (clipped first) with the clean image; 1 where they are equal."""
        image = clipped(output).astype(np.float64)
        mean = windowed_mean(image)
        variance = windowed_mean(image**2) - mean**2
        covariance = windowed_mean(image * self._clean) - mean * self._mean
        numerator = (2 * mean * self._mean + _C1) * (2 * covariance + _C2)
        denominator = (mean**2 + self._mean**2 + _C1) * (variance + self._variance + _C2)
        return float(np.mean(numerator / denominator))


def ssim(output: Pixels, clean: NDArray[np.uint8]) -> float:
    """SSIM of one pair, as `SsimReference` defines it."""
    return SsimReference(clean).ssim(output)


def windowed_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian-weighted mean in every window that lies inside: (H, W[, C]) -> (H - 10, W - 10[, C])."""
    return _along_columns(_along_rows(values))


def _weights() -> list[float]:
    """Half of the symmetric window, from the edge to the centre; the whole window sums to 1."""
    half = [math.exp(-0.5 * (distance / _WINDOW_STD) ** 2) for distance in range(WINDOW_RADIUS, -1, -1)]
    total = 2 * sum(half) - half[-1]
    return [weight / total for weight in half]


def _along_rows(values: NDArray[np.float64]) -> NDArray[np.float64]:
    size, last = values.shape[0] - 2 * WINDOW_RADIUS, 2 * WINDOW_RADIUS
    *pairs, centre = _weights()
    result = centre * values[WINDOW_RADIUS : WINDOW_RADIUS + size]
    for step, weight in enumerate(pairs):
        result += weight * (values[step : step + size] + values[last - step : last - step + size])
    return result


def _along_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    size, last = values.shape[1] - 2 * WINDOW_RADIUS, 2 * WINDOW_RADIUS
    *pairs, centre = _weights()
    result = centre * values[:, WINDOW_RADIUS : WINDOW_RADIUS + size]
    for step, weight in enumerate(pairs):
        result += weight * (values[:, step : step + size] + values[:, last - step : last - step + size])
    return result
