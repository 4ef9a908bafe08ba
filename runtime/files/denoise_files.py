"""Do what a request asks: a file to a file, or a folder to a folder with reading, computing and writing overlapped."""

import os
from contextlib import closing
from pathlib import Path

from ...errors import UserError
from ..denoise_request import Request
from ..memory.memory_budget import working_bytes
from ..pictures.image_files import OTHER_SUFFIXES, SUFFIXES
from .picture_stages import Denoised, Job, Loaded, PictureStages, Written
from .pipeline import BusyClock, Limits, Stages, overlapped
from .reporting import FolderSummary, Reporter
from .run_preview import RunPreview, check_preview

_PICTURES_SHARE = 4
"""One part in this many of the memory is for pictures under way, the rest for the network."""
_MOST_WRITERS = 8


def denoise_folder(request: Request, reporter: Reporter) -> None:
    """Denoise the pictures below the folder `request.source` in their order; results land as they finish.

    Raises UserError at the end where pictures failed, naming them; the others are written.
    """
    jobs = _jobs(request.source, request.target, reporter)
    check_preview(request, jobs)
    skipped = [job for job in jobs if request.skip_existing and job.target.exists()]
    for job in skipped:
        reporter.skipped(job.source, job.target)
    is_skipped = {job.target for job in skipped}
    to_do = [job for job in jobs if job.target not in is_skipped]
    preview = RunPreview(request, to_do)
    clock = BusyClock()
    failed: list[Job] = []
    with reporter.pictures(len(to_do)) as progress:
        reserved = max(0, working_bytes(request.memory_bytes, output_bytes=0)) // _PICTURES_SHARE
        stages = PictureStages(request, reserved_bytes=reserved)

        def load(job: Job) -> Loaded:
            if job.source.suffix.lower() in OTHER_SUFFIXES:
                raise UserError(f"{job.source}: hinas writes {', '.join(SUFFIXES)}; convert it to one of them first")
            try:
                job.target.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"{job.target.parent}: cannot create the folder ({error.strerror})") from error
            if not job.target.parent.resolve().is_relative_to(request.target.resolve()):
                raise UserError(
                    f"{job.target.parent}: a link that leads out of {request.target}; nothing is written there"
                )
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
    preview.finish(reporter, num_skipped=len(skipped))
    reporter.summary(
        FolderSummary(
            num_written=len(to_do) - len(failed),
            num_skipped=len(skipped),
            num_failed=len(failed),
            busy_seconds=clock.busy_seconds,
            span_seconds=clock.span_seconds,
        )
    )
    if failed:
        names = "\n".join(f"  {job.source}" for job in failed)
        raise UserError(f"{len(failed)} of {len(to_do)} pictures failed, the others are written:\n{names}")


def _jobs(source: Path, target: Path, reporter: Reporter) -> list[Job]:
    """Every picture below the folder `source`, sorted; other files get a word."""
    if target.exists() and not target.is_dir():
        raise UserError(f"{target}: is a file, but {source} is a folder; give a folder to write to")
    outputs = target.resolve()

    def is_own_output(file: Path) -> bool:
        """A target inside the source must not be read as input on a second run."""
        return outputs != source.resolve() and outputs in file.resolve().parents

    jobs: list[Job] = []
    skipped: list[Path] = []
    for file in sorted(source.rglob("*")):
        # Hidden files are other programs' notes on pictures, or what a killed run left.
        if not file.is_file() or file.name.startswith(".") or is_own_output(file):
            continue
        if file.suffix.lower() in (*SUFFIXES, *OTHER_SUFFIXES):
            jobs.append(Job(file, target / file.relative_to(source)))
        else:
            skipped.append(file)
    if skipped:
        named = ", ".join(str(file.relative_to(source)) for file in skipped[:5])
        more = f" and {len(skipped) - 5} more" if len(skipped) > 5 else ""
        reporter.note(f"skipped, not pictures by their names: {named}{more}")
    if not jobs:
        raise UserError(f"{source}: no pictures in this folder (looked for {', '.join(SUFFIXES)})")
    return jobs


def denoise_files(request: Request, reporter: Reporter) -> None:
    """Do what `request` asks. Raises UserError: at once for a single file, at the end for a folder's failures."""
    if request.overwrite and request.skip_existing:
        raise UserError("--overwrite replaces pictures that exist and --skip-existing leaves them: give one of them")
    if not request.source.exists():
        raise UserError(f"{request.source}: no such file or folder")
    if request.source.is_dir():
        denoise_folder(request, reporter)
        return
    target = request.target / request.source.name if request.target.is_dir() else request.target
    job = Job(request.source, target)
    check_preview(request, [job])
    preview = RunPreview(request, [job])
    if request.skip_existing and target.exists():
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
