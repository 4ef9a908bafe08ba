"""Denoise films one after the other: within each, reading, computing and writing overlap."""

from collections.abc import Callable, Sequence

from ...errors import UserError
from ..denoise_request import Request
from .film_stages import FilmStages
from .picture_stages import Job
from .pipeline import BusyClock
from .reporting import Reporter


def denoise_film(job: Job, stages: FilmStages, reporter: Reporter, clock: BusyClock) -> None:
    """Denoise a film. Raises UserError for all that is wrong with it; then nothing is written."""
    loaded = stages.load(job)
    reporter.notes(loaded.notes)
    with reporter.frames(job.source.name) as progress:
        written = stages.run(loaded, clock, progress)
    reporter.film(written)


def denoise_films(
    jobs: Sequence[Job], request: Request, reporter: Reporter, clock: BusyClock, prepare: Callable[[Job], None]
) -> list[Job]:
    """Denoise films in their order, and return those that failed; a failure is reported and does not stop the others.

    `prepare` makes the folder of a film's output, or raises UserError.
    """
    if not jobs:
        return []
    if request.preview is not None:
        reporter.note(f"--preview shows pictures alone; {len(jobs)} films are not on the page")
    failed: list[Job] = []
    stages = FilmStages(request)
    for job in jobs:
        try:
            prepare(job)
            denoise_film(job, stages, reporter, clock)
        except UserError as error:
            failed.append(job)
            reporter.failure(job.source, str(error))
    return failed
