"""What is done to one film: look at it, choose its model and noise level, and take every frame through three stages.

While the model computes, the next frames are decoded and the last ones compressed and written.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache

import numpy as np

from ....atomic_files import written_whole
from ....errors import UserError
from ...denoise_request import Request
from ...denoiser import Denoiser
from ...films.encoders import ChosenEncoder, chosen_encoder
from ...films.film import Film, Frame, Parcel
from ...films.film_source import FilmSource, opened_film
from ...films.film_survey import surveyed
from ...films.film_target import FilmTarget, written_film
from ...films.frame_pixels import Pixels, changed_planes, pixels_from
from ...films.known_films import container_for
from ...noise.level import NoiseLevel
from ...noise.sampled_noise import NUM_SAMPLES, noise_of_samples
from ..opened_models import OpenedModels
from ..picture_stages import HARDLY_ANY, Job
from ..pipeline import BusyClock, Limits, Stages, overlapped
from .named_mistakes import named_mistakes
from .reading_ahead import read_ahead

_UNDER_WAY = 4
"""Frames decoded ahead."""
_MISSING_SHARE, _MISSING_SECONDS = 0.02, 0.5
"""A file that ends earlier than it announces by more than both is truncated; what is announced is not always exact."""

FrameProgress = Callable[[int, int | None], None]
"""Called with the number of frames done, and how many there are, None: unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedFilm:
    """A film ready to be denoised."""

    job: Job
    film: Film
    encoder: ChosenEncoder
    container: str
    """FFmpeg's name of the container to write."""
    model: str
    model_reason: str | None
    """Why the model was chosen, in a few words; None: it was asked for."""
    denoiser: Denoiser
    level: NoiseLevel
    """The same for all frames."""
    num_samples: int
    """Frames that it was measured on, where it was."""
    notes: tuple[str, ...]
    """For a person, as sentences."""

    @property
    def model_text(self) -> str:
        """The model, and why it was chosen."""
        return self.model if self.model_reason is None else f"{self.model} ({self.model_reason})"


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenFilm:
    """A film that was written."""

    loaded: LoadedFilm
    backend: str
    """What ran the model."""
    num_frames: int
    notes: tuple[str, ...]
    """What became known on the way, for a person."""
    seconds: float
    busy_share: float
    """0..1: of the time from the first frame to the last, how much the model computed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """A frame ready for the model."""

    parcel: Parcel
    pixels: Pixels | None
    """None: no frame, only what follows the last one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Clean:
    parcel: Parcel
    change: Pixels | None
    """What the model adds to the frame's pixels."""


