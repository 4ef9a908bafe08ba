"""What is done to one film after it was looked at: its frames are made in parts, which are kept, and then joined."""

import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from ....errors import UserError
from ...backends.backend import Listener
from ...backends.learnt_numbers import sha256_of
from ...denoise_request import Request
from ...films.film_source import FilmSource, opened_film
from ...films.film_target import written_film
from ...films.library import versions
from ...films.parts.joined_parts import write_joined
from ...films.parts.parts_compressor import compressed_parts
from ...films.parts.parts_folder import PartsFolder, content_of
from ...films.steady_frames import FRAMES_REMEMBERED
from ...model.bundled_models import model_file
from ..pipeline import BusyClock
from ..target_file import written_target
from .frame_stages import frame_by_frame, frame_stages
from .loaded_film import LoadedFilm
from .named_mistakes import named_mistakes

_MISSING_SHARE, _MISSING_SECONDS = 0.02, 0.5
"""A file that ends earlier than it announces by more than both is truncated; what is announced is not always exact."""

FrameProgress = Callable[[int, int | None], None]
"""Called with the number of frames done, and how many there are, None: unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenFilm:
    """A film that was written."""

    loaded: LoadedFilm
    backend: str
    """What ran the model."""
    num_frames: int
    num_kept: int
    """Frames of these that an earlier run had made, before it was stopped."""
    notes: tuple[str, ...]
    """What became known on the way, for a person."""
    seconds: float
    busy_share: float
    """0..1: of the time from the first frame to the last, how much the model computed."""


class FilmStages:
    """Denoises films one after the other."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def run(
        self, loaded: LoadedFilm, clock: BusyClock, progress: FrameProgress | None, listener: Listener
    ) -> WrittenFilm:
        """Denoise and write the film, whole or not at all; what an earlier run has made of it is not made again.

        `clock` counts the model's time. `listener` is told at once what a person should know of what is kept.
        """
        start = time.perf_counter()
        job, film = loaded.job, loaded.film
        own = BusyClock()
        notes: list[str] = []
        with named_mistakes(job):
            folder = PartsFolder(job.target, _identity(loaded, self._request))
            for other in folder.others:
                listener(
                    f"{other} keeps frames of {job.target} made from another source or with other options; repeat "
                    "that command to go on with them, or remove the folder"
                )
            with (
                opened_film(film) as source,
                written_film(io.BytesIO(), source, loaded.encoder, loaded.container) as trial,
            ):
                # Nothing is computed for a container that cannot hold the film.
                notes += trial.notes
            with folder.held():
                num_kept = self._told_of_kept(loaded, folder, listener)
                try:
                    notes += self._compress(loaded, folder, own, clock, progress)
                    self._join(loaded, folder)
                except BaseException:
                    if num := folder.num_frames:
                        listener(
                            f"{job.source}: {num} frames are done and kept in {folder.path}; the same command goes on "
                            "from there"
                        )
                    raise
                num_frames = folder.num_frames
                folder.remove()
        return WrittenFilm(
            loaded=loaded,
            backend=loaded.denoiser.description_for(film.layout.height, film.layout.width),
            num_frames=num_frames,
            num_kept=num_kept,
            notes=tuple(f"{job.source}: {note}" for note in dict.fromkeys(notes)),
            seconds=time.perf_counter() - start,
            busy_share=own.busy_seconds / own.span_seconds if own.span_seconds else 1.0,
        )

    def _told_of_kept(self, loaded: LoadedFilm, folder: PartsFolder, listener: Listener) -> int:
        """How many frames an earlier run has made; a person is told."""
        source, num, total = loaded.job.source, folder.num_frames, loaded.film.num_frames
        if folder.has_damage:
            listener(f"{source}: what an earlier run kept is damaged from frame {num + 1} on and is made anew")
        if num:
            of = "" if total is None else f" of about {max(total, num)}"
            listener(f"{source}: continuing; {num}{of} frames were made by an earlier run")
        return num

    def _compress(
        self,
        loaded: LoadedFilm,
        folder: PartsFolder,
        own: BusyClock,
        clock: BusyClock,
        progress: FrameProgress | None,
    ) -> list[str]:
        """Make the parts that `folder` lacks, and say what became known on the way."""
        film = loaded.film
        notes: list[str] = []
        num_frames = folder.num_frames
        with (
            opened_film(film) as source,
            compressed_parts(folder, film, loaded.encoder, loaded.container) as compressor,
        ):
            stages = frame_stages(loaded, self._request.amount, compressor, notes.append)
            timed = replace(stages, work=clock.timed(own.timed(stages.work)))
            # What is averaged over time begins a little before.
            first = num_frames if loaded.steady_sigma is None else max(0, num_frames - FRAMES_REMEMBERED)
            # Closed before the last part ends: no thread still compresses.
            with closing(frame_by_frame(source.frames(first), timed)) as numbers:
                for number in numbers:
                    num_frames = max(num_frames, number + 1)
                    if progress is not None:
                        progress(num_frames, film.num_frames)
            notes += _lost(source)
        if num_frames == 0:
            raise UserError("damaged or truncated: not one picture could be decoded")
        return notes

    def _join(self, loaded: LoadedFilm, folder: PartsFolder) -> None:
        with (
            written_target(loaded.job.target, overwrite=self._request.overwrite) as temporary,
            opened_film(loaded.film) as source,
            written_film(temporary, source, loaded.encoder, loaded.container) as target,
        ):
            write_joined(folder.parts, source, target)


def _identity(loaded: LoadedFilm, request: Request) -> Mapping[str, object]:
    """All that the compressed pictures depend on."""
    film, encoder = loaded.film, loaded.encoder
    return {
        "source": dict(content_of(film.path)),
        "film": (film.layout, film.tags, film.time_base, film.rate, film.pixel_aspect, film.is_interlaced),
        "encoder": (encoder.library, encoder.format, encoder.crf, encoder.options, loaded.container),
        "model": sha256_of(model_file(loaded.model)),
        "amount": (loaded.level.sigma, request.amount.share, request.amount.chroma, request.ensemble),
        "over time": loaded.steady_sigma,
        "arithmetic": (request.backend, request.precision),
        "versions": versions(),
    }


def _lost(source: FilmSource) -> Iterator[str]:
    if num := source.num_damaged:
        yield f"damaged in {num} place{'s' if num > 1 else ''}, left out or patched up by the decoder"
    end = source.film.end
    if end is not None and end - source.end > max(_MISSING_SECONDS, _MISSING_SHARE * end):
        yield f"truncated: ends at {source.end:.1f} s of the {end:.1f} s that it announces"
