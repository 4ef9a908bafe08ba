"""What is done to one picture file: load it and measure its noise, denoise it, write it. Three stages, any thread."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...errors import UserError
from ...network_input import PACKED_BAYER
from ..denoise_request import Request
from ..denoiser import Denoiser
from ..memory.memory_budget import working_bytes
from ..noise.character import doubts
from ..noise.level import NoiseLevel
from ..noise.measured_noise import MeasuredNoise, measured_noise
from ..pictures.enlarged import enlarged
from ..pictures.image_files import check_writable, decoded_bytes, left_out, read_picture, write_picture
from ..pictures.known_formats import check_is_read, format_for
from ..pictures.packed_bayer import packed_bayer
from ..pictures.picture import Picture
from ..tiling.stitching import Progress
from .huge_picture import HugePicture
from .huge_pictures import huge_picture, sample_of_huge, write_denoised
from .opened_models import OpenedModels
from .target_file import check_target, written_target

HARDLY_ANY = 1.0
"""Grey levels: below this a person sees no difference."""


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to denoise."""

    source: Path
    target: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A picture ready to be denoised."""

    job: Job
    content: Picture | HugePicture
    model: str
    model_reason: str | None
    """Why the model was chosen, in a few words; None: it was asked for."""
    denoiser: Denoiser
    level: NoiseLevel
    notes: tuple[str, ...]
    """For a person, as sentences."""
    seconds: float

    @property
    def model_text(self) -> str:
        """The model, and why it was chosen."""
        return self.model if self.model_reason is None else f"{self.model} ({self.model_reason})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Denoised:
    """A picture ready to be written."""

    loaded: Loaded
    backend: str
    """What ran the model."""
    clean: Picture | None
    """None: too large to be held, and written already."""
    notes: tuple[str, ...]
    """What became known while the model ran, for a person."""
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A picture that was written."""

    denoised: Denoised
    seconds: float
    """Of all stages together."""


class PictureStages:
    """The stages, with the models that the pictures need."""

    def __init__(self, request: Request, *, reserved_bytes: int = 0) -> None:
        """`reserved_bytes`: of the memory, for other pictures."""
        self._request = request
        memory = request.memory_bytes
        self._models = OpenedModels(request, memory_bytes=None if memory is None else max(1, memory - reserved_bytes))
        # Fixed, so that the way a picture goes does not depend on what else is under way.
        self._picture_memory = working_bytes(memory, output_bytes=0) - reserved_bytes

    def held_bytes(self, job: Job) -> int:
        """What a picture holds while it is under way: file, pixels, result, and what the encoder makes of it."""
        return 2 * (1 + self._models.scale**2) * decoded_bytes(job.source)

    def load(self, job: Job) -> Loaded:
        """Read the picture, choose its model, measure its noise. Raises UserError for all that is wrong with it."""
        with _enough_memory(job.source), _allowed_by_the_system(job.source):
            return self._loaded(job)

    def denoise(self, loaded: Loaded, progress: Progress | None) -> Denoised:
        """Run the model; a picture too large to be held is written as well."""
        start = time.perf_counter()
        content, denoiser = loaded.content, loaded.denoiser
        sigma, amount = loaded.level.sigma, self._request.amount
        notes: list[str] = []
        with _enough_memory(loaded.job.source), _named(loaded.job.source):
            if isinstance(content, HugePicture):
                clean = None
                with written_target(loaded.job.target, overwrite=self._request.overwrite) as temporary:
                    write_denoised(
                        content,
                        temporary,
                        denoiser,
                        sigma,
                        amount,
                        progress=progress,
                        listener=notes.append,
                    )
            else:
                pixels = denoiser(
                    content.pixels,
                    sigma,  # already times what a strength above 1 multiplies it by
                    strength=amount.share,
                    chroma=amount.chroma,
                    progress=progress,
                    listener=notes.append,
                )
                clean = enlarged(content, pixels)
        return Denoised(
            loaded=loaded,
            backend=denoiser.description_for(content.height, content.width),
            clean=clean,
            notes=_about(loaded.job, dict.fromkeys(notes)),
            seconds=time.perf_counter() - start,
        )

    def write(self, denoised: Denoised) -> Written:
        """Encode the picture and give it its name, whole or not at all."""
        start = time.perf_counter()
        job = denoised.loaded.job
        if denoised.clean is not None:
            with (
                _enough_memory(job.source),
                written_target(job.target, overwrite=self._request.overwrite) as temporary,
            ):
                write_picture(denoised.clean, temporary, format=format_for(job.target))
        seconds = denoised.loaded.seconds + denoised.seconds + time.perf_counter() - start
        return Written(denoised=denoised, seconds=seconds)

    def _loaded(self, job: Job) -> Loaded:
        start = time.perf_counter()
        with _named(job.source):
            check_is_read(job.source)
        format = format_for(job.target)
        check_target(job.target, overwrite=self._request.overwrite)
        scale = self._models.scale
        with _named(job.source):
            huge = huge_picture(job.source, format, self._picture_memory, scale=scale)
        content = huge or read_picture(job.source)
        with _named(job.source):
            if isinstance(content, Picture):
                check_writable(content, format, scale=scale)
            measured = cache(lambda: _measured(content))
            model = self._models.for_picture(is_colour=content.is_colour, measured=measured)
            if model.denoiser.manifest.is_raw and isinstance(content, Picture):
                content = packed_bayer(content)
                check_writable(content, format)
            self._request.amount.check_for(model.denoiser.manifest)
            notes = [*content.notes, *model.notes]
            if isinstance(content, Picture):
                notes += left_out(content, format)
            if model.denoiser.manifest.weights == "random":
                notes.append(f"model {model.name}: its weights are random (made for timing); the result is worthless")
            level = model.noise_level(lambda: measured().level, self._request)
            if level.range_note is not None:
                notes.append(level.range_note)
            if level.estimate is not None and level.estimate < HARDLY_ANY and scale == 1:
                notes.append("hardly any noise found; the picture is left nearly as it is; use --sigma N to force it")
            if level.estimate is not None and isinstance(content, Picture):
                notes += doubts(content.pixels, measured())
        return Loaded(
            job=job,
            content=content,
            model=model.name,
            model_reason=model.reason,
            denoiser=model.denoiser,
            level=level,
            notes=_about(job, notes),
            seconds=time.perf_counter() - start,
        )


def _measured(content: Picture | HugePicture) -> MeasuredNoise:
    if content.num_channels == PACKED_BAYER:
        raise UserError("has 4 channels and none of them is a colour; for raw data give a model for them with --model")
    return measured_noise(sample_of_huge(content) if isinstance(content, HugePicture) else [content.pixels])


@contextmanager
def _named(source: Path) -> Iterator[None]:
    """A mistake gets its picture's name."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{source}: {error}") from error


@contextmanager
def _enough_memory(source: Path) -> Iterator[None]:
    """Too little memory is a mistake of one picture's, and the others go on."""
    try:
        yield
    except MemoryError as error:
        raise UserError(f"{source}: not enough memory for this picture; close other programs") from error


@contextmanager
def _allowed_by_the_system(source: Path) -> Iterator[None]:
    """Names that are too long, and folders that cannot be entered, are one picture's, and the others go on."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename or source}: {error.strerror}") from error


def _about(job: Job, notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{job.source}: {note}" for note in notes)
