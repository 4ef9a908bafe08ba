"""Do what a request asks: a file to a file, or many to a folder with reading, computing and writing overlapped."""

import os
from contextlib import closing

from ...errors import UserError
from ..denoise_request import Request
from ..films.known_films import is_film
from ..memory.memory_budget import working_bytes
from ..pictures.known_formats import OTHER_SUFFIXES, SUFFIXES
from .folder_listing import FolderListing, listed, pictures_below
from .output_folders import empty_ones_removed, make_folder_of, tidy
from .picture_stages import Denoised, Job, Loaded, PictureStages, Written
from .pipeline import BusyClock, Limits, Stages, overlapped
from .reporting import FolderSummary, Reporter
from .run_preview import RunPreview, check_preview
from .sequences.denoise_sequences import Sequences, is_sequence

_PICTURES_SHARE = 4
"""One part in this many of the memory is for pictures under way, the rest for the network."""
_MOST_WRITERS = 8


def denoise_folder(request: Request, reporter: Reporter) -> None:
    """Denoise the pictures asked for below the folder `request.source`, then films, animations and pages.

    Results land as they finish.

    Raises UserError at the end where some failed or folders could not be read, naming them; the others are written.
    """
    if request.files is None:
        listing = pictures_below(request.source, request.target)
    else:
        listing = listed(request.files, {}, nothing="no pictures or films among the files given")
    reporter.notes(listing.notes(request.source))
    for folder, reason in listing.unreadable.items():
        reporter.failure(folder, reason)
    found = [
        Job(file, request.target / file.relative_to(request.source)) for file in (*listing.pictures, *listing.films)
    ]
    with empty_ones_removed({job.target.parent for job in found}, below=request.target):
        _denoise_found(found, listing, request, reporter)


def _denoise_found(found: list[Job], listing: FolderListing, request: Request, reporter: Reporter) -> None:
    """Denoise what was found in a folder. Raises UserError as `denoise_folder`."""
    sequences = [job for job in found if is_sequence(job)]
    of_sequences = {job.target for job in sequences}
    jobs = [job for job in found if job.target not in of_sequences]
    tidy({job.target.parent for job in (*jobs, *sequences)}, reporter)
    check_preview(request, jobs)
    skipped = [job for job in (*jobs, *sequences) if request.skip_existing and job.target.exists()]
    for job in skipped:
        reporter.skipped(job.source, job.target)
    is_skipped = {job.target for job in skipped}
    to_do = [job for job in jobs if job.target not in is_skipped]
    sequences_to_do = [job for job in sequences if job.target not in is_skipped]
    preview = RunPreview(request, to_do)
    clock = BusyClock()
    failed: list[Job] = []

    def prepare(job: Job) -> None:
        make_folder_of(job.target, request.target)

    with reporter.pictures(len(to_do)) as progress:
        reserved = max(0, working_bytes(request.memory_bytes, output_bytes=0)) // _PICTURES_SHARE
        stages = PictureStages(request, reserved_bytes=reserved)

        def load(job: Job) -> Loaded:
            prepare(job)
            return stages.load(job)

        def denoise(loaded: Loaded) -> Denoised:
            reporter.notes(loaded.notes)
            return stages.denoise(loaded, progress.tiles_of(loaded.job.source.name))

        def write(denoised: Denoised) -> Written:
            written = stages.write(denoised)
            preview.add(written)
            return written

        cores = os.cpu_count() or 1
        outcomes = overlapped(
            to_do,
            Stages(load=load, work=clock.timed(denoise), store=write, cost=stages.held_bytes),
            Limits(
                num_loading=max(1, min(cores, _MOST_WRITERS) // 2),
                num_storing=max(1, min(cores, _MOST_WRITERS)),
                capacity=reserved,
            ),
            failures=UserError,
        )
        # Closed whatever happens: no thread is left running.
        with closing(outcomes):
            for outcome in outcomes:
                if outcome.stored is not None:
                    reporter.written(outcome.stored)
                else:
                    failed.append(outcome.job)
                    preview.add_failure(outcome.job.source, str(outcome.failure))
                    reporter.failure(outcome.job.source, str(outcome.failure))
                progress.advance()
    failed += Sequences(request, reporter, clock).denoise_all(sequences_to_do, prepare)
    preview.finish(reporter, num_skipped=len(skipped))
    num_to_do = len(to_do) + len(sequences_to_do)
    reporter.summary(
        FolderSummary(
            num_written=num_to_do - len(failed),
            num_skipped=len(skipped),
            num_failed=len(failed),
            busy_seconds=clock.busy_seconds,
            span_seconds=clock.span_seconds,
        )
    )
    if failures := _failures_text(failed, num_to_do, listing, has_films=bool(listing.films)):
        raise UserError(failures)


def _failures_text(failed: list[Job], num_to_do: int, listing: FolderListing, *, has_films: bool) -> str | None:
    """What a person is told at the end, with the names; None where nothing failed."""
    counts: list[str] = []
    if failed:
        counts.append(f"{len(failed)} of {num_to_do} pictures {'and films ' if has_films else ''}failed")
    if listing.unreadable:
        num = len(listing.unreadable)
        counts.append(f"{num} folder{'s' if num > 1 else ''} could not be read")
    if not counts:
        return None
    names = "\n".join(f"  {path}" for path in (*(job.source for job in failed), *listing.unreadable))
    return f"{' and '.join(counts)}, the others are written:\n{names}"


def denoise_files(request: Request, reporter: Reporter) -> None:
    """Do what `request` asks. Raises UserError: at once for a single file, at the end for a folder's failures."""
    if request.overwrite and request.skip_existing:
        raise UserError("--overwrite replaces files that exist and --skip-existing leaves them: give one of them")
    if request.source.is_dir():
        denoise_folder(request, reporter)
        return
    try:
        _denoise_file(request, reporter)
    except UserError as error:
        reporter.refused(request.source, str(error))
        raise


def _denoise_file(request: Request, reporter: Reporter) -> None:
    if not request.source.exists():
        raise UserError(f"{request.source}: no such file or folder")
    target = request.target / request.source.name if request.target.is_dir() else request.target
    job = Job(request.source, target)
    if is_sequence(job):
        _denoise_sequence(job, request, reporter)
    else:
        _denoise_picture(job, request, reporter)


def _denoise_picture(job: Job, request: Request, reporter: Reporter) -> None:
    check_preview(request, [job])
    tidy({job.target.parent}, reporter)
    preview = RunPreview(request, [job])
    if request.skip_existing and job.target.exists():
        reporter.skipped(job.source, job.target)
        preview.finish(reporter, num_skipped=1)
        return
    stages = PictureStages(request)
    loaded = stages.load(job)
    reporter.notes(loaded.notes)
    with reporter.tiles(job.source.name) as progress:
        denoised = stages.denoise(loaded, progress)
    written = stages.write(denoised)
    reporter.written(written)
    preview.add(written)
    preview.finish(reporter, num_skipped=0)


def _denoise_sequence(job: Job, request: Request, reporter: Reporter) -> None:
    if request.preview is not None:
        raise UserError(f"--preview {request.preview}: shows single pictures alone; leave it out")
    if is_film(job.target) and job.source.suffix.lower() in (*SUFFIXES, *OTHER_SUFFIXES):
        raise UserError(f"{job.source}: is a picture by its name, and {job.target} a film; give a picture to write")
    tidy({job.target.parent}, reporter)
    if request.skip_existing and job.target.exists():
        reporter.skipped(job.source, job.target)
        return
    Sequences(request, reporter, BusyClock()).denoise(job)
