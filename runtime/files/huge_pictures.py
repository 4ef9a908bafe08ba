"""The formats whose pictures may be too large for the memory: TIFF and PNG, each to a file of its own kind."""

from contextlib import AbstractContextManager
from pathlib import Path

from ..amount import Amount
from ..backends.backend import Listener
from ..denoiser import Denoiser
from ..pictures.known_formats import source_format
from ..pictures.picture import Format
from ..tiling.pixel_values import Image
from ..tiling.stitching import Progress
from .huge_picture import HugePicture, Regions, sample_of
from .huge_png import HugePng, huge_png, opened_png, write_denoised_png
from .huge_tiff import HugeTiff, huge_tiff, opened_regions, write_denoised_tiff


def huge_picture(path: Path, format: Format, memory_bytes: int, *, scale: int) -> HugePicture | None:
    """`path` if it does not fit into `memory_bytes` with its result in `format`; None: to be read whole.

    Raises UserError where it neither fits nor can be streamed.
    """
    if not _holds(path, format):
        return None
    match format:
        case "TIFF":
            return huge_tiff(path, memory_bytes, scale=scale)
        case "PNG":
            return huge_png(path, memory_bytes, scale=scale)
        case _:
            return None


def _holds(path: Path, format: Format) -> bool:
    """Whether a file is of a format, by its content; False for what cannot be read, for reading it whole says why."""
    try:
        if not path.is_file():
            return False  # a pipe can be read once
        with path.open("rb") as file:
            return source_format(path, file.read(16)) == format
    except OSError:
        return False


def opened_huge(content: HugePicture, path: Path) -> AbstractContextManager[Regions]:
    """The file `path`, of the kind of `content`, to be read in parts."""
    return opened_png(path) if isinstance(content, HugePng) else opened_regions(path)


def sample_of_huge(content: HugePicture) -> list[Image]:
    """Blocks of pixels from all over the picture."""
    with opened_huge(content, content.path) as regions:
        return sample_of(regions)


def write_denoised(
    content: HugePicture,
    target: Path,
    denoiser: Denoiser,
    sigma: float | None,
    amount: Amount,
    *,
    progress: Progress | None,
    listener: Listener,
) -> None:
    """Denoise `content` to `target`, from top to bottom. `sigma`: as `Denoiser.bands` takes it."""
    match content:
        case HugePng():
            write_denoised_png(content, target, denoiser, sigma, amount, progress=progress, listener=listener)
        case HugeTiff():
            write_denoised_tiff(content, target, denoiser, sigma, amount, progress=progress, listener=listener)
