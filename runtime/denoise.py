"""The denoiser: an array in, a clean array of the same shape and number type out."""

import math
import warnings
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .backends.interface import MOST_BYTES_PER_PIXEL, Backend, OutOfMemoryError
from .backends.registry import open_backend
from .bundled_models import model_file
from .manifest import ModelManifest
from .memory_budget import LARGEST_TILE, SMALLEST_TILE, WindowCost, largest_tile, whole_image_fits, working_bytes
from .noise_estimate import estimate_sigma
from .pixel_values import Image, checked_image
from .self_ensemble import ensemble_of
from .stitching import Progress, blended, stitched
from .tiling import TilePlan, plan_tiles


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseLevel:
    """The noise level a picture is denoised at."""

    sigma: float | None
    """Standard deviation in grey levels 0..255; None: the model needs none. 0: the picture is left as it is."""
    is_estimated: bool
    """Whether it was measured on the picture (else given by a person)."""
    estimate: float | None = None
    """The measurement before it was moved into the model's range; None where `sigma` was given."""


class Denoiser:
    """A model ready to denoise pictures of any size. Safe to use from several threads."""

    def __init__(
        self, backend: Backend, *, memory_bytes: int | None = None, tile: int | None = None, ensemble: bool = False
    ) -> None:
        """`memory_bytes`: bound for the whole process, None: half of what is free. `tile`: pixels, None: chosen by
        the memory. `ensemble`: average over the eight rotations and reflections of each window."""
        for name, value in (("tile", tile), ("memory", memory_bytes)):
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}; allowed: a whole number of at least 1")
        if backend.manifest.scale != 1:
            raise UserError(f"the model enlarges pictures {backend.manifest.scale} times; a denoiser must have scale 1")
        self._backend = backend
        self._memory_bytes = memory_bytes
        self._tile = tile
        self._ensemble = ensemble

    @classmethod
    def load(
        cls,
        model: str | Path,
        backend: str = "auto",
        *,
        threads: int | None = None,
        memory_bytes: int | None = None,
        tile: int | None = None,
        ensemble: bool = False,
    ) -> Self:
        """`model`: a bundled name ("color", "gray") or the path of a model file; `backend`: auto or a name.

        Raises UserError where the model or the backend cannot be had; a backend asked for by name is
        never replaced by another.
        """
        opened = open_backend(backend, model_file(model), threads=threads)
        return cls(opened, memory_bytes=memory_bytes, tile=tile, ensemble=ensemble)

    @property
    def manifest(self) -> ModelManifest:
        """What the model file says of itself."""
        return self._backend.manifest

    @property
    def description(self) -> str:
        """What really runs: library, version, device."""
        return self._backend.description

    def __call__(self, image: Image, sigma: float | None = None, *, progress: Progress | None = None) -> Image:
        """Denoise `image` (H, W), (H, W, 1) or (H, W, 3), uint8, uint16 or float32 in 0..1: same shape and dtype.

        `sigma`: noise level in grey levels 0..255 (whatever the dtype); None: estimated where the model needs it,
        and moved into the model's range with a warning; 0: a copy, bit for bit. A colour model takes a grey
        image as three equal channels and averages its answer. Integers are rounded and clipped, float32 is not.
        `progress(done, total)` is called after each tile.
        Raises UserError for images and noise levels that the model cannot take.
        """
        image = self._suitable(image)
        level = self.noise_level(image, sigma)
        if level.estimate is not None and level.sigma != level.estimate:
            warnings.warn(self.range_note(level), stacklevel=2)
        if level.sigma == 0:
            return image.copy()
        sigma_B = np.full(1, level.sigma, np.float32) if self.manifest.conditioned else None
        try:
            return self._denoised(image, sigma_B, progress)
        finally:
            self._backend.release_memory()

    def noise_level(self, image: Image, sigma: float | None = None) -> NoiseLevel:
        """The level `image` would be denoised at. `sigma` as in a call; outside the model's range: UserError."""
        manifest = self.manifest
        if sigma is not None:
            if not math.isfinite(sigma) or sigma < 0:
                raise UserError(f"sigma is {sigma:g}; allowed: a number of at least 0, in grey levels 0..255")
            if sigma == 0:
                return NoiseLevel(sigma=0.0, is_estimated=False)
            if manifest.sigma_range is None:
                raise UserError(f"sigma is {sigma:g}, but this model takes no noise level; leave sigma out")
            low, high = manifest.sigma_range
            if not low <= sigma <= high:
                raise UserError(f"sigma is {sigma:g}; this model was trained for {_range_text(low, high)} grey levels")
            return NoiseLevel(sigma=float(sigma), is_estimated=False)
        if not manifest.conditioned:
            return NoiseLevel(sigma=None, is_estimated=False)
        assert manifest.sigma_range is not None
        estimate = estimate_sigma(checked_image(image))
        low, high = manifest.sigma_range
        # A picture without any noise stays as it is, whatever the model's lowest level.
        return NoiseLevel(
            sigma=min(max(estimate, low), high) if estimate else 0.0, is_estimated=True, estimate=estimate
        )

    def range_note(self, level: NoiseLevel) -> str:
        """What to tell a person whose picture's noise lies outside the model's range."""
        assert self.manifest.sigma_range is not None and level.estimate is not None
        return (
            f"the noise is estimated at {level.estimate:.1f} grey levels, but the model was trained for "
            f"{_range_text(*self.manifest.sigma_range)}; using {level.sigma:g}"
        )

    def plan_for(self, image: Image) -> TilePlan:
        """The tiles that a call would cut `image` into."""
        return self._plan(image, self._chosen_tile(image))

    def _suitable(self, image: Any) -> Image:
        image = checked_image(image)
        if image.ndim == 3 and image.shape[2] == 3 and self.manifest.channels == 1:
            raise UserError("the image is in colour, but the model is for grey images; use the model 'color'")
        return image

    def _denoised(self, image: Image, sigma_B: NDArray[np.float32] | None, progress: Progress | None) -> Image:
        """Every pixel from ONE plan: where memory runs out, all tiles are done again with a smaller one."""

        def network(windows: Iterable[NDArray[np.float32]]) -> Generator[NDArray[np.float32], None, None]:
            return self._backend.run_many(windows, sigma_B)

        chosen = ensemble_of(network) if self._ensemble else network
        tile = self._chosen_tile(image)
        while True:
            plan = self._plan(image, tile)
            try:
                if self.manifest.tiling == "exact" or len(plan) == 1:
                    return stitched(image, plan, chosen, num_channels=self.manifest.channels, progress=progress)
                warnings.warn(
                    "this model looks at the whole image at once, but it is cut into tiles; "
                    "they are blended and differ a little from the whole",
                    stacklevel=3,
                )
                return blended(
                    image,
                    plan,
                    chosen,
                    num_channels=self.manifest.channels,
                    halo=self.manifest.halo,
                    progress=progress,
                )
            except OutOfMemoryError as error:
                self._backend.release_memory()
                tile = (max(plan.window_shape) - 2 * self._overlap) // 2
                if tile < SMALLEST_TILE or self._plan(image, tile).window_shape == plan.window_shape:
                    raise UserError(
                        f"out of memory even with windows of {plan.window_shape[0]} x {plan.window_shape[1]} pixels; "
                        "close other programs or use a smaller model"
                    ) from error
                warnings.warn(f"out of memory; starting again with tiles of {tile} pixels", stacklevel=3)

    @property
    def _overlap(self) -> int:
        """Pixels around a tile: the halo; for blending twice that, so that what is mixed has a whole halo itself."""
        return self.manifest.halo if self.manifest.tiling == "exact" else 2 * self.manifest.halo

    def _plan(self, image: Image, tile: int | None) -> TilePlan:
        height, width = image.shape[:2]
        halo, alignment, limits = self._overlap, self.manifest.alignment, self._backend.window_limits
        if limits is not None and self._ensemble:
            limits = limits.for_turned_windows()
        if limits is not None and not limits.allow(height, width, halo=halo, alignment=alignment):
            raise UserError(
                f"a picture of {height} x {width} pixels does not go into the windows of this engine ({limits}, with "
                f"{halo} pixels of overlap); build it with another --tile, or use another backend"
            )
        return plan_tiles(height, width, tile=tile, halo=halo, alignment=alignment, limits=limits)

    def _chosen_tile(self, image: Image) -> int | None:
        """The tile to cut into; None: the whole image."""
        if self._tile is not None:
            return self._tile
        height, width = image.shape[:2]
        is_exact = self.manifest.tiling == "exact"
        # The blended sums of an approximate model are float32.
        output_bytes = image.nbytes if is_exact else image.nbytes + 4 * image.size
        working = working_bytes(self._memory_bytes, output_bytes=output_bytes)
        free_device = self._backend.free_device_bytes()
        if free_device is not None:
            working = min(working, free_device // 2)
        cost = WindowCost(
            bytes_per_pixel=MOST_BYTES_PER_PIXEL,
            channels=self.manifest.channels,
            halo=self._overlap,
            alignment=self.manifest.alignment,
        )
        # What fits at the worst cost need not be measured.
        if max(height, width) <= LARGEST_TILE and whole_image_fits(height, width, working, cost):
            return None
        cost = replace(cost, bytes_per_pixel=self._backend.bytes_per_pixel())
        if not is_exact and whole_image_fits(height, width, working, cost):
            return None
        return largest_tile(working, cost, is_bound=self._memory_bytes is not None)


def _range_text(low: float, high: float) -> str:
    return f"{low:g} alone" if low == high else f"{low:g} to {high:g}"
