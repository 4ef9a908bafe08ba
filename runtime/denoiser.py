"""The denoiser: an array in, a clean array of the same number type out, larger where the model enlarges."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Self, overload

from ..errors import UserError
from ..network_input import PACKED_BAYER
from .amount import WHOLE_CHANGE, Amount
from .backends.backend import AskedPrecision, Backend, Listener
from .backends.open_backend import open_backend, twin_in_fp32
from .many_pictures import Frames, Levels, denoised_each
from .memory.memory_budget import streaming_bytes, working_bytes
from .model.bundled_models import model_file
from .model.int8_files import int8_choice
from .model.int8_processors import WITHOUT_VNNI, is_known_to_lack_vnni, processor_flags
from .model.manifest import ModelManifest
from .network_run import NetworkRun
from .noise.level import NoiseLevel, noise_level_for
from .noise.measured_noise import measured_noise
from .tiling.job_plan import JobPlanner, WindowMemory
from .tiling.pixel_values import Image, checked_image, seems_of_grey_levels
from .tiling.planner import Span, TilePlan
from .tiling.stitching import Progress
from .tiling.streaming import PixelRows, denoised_bands
from .tiling.symmetries import MORE_HALO_OF_PACKED_BAYER

_IS_RAW = (
    "the image has {channels} channels, but the model is for raw data: give packed Bayer of 4 channels, the red, both "
    "green and the blue pixels of an RGGB mosaic; for pictures use another model, such as 'color'"
)
_IS_NO_RAW = (
    "the image has 4 channels, but the model is for pictures; leave transparency out, or use a model for raw data"
)
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
        precision: AskedPrecision | None = None,
        memory_bytes: int | None = None,
        tile: int | None = None,
        ensemble: bool = False,
        listener: Listener | None = None,
    ) -> Self:
        """`model`: a bundled name ("color", "gray") or the path of a model file; `backend`: auto or a name.

        `precision`: of floating-point layers, None: what the model file is for; bf16 is for OpenVINO alone. int8 takes
        the model's int8 file for the backend; `auto` is then OpenVINO where it is installed, else ONNX Runtime.
        `listener` is told which backend `auto` passed over, and why, and where int8 is slow; None: that is a Python
        warning.

        Raises UserError where the model or the backend cannot be had; a backend asked for by name is
        never replaced by another.
        """
        file = model_file(model)
        notes: list[str] = []
        tell = listener or notes.append
        arithmetic = None if precision == "int8" else precision
        if precision == "int8":
            chosen = int8_choice(file, backend)
            file, backend = chosen.file, chosen.backend
            if is_known_to_lack_vnni(processor_flags()):
                tell(WITHOUT_VNNI)
        opened = open_backend(backend, file, threads=threads, precision=arithmetic, listener=tell)
        for note in notes:
            warnings.warn(note, stacklevel=2)
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
        self,
        image: Image,
        sigma: float | None = None,
        *,
        strength: float = 1.0,
        chroma: float = 1.0,
        progress: Progress | None = None,
        listener: Listener | None = None,
    ) -> Image:
        """Denoise `image` (H, W), (H, W, 1) or (H, W, 3), uint8, uint16 or float32 in 0..1: same shape and dtype.

        A model for raw data takes packed Bayer instead: (H, W, 4), the pixels of an RGGB mosaic that are red, green in
        the red rows, green in the blue rows, and blue.
        A model that enlarges gives `manifest.scale` times the height and the width.
        `sigma`: noise level in grey levels 0..255 (whatever the dtype); None: estimated where the model needs it,
        and moved into the model's range; 0: a copy, bit for bit, unless the model enlarges. A colour model takes a
        grey image as three equal channels and averages its answer. Integers are rounded and clipped, float32 is not.
        `strength` up to 1 mixes: 1 is the network's answer, 0 the image itself (a copy, bit for bit), 0.5 half of
        each. Above 1, up to 4, the network is told that many times the noise level, moved into the model's range.
        `chroma`, 0..2, multiplies the colour part of the change, all but its luma: 0 takes brightness noise alone, 1
        is the network's answer. It does nothing to grey images.
        `progress(done, total)` is called after each tile. `listener` is told, in sentences, what a person should
        know of the result; None: each sentence is a Python warning when the call ends.
        Raises UserError for images, noise levels, strengths and chromas that the model cannot take.
        """
        amount = Amount(strength=strength, chroma=chroma)
        notes: list[str] = []
        try:
            return self._denoised(image, sigma, amount, progress, listener or notes.append)
        finally:
            for note in dict.fromkeys(notes):
                warnings.warn(note, stacklevel=2)

    @overload
    def batch(self, images: Image, sigma: Levels = None, *, strength: float = 1.0, chroma: float = 1.0) -> Image: ...

    @overload
    def batch(
        self, images: Sequence[Image], sigma: Levels = None, *, strength: float = 1.0, chroma: float = 1.0
    ) -> list[Image]: ...

    def batch(
        self, images: Image | Sequence[Image], sigma: Levels = None, *, strength: float = 1.0, chroma: float = 1.0
    ) -> Image | list[Image]:
        """Denoise every picture of an array (N, H, W) or (N, H, W, C), or of a list, where sizes may differ.

        An array gives an array, a list a list; each picture is what a call on it alone gives. `sigma`: one level for
        all, one for each, or None: each measured. All else as in a call. Raises UserError that names the picture.
        """
        return denoised_each(images, sigma, lambda image, level: self(image, level, strength=strength, chroma=chroma))

    def frames(
        self, frames: Iterable[Image], sigma: float | None = None, *, strength: float = 1.0, chroma: float = 1.0
    ) -> Iterator[Image]:
        """Denoise frames as they come, all at one noise level, so that the result does not flicker.

        `sigma` None, where the model needs a level: the median of 7 frames, as for films. They are spread over
        `frames` where that is an array or a list, else the first 7, which are taken before the first result.
        All else as in a call. Raises UserError for frames that the model cannot take.
        """
        amount = Amount(strength=strength, chroma=chroma)
        amount.check_for(self.manifest)
        given = Frames(frames, self._checked)
        level = self.noise_level_from(given.measured, sigma, factor=amount.level_factor)
        if level.range_note is not None:
            warnings.warn(level.range_note, stacklevel=2)
        # The level is already times what a strength above 1 multiplies it by.
        for frame in given:
            yield self(frame, level.sigma, strength=amount.share, chroma=amount.chroma)

    def noise_level(self, image: Image, sigma: float | None = None, *, factor: float = 1.0) -> NoiseLevel:
        """The level `image` would be denoised at: `sigma` as in a call, times `factor`.

        Raises UserError for a `sigma` outside the model's range, and for a factor where the model takes no level.
        """
        return self.noise_level_from(lambda: measured_noise([self._checked(image)]).level, sigma, factor=factor)

    def noise_level_from(
        self, estimated: Callable[[], float], sigma: float | None = None, *, factor: float = 1.0
    ) -> NoiseLevel:
        """As `noise_level`; `estimated` measures the noise, and is called only where that is needed."""
        return noise_level_for(self.manifest, estimated, sigma, factor)

    def bands(
        self,
        source: PixelRows,
        sigma: float | None,
        amount: Amount = WHOLE_CHANGE,
        *,
        progress: Progress | None = None,
        listener: Listener = lambda _: None,
    ) -> Iterator[tuple[Span, Image]]:
        """Denoise `source` in bands of rows, of which one is held at a time: (rows of the source, the result for them)
        from top to bottom.

        The same pixels as a call on the whole picture gives with the same tile. `sigma`: from `noise_level_from`,
        already times what `amount` multiplies it by.
        Raises UserError for models that no tiling makes exact.
        """
        amount.check_for(self.manifest)
        if self.manifest.is_raw:
            raise UserError("raw data that do not fit into the memory allowed cannot be streamed; allow more memory")
        if source.is_colour and self.manifest.channels == 1:
            raise UserError(_IN_COLOUR)
        if self.manifest.tiling == "approximate":
            raise UserError("the picture does not fit into the memory, and this model looks at a whole picture at once")
        chosen = self._for_job(source.height, source.width)
        plan = chosen._planner.plan(source.height, source.width, chosen._band_tile(source))
        run = chosen._run(sigma, amount, listener)

        def denoised(pixels: Image, plan: TilePlan, count: Progress) -> Image:
            return pixels if run.changes_nothing else run(pixels, plan, count)

        try:
            yield from denoised_bands(source, plan, denoised, progress, scale=self.manifest.scale)
        finally:
            chosen._backend.release_memory()

    def plan_for(self, image: Image) -> TilePlan:
        """The tiles that a call would cut `image` into."""
        return self._for_job(image.shape[0], image.shape[1])._plan_of(image)

    def description_for(self, height: int, width: int) -> str:
        """What really runs for a picture of `height` x `width` pixels: library, version, device."""
        return self._for_job(height, width).description

    def _denoised(
        self, image: Any, sigma: float | None, amount: Amount, progress: Progress | None, listener: Listener
    ) -> Image:
        image = self._checked(image)
        if image.ndim == 3 and image.shape[2] == 3 and self.manifest.channels == 1:
            raise UserError(_IN_COLOUR)
        amount.check_for(self.manifest)
        if seems_of_grey_levels(image):
            listener(
                f"the image's values are float32 and reach {image.max():.0f}, but white is 1; divide grey levels by 255"
            )
        level = self.noise_level(image, sigma, factor=amount.level_factor)
        if level.range_note is not None:
            listener(level.range_note)
        if self._run(level.sigma, amount, listener).changes_nothing:
            return image.copy()
        chosen = self._for_job(image.shape[0], image.shape[1])
        try:
            return chosen._run(level.sigma, amount, listener)(image, chosen._plan_of(image), progress)
        finally:
            chosen._backend.release_memory()

    def _checked(self, image: Any) -> Image:
        """`image` if it is an array with as many channels as raw data have, or pictures."""
        image = checked_image(image)
        channels = 1 if image.ndim == 2 else image.shape[2]
        if (channels == PACKED_BAYER) != self.manifest.is_raw:
            raise UserError(_IS_RAW.format(channels=channels) if self.manifest.is_raw else _IS_NO_RAW)
        return image

    def _for_job(self, height: int, width: int) -> Self:
        """This denoiser with the backend that ends such a picture earliest."""
        # A second library takes memory of its own, which a bound may not have.
        backend = self._backend.for_job(height * width) if self._memory_bytes is None else self._backend
        if backend is self._backend:
            return self
        chosen = copy(self)
        chosen._backend = backend
        return chosen

    def _run(self, sigma: float | None, amount: Amount, listener: Listener) -> NetworkRun:
        return NetworkRun(
            backend=self._backend,
            in_fp32=self._in_fp32,
            planner=self._planner,
            ensemble=self._ensemble,
            sigma=sigma,
            amount=amount,
            listener=listener,
        )

    @property
    def _planner(self) -> JobPlanner:
        limits = self._backend.window_limits
        if limits is not None and self._ensemble:
            limits = limits.for_turned_windows()
        manifest = self.manifest
        if self._ensemble and manifest.is_raw:
            manifest = replace(manifest, halo=manifest.halo + MORE_HALO_OF_PACKED_BAYER)
        return JobPlanner(manifest=manifest, limits=limits)

    def _plan_of(self, image: Image) -> TilePlan:
        height, width = image.shape[:2]
        tile = self._tile
        if tile is None:
            tile = self._planner.tile_for(height, width, self._memory_for(image))
        return self._planner.plan(height, width, tile)

    def _memory_for(self, image: Image) -> WindowMemory:
        output_bytes = self._planner.output_bytes(image.size, image.itemsize)
        working = working_bytes(self._memory_bytes, output_bytes=output_bytes)
        free_device = self._backend.free_device_bytes()
        return self._window_memory(working if free_device is None else min(working, free_device // 2))

    def _band_tile(self, source: PixelRows) -> int:
        """The tile to cut `source` into: what fits beside a band of rows."""
        if self._tile is not None:
            return self._tile
        memory = self._window_memory(streaming_bytes(self._memory_bytes) - source.most_bytes_at_once)
        return self._planner.tile_for_bands(memory, bytes_per_row=source.bytes_per_row)

    def _window_memory(self, working: int) -> WindowMemory:
        return WindowMemory(
            working_bytes=working,
            is_bound=self._memory_bytes is not None,
            bytes_per_pixel=self._backend.bytes_per_pixel,
        )
