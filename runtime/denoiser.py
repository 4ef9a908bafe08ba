"""The denoiser: an array in, a clean array of the same shape and number type out."""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .backends.backend import MOST_BYTES_PER_PIXEL, Arithmetic, Backend
from .backends.open_backend import open_backend, twin_in_fp32
from .memory.memory_budget import (
    LARGEST_TILE,
    SMALLEST_TILE,
    WindowCost,
    largest_band_tile,
    largest_tile,
    streaming_bytes,
    whole_image_fits,
    working_bytes,
)
from .model.bundled_models import model_file
from .model.manifest import ModelManifest
from .noise.estimate import estimate_sigma
from .noise.level import NoiseLevel, noise_level_for, range_text
from .tiling.pixel_values import Image, checked_image
from .tiling.planner import Span, TilePlan, plan_tiles
from .tiling.stitching import Network, Progress, blended, stitched
from .tiling.streaming import PixelRows, denoised_bands
from .tiling.window_limits import OutOfMemoryError
from .tiling.window_streams import always_finite, ensemble_of, mixed

_IN_COLOUR = "the image is in colour, but the model is for grey images; use the model 'color'"


class Denoiser:
    """A model ready to denoise pictures of any size. Safe to use from several threads."""

    def __init__(
        self,
        backend: Backend,
        *,
        memory_bytes: int | None = None,
        tile: int | None = None,
        ensemble: bool = False,
        in_fp32: Callable[[], Backend | None] = lambda: None,
    ) -> None:
        """`memory_bytes`: bound for the whole process, None: half of what is free. `tile`: pixels, None: chosen by
        the memory. `ensemble`: average over the eight rotations and reflections of each window. `in_fp32` opens the
        same network in fp32, for windows whose result is not finite; None where there is none."""
        for name, value in (("tile", tile), ("memory", memory_bytes)):
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}; allowed: a whole number of at least 1")
        if backend.manifest.scale != 1:
            raise UserError(f"the model enlarges pictures {backend.manifest.scale} times; a denoiser must have scale 1")
        self._backend = backend
        self._memory_bytes = memory_bytes
        self._tile = tile
        self._ensemble = ensemble
        self._in_fp32 = cache(in_fp32)

    @classmethod
    def load(
        cls,
        model: str | Path,
        backend: str = "auto",
        *,
        threads: int | None = None,
        precision: Arithmetic | None = None,
        memory_bytes: int | None = None,
        tile: int | None = None,
        ensemble: bool = False,
    ) -> Self:
        """`model`: a bundled name ("color", "gray") or the path of a model file; `backend`: auto or a name.

        `precision`: of floating-point layers, None: what the model file is for; bf16 is for OpenVINO alone.

        Raises UserError where the model or the backend cannot be had; a backend asked for by name is
        never replaced by another.
        """
        file = model_file(model)
        opened = open_backend(backend, file, threads=threads, precision=precision)
        return cls(
            opened,
            memory_bytes=memory_bytes,
            tile=tile,
            ensemble=ensemble,
            in_fp32=lambda: opened.in_fp32() or twin_in_fp32(file, opened.manifest, threads=threads),
        )

    @property
    def manifest(self) -> ModelManifest:
        """What the model file says of itself."""
        return self._backend.manifest

    @property
    def description(self) -> str:
        """What runs: library, version, device; large pictures may go another way (`description_for`)."""
        return self._backend.description

    def __call__(
        self, image: Image, sigma: float | None = None, *, strength: float = 1.0, progress: Progress | None = None
    ) -> Image:
        """Denoise `image` (H, W), (H, W, 1) or (H, W, 3), uint8, uint16 or float32 in 0..1: same shape and dtype.

        `sigma`: noise level in grey levels 0..255 (whatever the dtype); None: estimated where the model needs it,
        and moved into the model's range with a warning; 0: a copy, bit for bit. A colour model takes a grey
        image as three equal channels and averages its answer. Integers are rounded and clipped, float32 is not.
        `strength` mixes: 1 is the network's answer, 0 the image itself (a copy, bit for bit), 0.5 half of each.
        `progress(done, total)` is called after each tile.
        Raises UserError for images and noise levels that the model cannot take.
        """
        image = self._suitable(image)
        if not 0 <= strength <= 1:
            raise UserError(f"strength is {strength:g}; allowed: a number from 0 to 1")
        level = self.noise_level(image, sigma)
        if level.estimate is not None and level.sigma != level.estimate:
            warnings.warn(self.range_note(level), stacklevel=2)
        if level.sigma == 0 or strength == 0:
            return image.copy()
        sigma_B = np.full(1, level.sigma, np.float32) if self.manifest.conditioned else None
        chosen = self._for_job(image.shape[0], image.shape[1])
        try:
            return chosen._denoised(image, chosen._plan_of(image), sigma_B, strength, progress)
        finally:
            chosen._backend.release_memory()

    def noise_level(self, image: Image, sigma: float | None = None) -> NoiseLevel:
        """The level `image` would be denoised at. `sigma` as in a call; outside the model's range: UserError."""
        return self.noise_level_from(lambda: estimate_sigma(checked_image(image)), sigma)

    def noise_level_from(self, estimated: Callable[[], float], sigma: float | None = None) -> NoiseLevel:
        """As `noise_level`; `estimated` measures the noise, and is called only where that is needed."""
        return noise_level_for(self.manifest, estimated, sigma)

    def range_note(self, level: NoiseLevel) -> str:
        """What to tell a person whose picture's noise lies outside the model's range."""
        assert self.manifest.sigma_range is not None and level.estimate is not None
        return (
            f"the noise is estimated at {level.estimate:.1f} grey levels, but the model was trained for "
            f"{range_text(*self.manifest.sigma_range)}; using {level.sigma:g}"
        )

    def bands(
        self, source: PixelRows, sigma: float | None, *, strength: float = 1.0, progress: Progress | None = None
    ) -> Iterator[tuple[Span, Image]]:
        """Denoise `source` in bands of rows, of which one is held at a time: (rows, their pixels) from top to bottom.

        The same pixels as a call on the whole picture gives with the same tile. `sigma`: from `noise_level_from`.
        Raises UserError for models that no tiling makes exact.
        """
        if source.is_colour and self.manifest.channels == 1:
            raise UserError(_IN_COLOUR)
        if self.manifest.tiling == "approximate":
            raise UserError("the picture does not fit into the memory, and this model looks at a whole picture at once")
        chosen = self._for_job(source.height, source.width)
        plan = chosen._plan(source.height, source.width, chosen._band_tile(source))
        sigma_B = np.full(1, sigma, np.float32) if self.manifest.conditioned else None

        def denoised(pixels: Image, plan: TilePlan, count: Progress) -> Image:
            if sigma == 0 or strength == 0:
                return pixels
            return chosen._denoised(pixels, plan, sigma_B, strength, count)

        try:
            yield from denoised_bands(source, plan, denoised, progress)
        finally:
            chosen._backend.release_memory()

    def plan_for(self, image: Image) -> TilePlan:
        """The tiles that a call would cut `image` into."""
        return self._for_job(image.shape[0], image.shape[1])._plan_of(image)

    def description_for(self, height: int, width: int) -> str:
        """What really runs for a picture of `height` x `width` pixels: library, version, device."""
        return self._for_job(height, width).description

    def _for_job(self, height: int, width: int) -> Self:
        """This denoiser with the backend that ends such a picture earliest."""
        # A second library takes memory of its own, which a bound may not have.
        backend = self._backend.for_job(height * width) if self._memory_bytes is None else self._backend
        if backend is self._backend:
            return self
        chosen = copy(self)
        chosen._backend = backend
        return chosen

    def _plan_of(self, image: Image) -> TilePlan:
        return self._plan(image.shape[0], image.shape[1], self._chosen_tile(image))

    def _suitable(self, image: Any) -> Image:
        image = checked_image(image)
        if image.ndim == 3 and image.shape[2] == 3 and self.manifest.channels == 1:
            raise UserError(_IN_COLOUR)
        return image

    def _denoised(
        self,
        image: Image,
        plan: TilePlan,
        sigma_B: NDArray[np.float32] | None,
        strength: float,
        progress: Progress | None,
    ) -> Image:
        def network(windows: Iterable[NDArray[np.float32]]) -> Generator[NDArray[np.float32], None, None]:
            return self._backend.run_many(windows, sigma_B)

        chosen = always_finite(network, lambda window: self._again_in_fp32(window, sigma_B))
        chosen = ensemble_of(chosen) if self._ensemble else chosen
        chosen = chosen if strength == 1 else mixed(chosen, strength)
        try:
            if self.manifest.tiling == "approximate":
                return self._blended(image, plan, chosen, progress)
            return stitched(
                image,
                plan,
                chosen,
                num_channels=self.manifest.channels,
                out_of_memory=self._relieved,
                progress=progress,
            )
        except OutOfMemoryError as error:
            raise UserError(
                f"out of memory even with the smallest tiles ({error}); close other programs or use a smaller model"
            ) from error

    def _again_in_fp32(
        self, window: NDArray[np.float32], sigma_B: NDArray[np.float32] | None
    ) -> NDArray[np.float32] | None:
        """What the model gives in fp32 where it gave NaN or infinity; None where it has no fp32 twin."""
        twin = self._in_fp32()
        if twin is None:
            return None
        warnings.warn(
            f"the model's output was not finite in {self._backend.precision} for one window; it was run again in fp32",
            stacklevel=5,
        )
        try:
            return twin.run(window, sigma_B)
        finally:
            twin.release_memory()

    def _blended(self, image: Image, plan: TilePlan, network: Network, progress: Progress | None) -> Image:
        """Every pixel from one plan: other tiles give other values, so where memory runs out all are done again."""
        while True:
            if len(plan) > 1:
                warnings.warn(
                    "this model looks at the whole image at once, but it is cut into tiles; "
                    "they are blended and differ a little from the whole",
                    stacklevel=4,
                )
            try:
                return blended(
                    image,
                    plan,
                    network,
                    num_channels=self.manifest.channels,
                    halo=self.manifest.halo,
                    progress=progress,
                )
            except OutOfMemoryError:
                self._relieved()
                tile = (max(plan.window_shape) - 2 * self._overlap) // 2
                smaller = None if tile < SMALLEST_TILE else self._plan(image.shape[0], image.shape[1], tile)
                if smaller is None or smaller.window_shape == plan.window_shape:
                    raise
                plan = smaller

    def _relieved(self) -> None:
        """Give memory back after a window did not fit, and say so."""
        self._backend.release_memory()
        warnings.warn("out of memory; going on with smaller windows", stacklevel=5)

    @property
    def _overlap(self) -> int:
        """Pixels around a tile: the halo; for blending twice that, so that what is mixed has a whole halo itself."""
        return self.manifest.halo if self.manifest.tiling == "exact" else 2 * self.manifest.halo

    def _plan(self, height: int, width: int, tile: int | None) -> TilePlan:
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

    def _band_tile(self, source: PixelRows) -> int:
        """The tile to cut `source` into: what fits beside a band of rows."""
        if self._tile is not None:
            return self._tile
        cost = WindowCost(
            bytes_per_pixel=self._backend.bytes_per_pixel(),
            channels=self.manifest.channels,
            halo=self._overlap,
            alignment=self.manifest.alignment,
        )
        working = streaming_bytes(self._memory_bytes) - source.most_bytes_at_once
        return largest_band_tile(working, cost, bytes_per_row=source.bytes_per_row)
