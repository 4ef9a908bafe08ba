"""The windows that can be run: the sizes a backend takes, what a window costs, and the largest tile that fits.

Rule: a run on a window of P pixels costs at most `bytes_per_pixel * P` bytes (the backend measures this once, with a
margin of 25 %, weights and program not counted), plus window and result as float32 arrays.
A window that fits is cut to tiles of at most `LARGEST_TILE`: larger ones save less than a tenth of the work.
"""

import math
from dataclasses import dataclass

from ...errors import UserError
from ...network_input import NetworkInput

MOST_BYTES_PER_PIXEL = 8192
"""Above every model we measured (a full-resolution search network took 5.7 kB): where nothing can be measured."""
LARGEST_TILE = 2048
"""Pixels: with a halo of 43, tiles of 2048 repeat 8 % of the work (of 24 megapixels 5 %, for the outer borders have no
halo), tiles of 1024 repeat 17 %."""
SMALLEST_TILE = 32
"""Pixels: below it nearly all work is repeated work."""
_MEBIBYTE = 2**20


class OutOfMemoryError(MemoryError):
    """A backend could not allocate what one run needs; a smaller window may succeed."""


def rounded_up(length: int, alignment: int) -> int:
    """The smallest multiple of `alignment` that is at least `length`."""
    return -(-length // alignment) * alignment


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowLimits:
    """The windows that a backend takes; both sizes are multiples of the model's alignment."""

    smallest: tuple[int, int]
    """(height, width) in pixels."""
    largest: tuple[int, int]
    """(height, width) in pixels."""

    def __str__(self) -> str:
        ends = dict.fromkeys((self.smallest, self.largest))
        return " to ".join(f"{height} x {width}" for height, width in ends) + " pixels"

    def for_turned_windows(self) -> "WindowLimits":
        """The limits that hold for a window and for the same window turned by 90 degrees."""
        low, high = max(self.smallest), min(self.largest)
        return WindowLimits(smallest=(low, low), largest=(high, high))

    def allow(self, height: int, width: int, *, halo: int, alignment: int) -> bool:
        """Whether an image of `height` x `width` pixels can be cut into such windows."""
        least_cut = 2 * rounded_up(halo, alignment) + alignment
        return all(
            low <= rounded_up(length, alignment) and (rounded_up(length, alignment) <= high or least_cut <= high)
            for length, low, high in zip((height, width), self.smallest, self.largest, strict=True)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowCost:
    """What a model's windows cost."""

    bytes_per_pixel: int
    """Of a run, by the backend's measurement; pixels of the window."""
    network_input: NetworkInput
    """Channels, alignment and scale of the network."""
    halo: int
    """Input pixels per side."""

    def bytes_of(self, height: int, width: int) -> int:
        """For one window of `height` x `width` pixels, with its float32 arrays before and after the run."""
        channels, scale = self.network_input.channels, self.network_input.scale
        # Two arrays of the window, two of the result: as the network has it, and on its way from or to the picture.
        return height * width * (self.bytes_per_pixel + 2 * 4 * channels * (1 + scale**2))


def whole_image_fits(height: int, width: int, working: int, cost: WindowCost) -> bool:
    """Whether one window of the whole padded image stays within `working` bytes."""
    alignment = cost.network_input.alignment
    return cost.bytes_of(rounded_up(height, alignment), rounded_up(width, alignment)) <= working


def largest_tile(working: int, cost: WindowCost, *, is_bound: bool) -> int:
    """The largest tile whose window stays within `working` bytes, a multiple of the alignment, at most LARGEST_TILE.

    `is_bound`: a person set the bound, so UserError where not even SMALLEST_TILE fits; else SMALLEST_TILE
    is taken all the same.
    """
    alignment = cost.network_input.alignment
    halo = rounded_up(cost.halo, alignment)
    smallest = rounded_up(SMALLEST_TILE, alignment)
    side = math.isqrt(max(working, 0) // cost.bytes_of(1, 1))
    tile = (side - 2 * halo) // alignment * alignment
    if tile < smallest and is_bound:
        needed = cost.bytes_of(smallest + 2 * halo, smallest + 2 * halo) - working
        raise UserError(
            f"the memory allowed does not suffice even for the smallest tile ({smallest} pixels); "
            f"allow at least {-(-needed // _MEBIBYTE)} MiB more"
        )
    return max(smallest, min(tile, rounded_up(LARGEST_TILE, alignment)))


def largest_band_tile(working: int, cost: WindowCost, *, bytes_per_row: int) -> int:
    """As `largest_tile`, for a picture that goes through in bands of whole rows, `bytes_per_row` each.

    Beside one window there are the rows a band reads, its pixels without alpha, the result, the result with alpha, and
    what waits to be written. Raises UserError where not even SMALLEST_TILE fits.
    """
    alignment = cost.network_input.alignment
    halo = rounded_up(cost.halo, alignment)
    copies = 2 + 3 * cost.network_input.scale**2

    def needed_for(tile: int) -> int:
        side = tile + 2 * halo
        return cost.bytes_of(side, side) + copies * side * bytes_per_row

    smallest = rounded_up(SMALLEST_TILE, alignment)
    for tile in range(rounded_up(LARGEST_TILE, alignment), smallest - 1, -smallest):
        if needed_for(tile) <= working:
            return tile
    raise UserError(
        f"the memory allowed does not suffice even for bands of {SMALLEST_TILE} rows; "
        f"allow at least {-(-(needed_for(smallest) - working) // _MEBIBYTE)} MiB more"
    )
