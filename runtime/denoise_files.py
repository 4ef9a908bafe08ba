"""Denoise a file to a file, or every picture of a folder to a folder of the same shape."""

from ..errors import UserError
from .picture_stages import Job, PictureStages, heard_warnings
from .reporting import Reporter
from .request import Request


def denoise_files(request: Request, reporter: Reporter) -> None:
    """Do what `request` asks. Raises UserError: at once for a single file, at the end for a folder's failures."""
    if request.overwrite and request.skip_existing:
        raise UserError("--overwrite replaces pictures that exist and --skip-existing leaves them: give one of them")
    if not request.source.exists():
        raise UserError(f"{request.source}: no such file or folder")
    if request.source.is_dir():
        from .folder_run import denoise_folder

        denoise_folder(request, reporter)
        return
    target = request.target / request.source.name if request.target.is_dir() else request.target
    job = Job(request.source, target)
    if request.skip_existing and target.exists():
        reporter.skipped(job.source, job.target)
        return
    with heard_warnings() as heard:
        stages = PictureStages(request, heard=heard)
        loaded = stages.load(job)
        reporter.notes(loaded.notes)
        with reporter.tiles(job.source.name) as progress:
            denoised = stages.denoise(loaded, progress)
        reporter.written(stages.write(denoised))
