"""A PNG too large for the memory: its result is written band by band as it is made."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import UserError
from ..amount import Amount
from ..backends.backend import Listener
from ..denoiser import Denoiser
from ..pictures.damage import damage_is_the_users
from ..pictures.formats.png.png_files import chunks_of_size, ihdr_of
from ..pictures.formats.png.png_regions import PngRegions, write_png_bands
from ..tiling.stitching import Progress
from .huge_picture import HugePicture, SourceRows, note_on_bands

_COPIES_OF_FILE = 2
"""Of the packed pixels while a picture is read whole: the file, and its chunks."""
_LEAST_BYTES = 2**26
"""Pictures that take less are read whole: bands, and what goes with them, would take more."""
_COPIES_OF_RESULT = 5
"""Of a picture that is not streamed, beside its pixels: the result, its bytes in order, filtered, packed and joined."""


class HugePng(HugePicture):
    """A PNG that can be streamed."""


def huge_png(path: Path, memory_bytes: int, *, scale: int = 1) -> HugePng | None:
    """The PNG `path` if it does not fit into `memory_bytes` with its result; None: to be read whole.

    `scale`: how many times as high and wide the result is. Interlaced pictures and palettes are always read whole.
    """
    try:
        with opened_png(path) as regions:
            decoded_bytes = regions.bytes_per_row * regions.height if regions.can_be_streamed else 0
            needed = _COPIES_OF_FILE * path.stat().st_size + (1 + _COPIES_OF_RESULT * scale**2) * decoded_bytes
            if decoded_bytes == 0 or needed <= max(memory_bytes, _LEAST_BYTES):
                return None
            return HugePng(
                path=path,
                height=regions.height,
                width=regions.width,
                is_colour=regions.is_colour,
                bits=regions.header.depth,
                notes=(note_on_bands(regions.height * regions.width), *regions.notes),
            )
    except UserError:
        return None  # reading it whole says why


@contextmanager
def opened_png(path: Path) -> Iterator[PngRegions]:
    """The PNG `path`, to be read in parts."""
    with path.open("rb") as file:
        with damage_is_the_users():
            regions = PngRegions(file)
        yield regions


def write_denoised_png(
    huge: HugePng,
    target: Path,
    denoiser: Denoiser,
    sigma: float | None,
    amount: Amount,
    *,
    progress: Progress | None,
    listener: Listener,
) -> None:
    """Denoise `huge` to the PNG `target` from top to bottom. `sigma`: as `Denoiser.bands` takes it."""
    scale = denoiser.manifest.scale
    height, width = huge.height * scale, huge.width * scale
    with opened_png(huge.path) as regions:
        rows = SourceRows(regions, scale)
        num_channels = (3 if regions.is_colour else 1) + regions.has_alpha
        carried = regions.chunks if scale == 1 else chunks_of_size(regions.chunks, width, height)
        bands = (
            rows.with_alpha(kept, pixels)
            for kept, pixels in denoiser.bands(rows, sigma, amount, progress=progress, listener=listener)
        )
        write_png_bands(target, [(b"IHDR", ihdr_of(width, height, num_channels, regions.dtype)), *carried], bands)
