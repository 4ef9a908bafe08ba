"""Animations, and TIFFs of several pages: from file to file, picture by picture.

All frames of an animation get one model and one noise level, so that it does not flicker. Pages may have nothing in
common: each gets its own.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

from ....errors import UserError
from ...denoise_request import Request
from ...denoiser import Denoiser
from ...noise.level import NoiseLevel
from ...noise.measured_noise import measured_noise
from ...noise.sampled_noise import noise_of_samples, spread
from ...pictures.enlarged import enlarged
from ...pictures.image_files import check_writable
from ...pictures.picture import Picture
from ...pictures.series.animation_files import check_animation, left_out_of_animation, read_animation, write_animation
from ...pictures.series.page_files import PagesWriter, opened_pages
from ...pictures.series.series_formats import SeriesFormat, series_format_for
from ...tiling.pixel_values import Image
from ..opened_models import ChosenModel, OpenedModels
from ..picture_stages import Job
from ..pipeline import BusyClock
from ..target_file import check_target, written_target
from .film_stages import FrameProgress
from .named_mistakes import named_mistakes


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesPart:
    """How one page was denoised, or all frames of an animation."""

    size_text: str
    is_colour: bool
    bits: int
    model: str
    model_reason: str | None
    """Why it was chosen, in a few words; None: it was asked for."""
    level: NoiseLevel


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenSeries:
    """A series that was written."""

    job: Job
    what: str
    """The name of its pictures: frames or pages."""
    num_pictures: int
    parts: tuple[SeriesPart, ...]
    """One for each page; one for an animation."""
    notes: tuple[str, ...]
    """For a person, as sentences."""
    seconds: float


class SeriesStages:
    """Denoises series one after the other, with the models that they need."""

    def __init__(self, request: Request, clock: BusyClock) -> None:
        """`clock` counts the time that models compute."""
        self._request = request
        self._models = OpenedModels(request, memory_bytes=request.memory_bytes)
        self._run = clock.timed(_denoised)

    def run(self, job: Job, format: SeriesFormat, progress: FrameProgress | None) -> WrittenSeries:
        """Denoise the series of the kind `format`, and write it whole or not at all. Raises UserError."""
        start = time.perf_counter()
        check_target(job.target, overwrite=self._request.overwrite)
        with named_mistakes(job):
            target = series_format_for(job.target, format)
            written = self._pages(job, progress) if format == "TIFF" else self._animation(job, format, target, progress)
        notes = tuple(f"{job.source}: {note}" for note in dict.fromkeys(written.notes))
        return replace(written, notes=notes, seconds=time.perf_counter() - start)

    def _animation(
        self, job: Job, format: SeriesFormat, target: SeriesFormat, progress: FrameProgress | None
    ) -> WrittenSeries:
        animation = read_animation(job.source, format)
        check_animation(animation, target)
        frames = animation.frames
        measured = cache(lambda: noise_of_samples([frame.pixels for frame in spread(frames)]))
        model = self._models.for_picture(is_colour=animation.is_colour, measured=measured)
        if model.denoiser.manifest.scale > 1:
            raise UserError(f"model {model.name} enlarges pictures, and animations keep their size")
        level = self._level(model, lambda: measured().level)
        notes = [*left_out_of_animation(animation, target), *model.notes, *_notes_on(model, level)]
        clean = []
        for index, frame in enumerate(frames, start=1):
            clean.append(frame.with_pixels(self._run(_Work(model.denoiser, frame.pixels, level, self._request, notes))))
            if progress is not None:
                progress(index, len(frames))
        with written_target(job.target, overwrite=self._request.overwrite) as temporary:
            write_animation(replace(animation, frames=tuple(clean)), temporary, target)
        part = _part(model, level, animation.size_text, is_colour=animation.is_colour, bits=8)
        return _written(job, "frames", len(frames), [part], notes)

    def _pages(self, job: Job, progress: FrameProgress | None) -> WrittenSeries:
        parts: list[SeriesPart] = []
        notes: list[str] = []
        scale = self._models.scale
        with (
            opened_pages(job.source) as pages,
            written_target(job.target, overwrite=self._request.overwrite) as temporary,
            temporary.open("wb") as file,
        ):
            notes += pages.notes
            writer = PagesWriter(file, num_bytes=scale**2 * pages.decoded_bytes)
            for number, page in enumerate(pages, start=1):
                own: list[str] = []
                with _page(number):
                    clean, part = self._page(page, own)
                writer.add(clean)
                parts.append(part)
                notes += (f"page {number}: {note}" for note in own)
                if progress is not None:
                    progress(number, len(pages))
            writer.finish()
        return _written(job, "pages", len(parts), parts, notes)

    def _page(self, page: Picture, notes: list[str]) -> tuple[Picture, SeriesPart]:
        measured = cache(lambda: measured_noise([page.pixels]))
        model = self._models.for_picture(is_colour=page.is_colour, measured=measured)
        check_writable(page, "TIFF", scale=model.denoiser.manifest.scale)
        level = self._level(model, lambda: measured().level)
        notes += [*page.notes, *model.notes, *_notes_on(model, level)]
        pixels = self._run(_Work(model.denoiser, page.pixels, level, self._request, notes))
        part = _part(model, level, page.size_text, is_colour=page.is_colour, bits=page.bits)
        return enlarged(page, pixels), part

    def _level(self, model: ChosenModel, estimated: Callable[[], float]) -> NoiseLevel:
        request = self._request
        request.amount.check_for(model.denoiser.manifest)
        return model.noise_level(estimated, request)


@dataclass(frozen=True, slots=True)
class _Work:
    denoiser: Denoiser
    pixels: Image
    level: NoiseLevel
    request: Request
    notes: list[str]


def _denoised(work: _Work) -> Image:
    amount = work.request.amount
    return work.denoiser(
        work.pixels,
        work.level.sigma,  # already times what a strength above 1 multiplies it by
        strength=amount.share,
        chroma=amount.chroma,
        listener=work.notes.append,
    )


def _part(model: ChosenModel, level: NoiseLevel, size_text: str, *, is_colour: bool, bits: int) -> SeriesPart:
    return SeriesPart(
        size_text=size_text,
        is_colour=is_colour,
        bits=bits,
        model=model.name,
        model_reason=model.reason,
        level=level,
    )


def _written(job: Job, what: str, num: int, parts: list[SeriesPart], notes: list[str]) -> WrittenSeries:
    return WrittenSeries(job=job, what=what, num_pictures=num, parts=tuple(parts), notes=tuple(notes), seconds=0.0)


def _notes_on(model: ChosenModel, level: NoiseLevel) -> Iterator[str]:
    if model.denoiser.manifest.weights == "random":
        yield f"model {model.name}: its weights are random (made for timing); the result is worthless"
    if level.range_note is not None:
        yield level.range_note


@contextmanager
def _page(number: int) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"page {number}: {error}") from error