class FilmStages:
    """Denoises films one after the other, with the models that they need."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._models = OpenedModels(request, memory_bytes=request.memory_bytes)

    def load(self, job: Job) -> LoadedFilm:
        """Look at the film, choose its model and encoder, measure its noise. Raises UserError for what is wrong."""
        request = self._request
        container = container_for(job.target)
        if (job.target.exists() or job.target.is_symlink()) and not request.overwrite:
            raise UserError(f"{job.target}: exists already; add --overwrite to replace it, or choose another name")
        if not job.target.parent.is_dir():
            raise UserError(f"{job.target.parent}: no such folder; create it first or choose another output path")
        with named_mistakes(job):
            film, samples = surveyed(job.source, NUM_SAMPLES)
            encoder = chosen_encoder(film, container, codec=request.codec, crf=request.crf)
            measured = cache(
                lambda: noise_of_samples([np.clip(pixels_from(planes, film.layout), 0, 1) for planes in samples])
            )
            model = self._models.for_picture(is_colour=film.layout.is_colour, measured=measured)
            manifest = model.denoiser.manifest
            if manifest.scale > 1:
                raise UserError(f"model {model.name} enlarges {manifest.scale} times, and films keep their size")
            request.amount.check_for(manifest)
            level = model.denoiser.noise_level_from(
                lambda: measured().level, request.sigma, factor=request.level_factor
            )
            notes = [*film.notes, *model.notes]
            if encoder.note is not None:
                notes.append(encoder.note)
            if manifest.weights == "random":
                notes.append(f"model {model.name}: its weights are random (made for timing); the result is worthless")
            if level.range_note is not None:
                notes.append(level.range_note)
            if level.estimate is not None and level.estimate < HARDLY_ANY:
                notes.append("hardly any noise found; the film is left nearly as it is; use --sigma N to force it")
        return LoadedFilm(
            job=job,
            film=film,
            encoder=encoder,
            container=container,
            model=model.name,
            model_reason=model.reason,
            denoiser=model.denoiser,
            level=level,
            num_samples=len(samples),
            notes=tuple(f"{job.source}: {note}" for note in notes),
        )

    def run(self, loaded: LoadedFilm, clock: BusyClock, progress: FrameProgress | None) -> WrittenFilm:
        """Denoise and write the film, whole or not at all. `clock` counts the model's time."""
        start = time.perf_counter()
        job, film = loaded.job, loaded.film
        own = BusyClock()
        notes: list[str] = []
        with (
            named_mistakes(job),
            written_whole(job.target) as temporary,
            opened_film(film) as source,
            written_film(temporary, source, loaded.encoder, loaded.container) as target,
        ):
            notes += target.notes
            num_frames = 0
            for _ in self._frames(loaded, source, target, own, clock, notes):
                num_frames += 1
                if progress is not None:
                    progress(num_frames, film.num_frames)
            if num_frames == 0:
                raise UserError("damaged or truncated: not one picture could be decoded")
            notes += _lost(source)
        return WrittenFilm(
            loaded=loaded,
            backend=loaded.denoiser.description_for(film.layout.height, film.layout.width),
            num_frames=num_frames,
            notes=tuple(f"{job.source}: {note}" for note in dict.fromkeys(notes)),
            seconds=time.perf_counter() - start,
            busy_share=own.busy_seconds / own.span_seconds if own.span_seconds else 1.0,
        )

    def _frames(
        self,
        loaded: LoadedFilm,
        source: FilmSource,
        target: FilmTarget,
        own: BusyClock,
        clock: BusyClock,
        notes: list[str],
    ) -> Iterator[None]:
        """Takes the film through the stages; one step a frame that was written."""
        layout, amount = loaded.film.layout, self._request.amount

        def load(parcel: Parcel) -> _Ready:
            pixels = None if parcel.frame is None else pixels_from(parcel.frame.planes, layout)
            return _Ready(parcel=parcel, pixels=pixels)

        def denoise(ready: _Ready) -> _Clean:
            if ready.pixels is None:
                return _Clean(parcel=ready.parcel, change=None)
            clean = loaded.denoiser(
                ready.pixels,
                loaded.level.sigma,  # already times what a strength above 1 multiplies it by
                strength=amount.share,
                chroma=amount.chroma,
                listener=notes.append,
            )
            clean -= ready.pixels
            return _Clean(parcel=ready.parcel, change=clean)

        def write(clean: _Clean) -> bool:
            for packet in clean.parcel.packets:
                target.copy(packet)
            frame = clean.parcel.frame
            if frame is None or clean.change is None:
                return False
            planes = changed_planes(frame.planes, clean.change, layout)
            target.write(Frame(planes=planes, time=frame.time, duration=frame.duration))
            return True

        with closing(read_ahead(source.parcels(), _UNDER_WAY)) as parcels:
            outcomes = overlapped(
                parcels,
                Stages(load=load, work=clock.timed(own.timed(denoise)), store=write, cost=lambda _: 1),
                # One thread each: frames are decoded and compressed in their order.
                Limits(num_loading=1, num_storing=1, capacity=_UNDER_WAY),
                failures=(),
            )
            with closing(outcomes):
                for outcome in outcomes:
                    if outcome.stored:
                        yield


def _lost(source: FilmSource) -> Iterator[str]:
    if num := source.num_damaged:
        yield f"damaged in {num} place{'s' if num > 1 else ''}, left out or patched up by the decoder"
    end = source.film.end
    if end is not None and end - source.end > max(_MISSING_SECONDS, _MISSING_SHARE * end):
        yield f"truncated: ends at {source.end:.1f} s of the {end:.1f} s that it announces"
