"""How far a network sees, found by feeding it: one half of a strip of pixels changes, and where the output changes too.

The strip's shape stays, so outputs that do not depend on what changed stay the same bit for bit.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ...network_input import NetworkInput

Run = Callable[[dict[str, NDArray[np.float32]]], NDArray[np.float32]]
"""Inputs by name -> `denoised`."""
_SHORT_SIDE = 16
"""Pixels across the strip, at least."""


def seen_halo(run: Run, given: NetworkInput, *, reach: int, threshold: float = 0.0) -> int:
    """The largest distance in input pixels, up to about `reach`, at which an output changes by more than `threshold`.

    A lower bound: weights may hide what the graph allows. A result above `reach` says that there is no end to it.
    """
    return max(distance for axis in (2, 3) for distance in _distances(run, given, reach, threshold, axis))


def _distances(run: Run, given: NetworkInput, reach: int, threshold: float, axis: int) -> Iterator[int]:
    random = np.random.default_rng(0)
    unit = given.alignment
    half = (reach + 2 * unit) // unit * unit + unit
    short = _SHORT_SIDE + -_SHORT_SIDE % unit
    shape = (1, given.channels, short, 2 * half) if axis == 3 else (1, given.channels, 2 * half, short)
    strip, other = (random.random(shape, dtype=np.float32) for _ in range(2))
    sigma = {} if given.level_range is None else {"sigma": np.full(1, sum(given.level_range) / 2, np.float32)}
    before = run({"noisy": strip, **sigma})
    position = np.arange(2 * half)
    # Where blocks of pixels go together, those at the ends of a block see farthest.
    for cut in sorted({half, half + 1 % unit, half + unit - 1}):
        for is_changed in (position >= cut, position < cut):
            mask = is_changed if axis == 3 else is_changed[:, np.newaxis]
            after = run({"noisy": np.where(mask, other, strip), **sigma})
            moved = (np.abs(after - before) > threshold).any(axis=(0, 1, 5 - axis))
            seen = np.flatnonzero(moved & ~np.repeat(is_changed, given.scale)) // given.scale
            yield int(np.where(seen < cut, cut - seen, seen - cut + 1).max(initial=0))
