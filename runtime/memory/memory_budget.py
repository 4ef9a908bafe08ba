"""Which tile fits into the memory allowed.

Rule: a run on a window of P pixels costs at most `bytes_per_pixel * P` bytes (the backend measures
this once, with a margin of 25 %, weights and program not counted), plus window and result as float32 arrays. The memory
allowed is a bound for the whole process, so what the process holds already (program, weights,
picture) and the output array are taken off first. Without a bound: half of the memory that is free.
A window that fits is cut to tiles of at most `LARGEST_TILE`: larger ones save less than a tenth of the work.
"""

import math
from dataclasses import dataclass

from ...errors import UserError
from ..tiling.window_limits import rounded_up
from .process_memory import available_bytes, resident_bytes

LARGEST_TILE = 2048
"""Pixels: with a halo of 43, tiles of 2048 repeat 8 % of the work (of 24 megapixels 5 %, for the outer borders have no
halo), tiles of 1024 repeat 17 %."""
SMALLEST_TILE = 32
"""Pixels: below it nearly all work is repeated work."""
_MOST_STREAMING = 7 * 2**28
"""More would not make a streamed picture faster: its tiles are as large as they get."""
_UNKNOWN_PROCESS = 200 * 2**20
_UNKNOWN_AVAILABLE = 2 * 2**30
MEBIBYTE = 2**20
_ROWS_PER_BAND_ROW = 5
"""Copies of a band that may be held at one moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowCost:
    """What a model's windows cost."""

    bytes_per_pixel: int
    """Of a run, by the backend's measurement."""
    channels: int
    """Of the network."""
    halo: int
    """Pixels per side."""
    alignment: int
    """Pixels."""

    def bytes_of(self, height: int, width: int) -> int:
        """For one window of `height` x `width` pixels, with its float32 arrays before and after the run."""
        return height * width * (self.bytes_per_pixel + 4 * 4 * self.channels)


def working_bytes(memory_bytes: int | None, *, output_bytes: int) -> int:
    """What windows may take: a bound for the process, or half of what is free, minus what is spoken for.

    `memory_bytes`: bound for the whole process; None: half of the free memory. May be negative.
    """
    if memory_bytes is None:
        free = available_bytes()
        return (_UNKNOWN_AVAILABLE if free is None else free // 2) - output_bytes
    held = resident_bytes()
    return memory_bytes - (_UNKNOWN_PROCESS if held is None else held) - output_bytes


def streaming_bytes(memory_bytes: int | None) -> int:
    """As `working_bytes`, for a picture that is streamed: without a bound at most 1.75 GiB for the whole process."""
    if memory_bytes is not None:
        return working_bytes(memory_bytes, output_bytes=0)
    return min(working_bytes(None, output_bytes=0), working_bytes(_MOST_STREAMING, output_bytes=0))


def whole_image_fits(height: int, width: int, working: int, cost: WindowCost) -> bool:
    """Whether one window of the whole padded image stays within `working` bytes."""
    padded = rounded_up(height, cost.alignment), rounded_up(width, cost.alignment)
    return cost.bytes_of(*padded) <= working


def largest_tile(working: int, cost: WindowCost, *, is_bound: bool) -> int:
    """The largest tile whose window stays within `working` bytes, a multiple of the alignment, at most LARGEST_TILE.

    `is_bound`: a person set the bound, so UserError where not even SMALLEST_TILE fits; else SMALLEST_TILE
    is taken all the same.
    """
    halo = rounded_up(cost.halo, cost.alignment)
    smallest = rounded_up(SMALLEST_TILE, cost.alignment)
    side = math.isqrt(max(working, 0) // cost.bytes_of(1, 1))
    tile = (side - 2 * halo) // cost.alignment * cost.alignment
    if tile < smallest and is_bound:
        needed = cost.bytes_of(smallest + 2 * halo, smallest + 2 * halo) - working
        raise UserError(
            f"the memory allowed does not suffice even for the smallest tile ({smallest} pixels); "
            f"allow at least {-(-needed // MEBIBYTE)} MiB more"
        )
    return max(smallest, min(tile, rounded_up(LARGEST_TILE, cost.alignment)))


def largest_band_tile(working: int, cost: WindowCost, *, bytes_per_row: int) -> int:
    """As `largest_tile`, for a picture that goes through in bands of whole rows, `bytes_per_row` each.

    Beside one window there are the rows a band reads, its pixels without alpha, the result, and what waits to
    be written.
    Raises UserError where not even SMALLEST_TILE fits.
    """
    halo = rounded_up(cost.halo, cost.alignment)

    def needed_for(tile: int) -> int:
        side = tile + 2 * halo
        return cost.bytes_of(side, side) + _ROWS_PER_BAND_ROW * side * bytes_per_row

    smallest = rounded_up(SMALLEST_TILE, cost.alignment)
    for tile in range(rounded_up(LARGEST_TILE, cost.alignment), smallest - 1, -smallest):
        if needed_for(tile) <= working:
            return tile
    raise UserError(
        f"the memory allowed does not suffice even for bands of {SMALLEST_TILE} rows; "
        f"allow at least {-(-(needed_for(smallest) - working) // MEBIBYTE)} MiB more"
    )
