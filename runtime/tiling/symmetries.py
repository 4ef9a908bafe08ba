"""The seven symmetries of a window beside itself: turned and mirrored, for the average over all eight.

Shapes: windows and results (1, C, h, w) float32; under half of the symmetries h and w change places.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Window = NDArray[np.float32]


class Symmetry(Protocol):
    """A way to look at a window, and back."""

    def turned(self, window_BCHW: Window) -> Window:
        """The window as the network is to see it, contiguous."""
        ...

    def turned_back(self, result_BCHW: Window, straight_BCHW: Window) -> Window:
        """The result of a turned window as that of the window; `straight`, the window's own, for what was lost."""
        ...


@dataclass(frozen=True, slots=True)
class PictureSymmetry:
    """Of pixels that all stand for the same place in every channel: nothing is lost."""

    num_turns: int
    is_mirrored: bool

    def turned(self, window_BCHW: Window) -> Window:
        turned = np.rot90(window_BCHW, self.num_turns, axes=(2, 3))
        return np.ascontiguousarray(turned[:, :, :, ::-1] if self.is_mirrored else turned)

    def turned_back(self, result_BCHW: Window, straight_BCHW: Window) -> Window:
        result = result_BCHW[:, :, :, ::-1] if self.is_mirrored else result_BCHW
        return np.rot90(result, -self.num_turns, axes=(2, 3))


@dataclass(frozen=True, slots=True)
class BayerSymmetry:
    """Of packed Bayer data: the mosaic is mirrored about a pixel, so that red, green and blue keep their channels.

    Mirrored about the border between two pixels, as a picture is, RGGB would become GRBG: a network would see green
    where it learnt red. About the middle of a red column, red and the green below it go to columns of their own kind,
    and so do the other green and blue, which lie one pixel further right: after the mirroring one further left, so they
    move by one. Those of the last column thereby leave the window. Across the diagonal the two greens change places.
    """

    is_transposed: bool
    mirrors_rows: bool
    """Top and bottom change places, behind the transposition."""
    mirrors_columns: bool

    def turned(self, window_BCHW: Window) -> Window:
        turned = _transposed(window_BCHW) if self.is_transposed else window_BCHW
        turned = _with_mirrored_rows(turned) if self.mirrors_rows else turned
        turned = _with_mirrored_columns(turned) if self.mirrors_columns else turned
        return np.ascontiguousarray(turned)

    def turned_back(self, result_BCHW: Window, straight_BCHW: Window) -> Window:
        result = _with_mirrored_columns(result_BCHW) if self.mirrors_columns else result_BCHW
        result = _with_mirrored_rows(result) if self.mirrors_rows else result
        result = _transposed(result) if self.is_transposed else result
        lost_rows, lost_columns = self.mirrors_rows, self.mirrors_columns
        if self.is_transposed:
            lost_rows, lost_columns = lost_columns, lost_rows
        result = result.copy()
        if lost_rows:
            result[:, _IN_ODD_ROWS, -1] = straight_BCHW[:, _IN_ODD_ROWS, -1]
        if lost_columns:
            result[:, _IN_ODD_COLUMNS, :, -1] = straight_BCHW[:, _IN_ODD_COLUMNS, :, -1]
        return result


_IN_ODD_ROWS, _IN_ODD_COLUMNS = slice(2, None), slice(1, None, 2)
"""The channels of pixels in the second row, and in the second column, of 2x2."""
_BOTH = (False, True)

# Windows of one shape follow each other: a backend may have to prepare itself for every other one.
SYMMETRIES_OF_PICTURES = tuple(
    PictureSymmetry(num_turns, is_mirrored) for num_turns in (0, 2, 1, 3) for is_mirrored in _BOTH
)[1:]
SYMMETRIES_OF_PACKED_BAYER = tuple(
    BayerSymmetry(is_transposed, rows, columns) for is_transposed in _BOTH for rows in _BOTH for columns in _BOTH
)[1:]
MORE_HALO_OF_PACKED_BAYER = 1
"""Pixels that the average over symmetries sees further than the network: those that moved by one."""


def _transposed(values_BCHW: Window) -> Window:
    return values_BCHW[:, (0, 2, 1, 3)].transpose(0, 1, 3, 2)


def _with_mirrored_rows(values_BCHW: Window) -> Window:
    mirrored = values_BCHW[:, :, ::-1].copy()
    mirrored[:, _IN_ODD_ROWS, :-1] = values_BCHW[:, _IN_ODD_ROWS, ::-1][:, :, 1:]
    return mirrored


def _with_mirrored_columns(values_BCHW: Window) -> Window:
    mirrored = values_BCHW[:, :, :, ::-1].copy()
    mirrored[:, _IN_ODD_COLUMNS, :, :-1] = values_BCHW[:, _IN_ODD_COLUMNS, :, ::-1][:, :, :, 1:]
    return mirrored
