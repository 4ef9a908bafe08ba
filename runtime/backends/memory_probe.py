"""How much memory a run takes for each pixel, measured on a small window, and kept."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...network_input import NetworkInput
from ..memory.process_memory import resident_bytes, return_free_memory
from ..tiling.window_limits import MOST_BYTES_PER_PIXEL, rounded_up
from .backend import Backend
from .learnt_numbers import Key, keep_numbers, kept_numbers

_SIDE = 192
_MARGIN = 1.25
_MOST_APART = 1.25
_SMALLEST_SIDE = 32

Run = Callable[[NDArray[np.float32], NDArray[np.float32] | None], object]


def learnt_bytes_per_pixel(backend: Backend, *, model_sha256: str) -> int:
    """As `measured_bytes_per_pixel`, twice, and once on a machine: the larger is kept where they agree."""
    key = Key(what="bytes per pixel", model_sha256=model_sha256, backend=backend.description)
    kept = kept_numbers(key)
    if kept is not None:
        return int(kept["bytes_per_pixel"])
    # What other threads load or free meanwhile is counted with a run: seen once in sixty measurements.
    low, high = sorted(_measured_afresh(backend) for _ in range(2))
    if high <= _MOST_APART * low:
        keep_numbers(key, {"bytes_per_pixel": high})
    return high


def _measured_afresh(backend: Backend) -> int:
    backend.release_memory()
    return measured_bytes_per_pixel(backend.run, backend.manifest.network_input)


def measured_bytes_per_pixel(run: Run, network_input: NetworkInput) -> int:
    """The growth of the process in a run on 192 x 192 pixels, plus 25 %, rounded up to a multiple of 64."""
    if resident_bytes() is None:
        return MOST_BYTES_PER_PIXEL
    return growth_per_pixel(run, network_input, lambda: resident_bytes() or 0)


def growth_per_pixel(run: Run, network_input: NetworkInput, held_bytes: Callable[[], int]) -> int:
    """The growth of `held_bytes` in a run on 192 x 192 pixels, plus 25 %, rounded up to a multiple of 64."""
    # What a library loads with its first run is not a window's.
    run(*inputs_for(network_input, _SMALLEST_SIDE))
    noisy, sigma = inputs_for(network_input, _SIDE)
    # Memory freed earlier but not given back would take up the run unseen.
    return_free_memory()
    before = held_bytes()
    run(noisy, sigma)
    measured = _MARGIN * (held_bytes() - before) / (noisy.shape[2] * noisy.shape[3])
    # Where an earlier run left memory behind the growth is hidden; input and output alone are a floor.
    floor = 32 * network_input.channels * (1 + network_input.scale**2)
    return -(-int(max(measured, floor)) // 64) * 64


def inputs_for(network_input: NetworkInput, least_side: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """A grey square of at least `least_side` pixels a side and, for a conditioned network, its lowest level."""
    side = rounded_up(least_side, network_input.alignment)
    noisy = np.full((1, network_input.channels, side, side), 0.5, np.float32)
    levels = network_input.level_range
    return noisy, None if levels is None else np.full(1, levels[0], np.float32)
