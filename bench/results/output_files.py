"""The folder of results: what is written into it."""

from collections.abc import Sequence
from pathlib import Path

from ...errors import UserError
from ..projection.gpu_projections import ProjectedCandidate, write_rooflines
from ..quality.measure_quality import ImageScore, write_scores
from ..quality.sample_pictures import SamplePicture
from ..report.pictures import write_pictures
from ..report.report import write_report
from .results import Results, write_results, write_results_csv


def make_folder(folder: Path) -> None:
    """Make the folder for the results; UserError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserError(f"--out {folder}: a file of that name is in the way; give a folder") from error
    except OSError as error:
        raise UserError(f"--out {folder}: cannot make this folder ({error.strerror})") from error


def write_outputs(
    results: Results,
    scores: Sequence[ImageScore],
    samples: Sequence[SamplePicture],
    projected: Sequence[ProjectedCandidate],
    sizes: Sequence[str],
    out: Path,
) -> tuple[Path, ...]:
    """Write everything; returns the files, results.json first."""
    files = [out / name for name in ("results.json", "results.csv", "report.html")]
    write_results(results, files[0])
    write_results_csv(results, files[1])
    if scores:
        files.append(out / "quality.csv")
        write_scores(scores, files[-1])
    charts = [*write_pictures(results, sizes, out), *write_rooflines(projected, out)]
    write_report(results, files[2], size=sizes[0], charts=charts, samples=samples)
    # The papers draw both; one is enough for the report.
    return (*files, *charts, *write_pictures(results, sizes[:1], out, quality="ssim"))
