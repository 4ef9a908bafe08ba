"""What may be done to the windows and results of a network on their way.

Less or more of the change, a second run where a result is not finite, and the average over eight symmetries.
Shapes: windows (1, C, h, w) float32, results (1, C, scale*h, scale*w) float32.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from ..amount import Amount
from .stitching import Network
from .symmetries import Symmetry, Window

_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)
"""Their weights in luma, by ITU-R BT.601."""


def mixed(network: Network, amount: Amount) -> Network:
    """A network of scale 1 that changes its windows by `amount` of what `network` changes, before rounding.

    Each pixel by itself, so tiling stays exact. Chroma other than 1 is for RGB alone.
    """

    def run(windows: Iterable[Window]) -> Generator[Window, None, None]:
        for window, result in _with_windows(network, windows):
            change = result - window
            if amount.chroma != 1:
                change = _with_colour_times(change, np.float32(amount.chroma))
            yield np.add(window, np.float32(amount.share) * change, dtype=np.float32)

    return run


def _with_colour_times(change_BCHW: Window, factor: np.float32) -> Window:
    # Not as a product of matrices: BLAS rounds by the shape of the window.
    luma = _RED * change_BCHW[:, 0:1] + _GREEN * change_BCHW[:, 1:2] + _BLUE * change_BCHW[:, 2:3]
    return np.add(luma, factor * (change_BCHW - luma), dtype=np.float32)


def always_finite(network: Network, again: Callable[[Window], Window | None]) -> Network:
    """A network that gives `again(window)` where its own result is not finite; its own where that is None."""

    def run(windows: Iterable[Window]) -> Generator[Window, None, None]:
        for window, result in _with_windows(network, windows):
            better = None if np.isfinite(result).all() else again(window)
            yield result if better is None else better

    return run


def _with_windows(network: Network, windows: Iterable[Window]) -> Generator[tuple[Window, Window], None, None]:
    """(window, result); keeps the windows that the network has taken ahead."""
    taken: deque[Window] = deque()

    def watched() -> Iterator[Window]:
        for window in windows:
            taken.append(window)
            yield window

    with closing(network(watched())) as results:
        for result in results:
            yield taken.popleft(), result


def ensemble_of(network: Network, symmetries: Sequence[Symmetry]) -> Network:
    """A network that runs `network` on each window and its symmetries and averages the results turned back.

    Windows keep aligned sizes under all of them, and the halo is the same on all sides, so tiling stays exact.
    """

    def averaged(windows: Iterable[NDArray[np.float32]]) -> Generator[NDArray[np.float32], None, None]:
        def turned() -> Iterator[Window]:
            for window in windows:
                yield window
                yield from (symmetry.turned(window) for symmetry in symmetries)

        with closing(network(turned())) as results:
            for straight in results:
                total = straight.copy()
                for symmetry in symmetries:
                    total += symmetry.turned_back(next(results), straight)
                yield total / np.float32(1 + len(symmetries))

    return averaged
