"""The small network that looks at crops of a picture and says how strong its noise is, and whether it is white.

Trained (`hinas.search.noise`) on simulated photographs, white noise, JPEG alone, clean pictures and drawings. It runs
in NumPy: three convolutions of stride 2 without padding; of what each finds the mean over the crop and over the
calmest of 4 x 4 cells, and the share of pixels that equal their neighbour; the logarithms of all that go through two
dense layers.

Shapes: `N` crops, (h, w, 3) RGB in grey levels 0..255.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FILE = Path(__file__).parent.parent / "models" / "noise.npz"
_MIDDLE, _SPREAD = 127.5, 64.0
"""What pixels are shifted by and divided by."""
_LEVEL_OFFSET = 0.5
"""Grey levels: the network gives log(level + this)."""
SMALLEST_SIDE = 48
"""Pixels: in smaller crops the third convolution has less than a value for each cell."""
_CELLS = 4
_FLOOR = np.float32(0.01)
"""Added before the logarithm."""
_Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseOfCrops:
    """What was found in each crop."""

    levels_N: _Array
    """RMS of the noise in grey levels 0..255."""
    whiteness_N: _Array
    """Log odds that the noise is white Gaussian."""
    equal_N: _Array
    """Share of pixels that equal their right neighbour."""


def noise_of_crops(crops: Iterable[_Array]) -> NoiseOfCrops:
    """Look at crops of at least `SMALLEST_SIDE` pixels a side."""
    with np.load(_FILE) as file:
        weights: dict[str, _Array] = dict(file)
    crops = list(crops)
    equal_N = np.array([_share_of_equal_neighbours(crop) for crop in crops], np.float32)
    answers_N2 = np.stack([_answer(crop, equal, weights) for crop, equal in zip(crops, equal_N, strict=True)])
    levels_N = np.exp(answers_N2[:, 0]) - np.float32(_LEVEL_OFFSET)
    return NoiseOfCrops(levels_N=np.maximum(levels_N, 0), whiteness_N=answers_N2[:, 1], equal_N=equal_N)


def _share_of_equal_neighbours(crop: _Array) -> float:
    return float(np.mean(np.all(crop[:, 1:] == crop[:, :-1], axis=2)))


def _answer(crop: _Array, equal: np.float32, weights: dict[str, _Array]) -> _Array:
    values = (crop - np.float32(_MIDDLE)) / np.float32(_SPREAD)
    found: list[_Array] = []
    for layer in ("a", "b", "c"):
        values = np.maximum(_convolved(values, weights[f"{layer}.weight"]) + weights[f"{layer}.bias"], 0)
        found += [values.mean(axis=(0, 1)), _cell_means(values).min(axis=0)]
    features = np.log(np.concatenate([*found, [equal]]) + _FLOOR)
    hidden = np.maximum(weights["d.weight"] @ features + weights["d.bias"], 0)
    return weights["e.weight"] @ hidden + weights["e.bias"]


def _convolved(values_HWC: _Array, kernel_OIKK: _Array) -> _Array:
    """(H', W', O): every second window in both directions."""
    side = kernel_OIKK.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(values_HWC, (side, side), axis=(0, 1))[::2, ::2]
    rows, columns = windows.shape[:2]
    # A row at a time: products so small that BLAS stays on one thread, which is faster where cores are busy.
    return windows.reshape(rows, columns, -1) @ kernel_OIKK.reshape(len(kernel_OIKK), -1).T


def _cell_means(values_HWC: _Array) -> _Array:
    """(cells, C): cells cover the crop and share a row or a column where its sides are no multiples of `_CELLS`."""
    rows, columns = (_cells(length) for length in values_HWC.shape[:2])
    return np.stack([values_HWC[row, column].mean(axis=(0, 1)) for row in rows for column in columns])


def _cells(length: int) -> list[slice]:
    return [slice(index * length // _CELLS, -(-(index + 1) * length // _CELLS)) for index in range(_CELLS)]
