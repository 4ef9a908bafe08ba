"""Which tiles a picture is cut into, by its size, the model, the backend's windows and the memory. Pure: no pixels."""

from collections.abc import Callable
from dataclasses import dataclass

from ...errors import UserError
from ..model.manifest import ModelManifest
from .planner import TilePlan, plan_tiles
from .window_limits import (
    LARGEST_TILE,
    MOST_BYTES_PER_PIXEL,
    SMALLEST_TILE,
    WindowCost,
    WindowLimits,
    largest_band_tile,
    largest_tile,
    whole_image_fits,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowMemory:
    """What there is for windows, and what they cost."""

    working_bytes: int
    """What windows may take; may be negative."""
    is_bound: bool
    """Whether a person set the bound: then too little is an error."""
    bytes_per_pixel: Callable[[], int]
    """The backend's measurement, which takes time: asked only where the answer matters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPlanner:
    """Cuts pictures for one model on one backend. All sizes are in input pixels."""

    manifest: ModelManifest
    """Of the model."""
    limits: WindowLimits | None = None
    """The windows that the backend takes; None: all."""

    @property
    def overlap(self) -> int:
        """Pixels around a tile: the halo; for blending twice that, so that what is mixed has a whole halo itself."""
        return self.manifest.halo if self.manifest.tiling == "exact" else 2 * self.manifest.halo

    def plan(self, height: int, width: int, tile: int | None) -> TilePlan:
        """Cut a picture into tiles of `tile` pixels; None: the whole picture in one. UserError for other limits."""
        alignment = self.manifest.alignment
        if self.limits is not None and not self.limits.allow(height, width, halo=self.overlap, alignment=alignment):
            raise UserError(
                f"a picture of {height} x {width} pixels does not go into the windows of this engine ({self.limits}, "
                f"with {self.overlap} pixels of overlap); build it with another --tile, or use another backend"
            )
        return plan_tiles(height, width, tile=tile, halo=self.overlap, alignment=alignment, limits=self.limits)

    def tile_for(self, height: int, width: int, memory: WindowMemory) -> int | None:
        """The tile to cut a picture into; None: the whole picture."""
        # What fits at the worst cost need not be measured.
        worst = self._cost(MOST_BYTES_PER_PIXEL)
        if max(height, width) <= LARGEST_TILE and whole_image_fits(height, width, memory.working_bytes, worst):
            return None
        cost = self._cost(memory.bytes_per_pixel())
        if self.manifest.tiling == "approximate" and whole_image_fits(height, width, memory.working_bytes, cost):
            return None
        return largest_tile(memory.working_bytes, cost, is_bound=memory.is_bound)

    def tile_for_bands(self, memory: WindowMemory, *, bytes_per_row: int) -> int:
        """The tile to cut a picture into that goes through in bands of rows, `bytes_per_row` each."""
        return largest_band_tile(
            memory.working_bytes, self._cost(memory.bytes_per_pixel()), bytes_per_row=bytes_per_row
        )

    def smaller(self, plan: TilePlan) -> TilePlan | None:
        """The same picture in tiles of half the size; None where they would be too small, or no smaller."""
        tile = (max(plan.window_shape) - 2 * self.overlap) // 2
        if tile < SMALLEST_TILE:
            return None
        smaller = self.plan(plan.height, plan.width, tile)
        return None if smaller.window_shape == plan.window_shape else smaller

    def output_bytes(self, num_values: int, bytes_per_value: int) -> int:
        """What the result of a picture takes; `num_values`: pixels of the picture times its channels."""
        # The blended sums of an approximate model are float32.
        sums = 0 if self.manifest.tiling == "exact" else 4
        return num_values * self.manifest.scale**2 * (bytes_per_value + sums)

    def _cost(self, bytes_per_pixel: int) -> WindowCost:
        return WindowCost(bytes_per_pixel=bytes_per_pixel, network_input=self.manifest.network_input, halo=self.overlap)
