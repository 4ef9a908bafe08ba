"""Look at a film before the work: choose its model and its encoder, and measure its noise."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ....errors import UserError
from ...denoise_request import Request
from ...denoiser import Denoiser
from ...films.encoders import ChosenEncoder, chosen_encoder
from ...films.film import Film
from ...films.film_survey import surveyed
from ...films.frame_pixels import pixels_from
from ...films.known_films import container_for
from ...noise.level import NoiseLevel
from ...noise.measured_noise import MeasuredNoise
from ...noise.sampled_noise import NUM_SAMPLES, noise_of_samples
from ..opened_models import OpenedModels
from ..picture_stages import HARDLY_ANY, Job
from ..target_file import check_target
from .named_mistakes import named_mistakes


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
    steady_sigma: float | None
    """The noise level that tells what stays the same from frame to frame, and is averaged; None: nothing is."""
    num_samples: int
    """Frames that it was measured on, where it was."""
    notes: tuple[str, ...]
    """For a person, as sentences."""

    @property
    def model_text(self) -> str:
        """The model, and why it was chosen."""
        return self.model if self.model_reason is None else f"{self.model} ({self.model_reason})"


def _real_level(level: NoiseLevel, measured: Callable[[], MeasuredNoise]) -> float:
    """The film's own, whatever the model is told to take out."""
    if level.estimate is not None:
        return level.estimate
    return measured().level if level.sigma is None else level.sigma / level.factor


class FilmLoader:
    """Looks at films, and opens the models that they need."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._models = OpenedModels(request, memory_bytes=request.memory_bytes)

    def load(self, job: Job) -> LoadedFilm:
        """Look at the film, choose its model and encoder, measure its noise. Raises UserError for what is wrong."""
        request = self._request
        container = container_for(job.target)
        check_target(job.target, overwrite=request.overwrite)
        with named_mistakes(job):
            film, samples = surveyed(job.source, NUM_SAMPLES)
            if film.is_interlaced and not request.deinterlace:
                raise UserError(
                    "is interlaced: each frame holds two half pictures of different moments; add --deinterlace, which "
                    "makes one whole picture of them"
                )
            encoder = chosen_encoder(film, container, codec=request.codec, crf=request.crf)
            measured = cache(
                lambda: noise_of_samples([np.clip(pixels_from(planes, film.layout), 0, 1) for planes in samples])
            )
            model = self._models.for_picture(is_colour=film.layout.is_colour, measured=measured)
            manifest = model.denoiser.manifest
            if manifest.scale > 1:
                raise UserError(f"model {model.name} enlarges {manifest.scale} times, and films keep their size")
            request.amount.check_for(manifest)
            level = model.noise_level(lambda: measured().level, request)
            steady_sigma = _real_level(level, measured) if request.temporal and level.sigma != 0 else None
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
            steady_sigma=steady_sigma,
            num_samples=len(samples),
            notes=tuple(f"{job.source}: {note}" for note in notes),
        )
