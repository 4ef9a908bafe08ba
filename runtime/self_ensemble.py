"""Average a network over the eight rotations and reflections of its input: a little better, eight times the work."""

from collections.abc import Generator, Iterable
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from .stitching import Network

_SYMMETRIES = tuple((num_turns, is_mirrored) for num_turns in (0, 2, 1, 3) for is_mirrored in (False, True))
"""Windows of one shape follow each other: a backend may have to prepare itself for every other one."""


def ensemble_of(network: Network) -> Network:
    """A network that runs `network` on the eight symmetries of each window and averages the results turned back.

    Windows keep aligned sizes under all eight, and the halo is the same on all sides, so tiling stays exact.
    """

    def averaged(windows: Iterable[NDArray[np.float32]]) -> Generator[NDArray[np.float32], None, None]:
        turned = (_turned(window, *symmetry) for window in windows for symmetry in _SYMMETRIES)
        with closing(network(turned)) as results:
            for first in results:
                total = first.copy()
                for symmetry in _SYMMETRIES[1:]:
                    total += _turned_back(next(results), *symmetry)
                yield total / np.float32(len(_SYMMETRIES))

    return averaged


def _turned(window_BCHW: NDArray[np.float32], num_turns: int, is_mirrored: bool) -> NDArray[np.float32]:
    turned = np.rot90(window_BCHW, num_turns, axes=(2, 3))
    return np.ascontiguousarray(turned[:, :, :, ::-1] if is_mirrored else turned)


def _turned_back(result_BCHW: NDArray[np.float32], num_turns: int, is_mirrored: bool) -> NDArray[np.float32]:
    return np.rot90(result_BCHW[:, :, :, ::-1] if is_mirrored else result_BCHW, -num_turns, axes=(2, 3))
