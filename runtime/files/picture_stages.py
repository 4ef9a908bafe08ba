"""What is done to one picture file: load it and measure its noise, denoise it, write it. Three stages, any thread."""

import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...atomic_files import written_whole
from ...errors import UserError
from ..denoise_request import Request
from ..denoiser import Denoiser, NoiseLevel
from ..memory.memory_budget import working_bytes
from ..noise.character import doubts
from ..noise.estimate import estimate_sigma_of_blocks
from ..pictures.image_files import check_writable, format_for, read_picture, write_picture
from ..pictures.picture import Picture
from ..tiling.stitching import Progress
from .huge_tiff import HugeTiff, huge_tiff, sample_of, write_denoised


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to denoise."""

    source: Path
    target: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A picture ready to be denoised."""

    job: Job
    content: Picture | HugeTiff
    model: str
    denoiser: Denoiser
    level: NoiseLevel
    notes: tuple[str, ...]
    """For a person, as sentences."""
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Denoised:
    """A picture ready to be written."""

    loaded: Loaded
    backend: str
    """What ran the model."""
    clean: Picture | None
    """None: too large to be held, and written already."""
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What is to be said of a picture that was written."""

    text: str
    values: dict[str, Any]
    notes: tuple[str, ...]
    """What became known while the model ran."""


class PictureStages:
    """The stages, with the models that the pictures need, each loaded once on first use."""

    def __init__(self, request: Request, *, heard: "HeardWarnings", reserved_bytes: int = 0) -> None:
        """`heard`: what `heard_warnings` gives. `reserved_bytes`: of the memory, for other pictures."""
        self._request = request
        self._heard = heard
        memory = request.memory_bytes
        self._model_memory = None if memory is None else max(1, memory - reserved_bytes)
        # Fixed, so that the way a picture goes does not depend on what else is under way.
        self._picture_memory = working_bytes(memory, output_bytes=0) - reserved_bytes
        self._models: dict[str, Denoiser] = {}
        self._models_lock = threading.Lock()

    def load(self, job: Job) -> Loaded:
        """Read the picture, choose its model, measure its noise. Raises UserError for all that is wrong with it."""
        with _enough_memory(job.source):
            return self._loaded(job)

    def denoise(self, loaded: Loaded, progress: Progress | None) -> Denoised:
        """Run the model, in the thread that hears warnings; a picture too large to be held is written as well."""
        start = time.perf_counter()
        content, sigma, strength = loaded.content, loaded.level.sigma, self._request.strength
        self._heard.taken()
        with _enough_memory(loaded.job.source), _named(loaded.job.source):
            if isinstance(content, HugeTiff):
                clean = None
                with written_whole(loaded.job.target) as temporary:
                    write_denoised(content, temporary, loaded.denoiser, sigma, strength=strength, progress=progress)
            else:
                clean = content.with_pixels(
                    loaded.denoiser(content.pixels, sigma, strength=strength, progress=progress)
                )
        return Denoised(
            loaded=loaded,
            backend=loaded.denoiser.description_for(content.height, content.width),
            clean=clean,
            notes=_about(loaded.job, dict.fromkeys(self._heard.taken())),
            seconds=time.perf_counter() - start,
        )

    def write(self, denoised: Denoised) -> Written:
        """Encode the picture and give it its name, whole or not at all."""
        start = time.perf_counter()
        loaded, job = denoised.loaded, denoised.loaded.job
        if denoised.clean is not None:
            with _enough_memory(job.source), written_whole(job.target) as temporary:
                write_picture(denoised.clean, temporary, format=format_for(job.target))
        seconds = loaded.seconds + denoised.seconds + time.perf_counter() - start
        return Written(
            text=_text(loaded, seconds),
            values=_values(denoised, seconds),
            notes=denoised.notes,
        )

    def _loaded(self, job: Job) -> Loaded:
        start = time.perf_counter()
        format = format_for(job.target)
        if job.target.exists() and not self._request.overwrite:
            raise UserError(f"{job.target}: exists already; add --overwrite to replace it, or choose another name")
        if not job.target.parent.is_dir():
            raise UserError(f"{job.target.parent}: no such folder; create it first or choose another output path")
        with _named(job.source):
            huge = huge_tiff(job.source, self._picture_memory) if format == "TIFF" else None
        content = huge or read_picture(job.source)
        with _named(job.source):
            if isinstance(content, Picture):
                check_writable(content, format)
            notes = list(content.notes)
            self._heard.taken()
            name, denoiser = self._model_for(is_colour=content.is_colour)
            notes += self._heard.taken()
            if denoiser.manifest.weights == "random":
                notes.append(f"model {name}: its weights are random (made for timing); the result is worthless")
            if isinstance(content, HugeTiff):
                level = denoiser.noise_level_from(
                    lambda: estimate_sigma_of_blocks(sample_of(content)), self._request.sigma
                )
            else:
                level = denoiser.noise_level(content.pixels, self._request.sigma)
            if level.estimate is not None and level.sigma not in (level.estimate, 0.0):
                notes.append(denoiser.range_note(level))
            if level.estimate is not None and isinstance(content, Picture):
                notes += doubts(content.pixels, level.estimate)
        return Loaded(
            job=job,
            content=content,
            model=name,
            denoiser=denoiser,
            level=level,
            notes=_about(job, notes),
            seconds=time.perf_counter() - start,
        )

    def _model_for(self, *, is_colour: bool) -> tuple[str, Denoiser]:
        """(name, denoiser)"""
        request = self._request
        name = request.model if request.model != "auto" else "color" if is_colour else "gray"
        with self._models_lock:
            if name not in self._models:
                self._models[name] = Denoiser.load(
                    name,
                    request.backend,
                    threads=request.threads,
                    precision=request.precision,
                    memory_bytes=self._model_memory,
                    tile=request.tile,
                    ensemble=request.ensemble,
                )
            return name, self._models[name]


class HeardWarnings:
    """The texts of the warnings of each thread."""

    def __init__(self) -> None:
        self._by_thread: dict[int, list[str]] = {}

    def add(self, text: str) -> None:
        """Keep a warning of this thread."""
        self._by_thread.setdefault(threading.get_ident(), []).append(text)

    def taken(self) -> list[str]:
        """This thread's since the last call."""
        return self._by_thread.pop(threading.get_ident(), [])


