"""Denoise films, animations and TIFFs of several pages, one after the other: the work inside each is large enough."""

from collections.abc import Callable, Sequence
from functools import cached_property

from ....errors import UserError
from ...denoise_request import Request
from ...films.known_films import is_film
from ...pictures.series.series_formats import series_in
from ..picture_stages import Job
from ..pipeline import BusyClock
from ..reporting import Reporter
from .film_stages import FilmStages
from .loaded_film import FilmLoader
from .series_stages import SeriesStages


def is_sequence(job: Job) -> bool:
    """Whether a file holds more than one picture: a film by its name, anything else by its content."""
    return is_film(job.source) or is_film(job.target) or series_in(job.source) is not None


class Sequences:
    """Denoises sequences. Models are opened when the first one needs them."""

    def __init__(self, request: Request, reporter: Reporter, clock: BusyClock) -> None:
        self._request = request
        self._reporter = reporter
        self._clock = clock

    def denoise(self, job: Job) -> None:
        """Denoise one. Raises UserError for all that is wrong with it; then nothing is written."""
        reporter = self._reporter
        series = None if is_film(job.source) else series_in(job.source)
        if series is None:
            loaded = self._loader.load(job)
            reporter.notes(loaded.notes)
            with reporter.frames(job.source.name) as progress:
                film = self._films.run(loaded, self._clock, progress, reporter.note)
            reporter.film(film)
            return
        with reporter.frames(job.source.name) as progress:
            written = self._series.run(job, series, progress)
        reporter.series(written)

    def denoise_all(self, jobs: Sequence[Job], prepare: Callable[[Job], None]) -> list[Job]:
        """Denoise them in their order, and return those that failed; a failure is reported and does not stop the rest.

        `prepare` makes the folder of an output, or raises UserError.
        """
        if jobs and self._request.preview is not None:
            self._reporter.note(f"--preview shows single pictures alone; {len(jobs)} films or animations are not on it")
        failed: list[Job] = []
        for job in jobs:
            try:
                prepare(job)
                self.denoise(job)
            except UserError as error:
                failed.append(job)
                self._reporter.failure(job.source, str(error))
        return failed

    @cached_property
    def _loader(self) -> FilmLoader:
        return FilmLoader(self._request)

    @cached_property
    def _films(self) -> FilmStages:
        return FilmStages(self._request)

    @cached_property
    def _series(self) -> SeriesStages:
        return SeriesStages(self._request, self._clock)
