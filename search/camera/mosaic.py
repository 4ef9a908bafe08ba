"""The colour filter before the sensor, and the ways to fill in the two colours that each pixel lacks.

Mosaics are float32 of (..., H, W), colour planes (..., 3, H, W) in the order red, green, blue; H and W are even.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Phase = Literal["RGGB", "GRBG", "GBRG", "BGGR"]
Demosaicing = Literal["bilinear", "malvar", "hamilton-adams"]

RED_AT: dict[Phase, tuple[int, int]] = {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}
"""Row and column of the red pixel within a tile of 2 x 2."""


def mosaiced(planes: np.ndarray, phase: Phase) -> np.ndarray:
    """Keep of every pixel the one colour that its filter lets through."""
    row, column = RED_AT[phase]
    mosaic = planes[..., 1, :, :].copy()
    mosaic[..., row::2, column::2] = planes[..., 0, row::2, column::2]
    mosaic[..., 1 - row :: 2, 1 - column :: 2] = planes[..., 2, 1 - row :: 2, 1 - column :: 2]
    return mosaic


def packed(mosaic: np.ndarray) -> np.ndarray:
    """(..., 4, H/2, W/2) of a mosaic (..., H, W) in RGGB: red, the green beside it, the green below it, blue."""
    return np.stack([mosaic[..., row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=-3)


def demosaiced(mosaic: np.ndarray, phase: Phase, how: Demosaicing) -> np.ndarray:
    """Colour planes of a mosaic; a pixel's own colour stays as it was measured."""
    around = _Neighbours.of(mosaic)
    if how == "bilinear":
        return _assembled(mosaic, phase, _bilinear(around))
    if how == "malvar":
        return _assembled(mosaic, phase, _malvar(mosaic, around))
    return _hamilton_adams(mosaic, phase, around)


@dataclass(frozen=True)
class _Neighbours:
    """Sums over the neighbours of every pixel, one and two steps away."""

    left: np.ndarray
    right: np.ndarray
    up: np.ndarray
    down: np.ndarray
    diagonals: np.ndarray
    two_beside: np.ndarray
    two_above: np.ndarray

    @classmethod
    def of(cls, mosaic: np.ndarray) -> "_Neighbours":
        padded = _padded(mosaic)
        height, width = mosaic.shape[-2:]

        def moved(down: int, right: int) -> np.ndarray:
            return padded[..., 2 + down : 2 + down + height, 2 + right : 2 + right + width]

        return cls(
            left=moved(0, -1),
            right=moved(0, 1),
            up=moved(-1, 0),
            down=moved(1, 0),
            diagonals=moved(-1, -1) + moved(-1, 1) + moved(1, -1) + moved(1, 1),
            two_beside=moved(0, -2) + moved(0, 2),
            two_above=moved(-2, 0) + moved(2, 0),
        )


@dataclass(frozen=True)
class _Estimates:
    """A missing colour at every pixel, by where the pixels that measured it lie."""

    green: np.ndarray
    """Above, below and beside."""
    beside: np.ndarray
    above: np.ndarray
    diagonal: np.ndarray


def _padded(mosaic: np.ndarray) -> np.ndarray:
    # Mirrored without the outermost pixel, so that the colours of the pattern stay in their places.
    return np.pad(mosaic, [(0, 0)] * (mosaic.ndim - 2) + [(2, 2), (2, 2)], mode="reflect")


def _bilinear(around: _Neighbours) -> _Estimates:
    beside, above = around.left + around.right, around.up + around.down
    return _Estimates(green=(beside + above) / 4, beside=beside / 2, above=above / 2, diagonal=around.diagonals / 4)


def _malvar(mosaic: np.ndarray, around: _Neighbours) -> _Estimates:
    """Malvar, He, Cutler: High-quality linear interpolation for demosaicing, ICASSP 2004, Figure 2."""
    beside, above = around.left + around.right, around.up + around.down
    two, corners = around.two_beside + around.two_above, around.diagonals
    return _Estimates(
        green=(4 * mosaic + 2 * (beside + above) - two) / 8,
        beside=(5 * mosaic + 4 * beside - around.two_beside - corners + around.two_above / 2) / 8,
        above=(5 * mosaic + 4 * above - around.two_above - corners + around.two_beside / 2) / 8,
        diagonal=(6 * mosaic + 2 * corners - 1.5 * two) / 8,
    )


def _hamilton_adams(mosaic: np.ndarray, phase: Phase, around: _Neighbours) -> np.ndarray:
    """Green along the direction that changes less, then red and blue by their differences from green.

    Green as Hamilton and Adams choose it, US patent 5,629,734 (1997, expired), but a tie between the directions, at
    about one pixel in a thousand, goes to above and below instead of to the mean of both. Red and blue are bilinear in
    the differences, as in the programs published by IPOL; others choose between the diagonals.
    """
    bend_beside, bend_above = 2 * mosaic - around.two_beside, 2 * mosaic - around.two_above
    change_beside = np.abs(around.left - around.right) + np.abs(bend_beside)
    change_above = np.abs(around.up - around.down) + np.abs(bend_above)
    beside = (around.left + around.right) / 2 + bend_beside / 4
    above = (around.up + around.down) / 2 + bend_above / 4
    estimate = np.where(change_beside < change_above, beside, above)
    row, column = RED_AT[phase]
    green = mosaic.copy()
    for at in ((row, column), (1 - row, 1 - column)):
        green[..., at[0] :: 2, at[1] :: 2] = estimate[..., at[0] :: 2, at[1] :: 2]
    difference = mosaic - green
    planes = _assembled(difference, phase, _bilinear(_Neighbours.of(difference)))
    planes[..., 0, :, :] += green
    planes[..., 2, :, :] += green
    planes[..., 1, :, :] = green
    return planes


def _assembled(mosaic: np.ndarray, phase: Phase, estimates: _Estimates) -> np.ndarray:
    row, column = RED_AT[phase]
    planes = np.empty((*mosaic.shape[:-2], 3, *mosaic.shape[-2:]), np.float32)
    planes[..., 1, :, :] = mosaic
    for at in ((row, column), (1 - row, 1 - column)):
        planes[..., 1, at[0] :: 2, at[1] :: 2] = estimates.green[..., at[0] :: 2, at[1] :: 2]
    for plane, (r, c) in ((0, (row, column)), (2, (1 - row, 1 - column))):
        planes[..., plane, r::2, c::2] = mosaic[..., r::2, c::2]
        planes[..., plane, r::2, 1 - c :: 2] = estimates.beside[..., r::2, 1 - c :: 2]
        planes[..., plane, 1 - r :: 2, c::2] = estimates.above[..., 1 - r :: 2, c::2]
        planes[..., plane, 1 - r :: 2, 1 - c :: 2] = estimates.diagonal[..., 1 - r :: 2, 1 - c :: 2]
    return planes