@contextmanager
def heard_warnings() -> Iterator[HeardWarnings]:
    """Collect warnings instead of showing them.

    Filters of warnings belong to the whole process, so this surrounds all threads instead of a single call.
    """
    heard = HeardWarnings()

    def hear(message: Warning | str, *_: Any, **__: Any) -> None:
        heard.add(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = hear
        yield heard


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


def _about(job: Job, notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{job.source}: {note}" for note in notes)


def _text(loaded: Loaded, seconds: float) -> str:
    content, level = loaded.content, loaded.level
    if level.sigma is None:
        sigma_text = ""
    else:
        sigma_text = f", sigma {level.sigma:.1f} ({'estimated' if level.is_estimated else 'given'})"
    kind = "colour" if content.is_colour else "grey"
    what = f"{content.size_text} {kind} {content.bits}-bit"
    return f"{loaded.job.source} -> {loaded.job.target}  {what}{sigma_text}, model {loaded.model}, {seconds:.2f} s"


def _values(denoised: Denoised, seconds: float) -> dict[str, Any]:
    loaded = denoised.loaded
    content, level = loaded.content, loaded.level
    return {
        "input": str(loaded.job.source),
        "output": str(loaded.job.target),
        "width": content.width,
        "height": content.height,
        "channels": 3 if content.is_colour else 1,
        "bits": content.bits,
        "sigma": level.sigma,
        "sigma_estimate": level.estimate,
        "model": loaded.model,
        "backend": denoised.backend,
        "seconds": round(seconds, 3),
        "notes": [*loaded.notes, *denoised.notes],
    }
