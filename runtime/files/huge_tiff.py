"""A TIFF too large for the memory: its result is written band by band as it is made."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ..amount import Amount
from ..backends.backend import Listener
from ..denoiser import Denoiser
from ..pictures.damage import damage_is_the_users
from ..pictures.exif.size_tags import directory_of_size
from ..pictures.formats.tiff_files import MOST_CLASSIC_BYTES, TiffDetails, add_tags, details_of, storage_options
from ..pictures.formats.tiff_pages import can_be_read_in_parts, checked_page, notes_of
from ..pictures.formats.tiff_regions import TiffRegions
from ..pictures.pillow_files import MOST_PIXELS
from ..tiling.pixel_values import Image
from ..tiling.stitching import Progress
from .huge_picture import HugePicture, SourceRows, note_on_bands

_MOST_PIXELS = 2**36
"""69 gigapixels: above every scanner, below what a damaged header claims."""
_MOST_BYTES_AT_ONCE = 2**28
"""Of tiles or strips that can only be decoded whole."""
_COPIES_OF_RESULT = 2
"""Of a picture that is not streamed, beside its pixels: the result, and what the encoder makes of it."""
_TILE_SIDE = 256
_ENCODED_AT_ONCE = 2**25


class HugeTiff(HugePicture):
    """A TIFF that can be streamed."""


def huge_tiff(path: Path, memory_bytes: int, *, scale: int = 1) -> HugeTiff | None:
    """The TIFF `path` if it does not fit into `memory_bytes` with its result; None: to be read whole.

    `scale`: how many times as high and wide the result is. Raises UserError where it neither fits nor can be streamed.
    """
    with _opened(path) as (page, _):
        num_pixels = page.imagewidth * page.imagelength
        decoded_bytes = num_pixels * page.samplesperpixel * max(1, page.bitspersample // 8)
        needed = path.stat().st_size + (1 + _COPIES_OF_RESULT * scale**2) * decoded_bytes
        is_read_whole = needed <= memory_bytes or not can_be_read_in_parts(page)
        if num_pixels <= MOST_PIXELS and is_read_whole:
            return None
        if not 0 < num_pixels <= _MOST_PIXELS:
            raise UserError(f"the file claims {page.imagewidth}x{page.imagelength} pixels; damaged")
        regions = TiffRegions(page)
        if regions.most_bytes_at_once > _MOST_BYTES_AT_ONCE:
            raise UserError(
                f"{regions.width}x{regions.height} pixels do not fit into the memory allowed, and "
                f"{regions.segment_text} cannot be decoded in parts; save it in tiles first, or allow more memory"
            )
        return HugeTiff(
            path=path,
            height=regions.height,
            width=regions.width,
            is_colour=regions.is_colour,
            bits=regions.dtype.itemsize * 8,
            notes=(note_on_bands(num_pixels), *notes_of(page)),
        )


@contextmanager
def opened_regions(path: Path) -> Iterator[TiffRegions]:
    """The TIFF `path`, to be read in parts."""
    with _opened(path) as (page, _):
        yield TiffRegions(page)


def write_denoised_tiff(
    huge: HugeTiff,
    target: Path,
    denoiser: Denoiser,
    sigma: float | None,
    amount: Amount,
    *,
    progress: Progress | None,
    listener: Listener,
) -> None:
    """Denoise `huge` to the TIFF `target` in tiles, from top to bottom. `sigma`: as `Denoiser.bands` takes it."""
    import tifffile

    scale = denoiser.manifest.scale
    height, width = huge.height * scale, huge.width * scale
    with _opened(huge.path) as (page, details):
        regions = TiffRegions(page)
        rows = SourceRows(regions, scale)
        tile = (page.tilelength, page.tilewidth) if page.is_tiled else (_TILE_SIDE, _TILE_SIDE)
        if any(side % 16 for side in tile):  # TIFF's rule, which not every program keeps
            tile = (_TILE_SIDE, _TILE_SIDE)
        bands = (
            rows.with_alpha(kept, pixels)
            for kept, pixels in denoiser.bands(rows, sigma, amount, progress=progress, listener=listener)
        )
        num_channels = (3 if regions.is_colour else 1) + regions.has_alpha
        is_big = height * scale * regions.bytes_per_row > MOST_CLASSIC_BYTES
        with tifffile.TiffWriter(target, byteorder="<", bigtiff=is_big) as writer:
            writer.write(
                tiles_of(bands, tile),
                shape=(height, width) if num_channels == 1 else (height, width, num_channels),
                dtype=regions.dtype,
                tile=tile,
                # tifffile would collect 512 MiB of tiles before it encodes the first.
                buffersize=_ENCODED_AT_ONCE,
                **storage_options(details, is_colour=regions.is_colour, has_alpha=regions.has_alpha),
            )
    with target.open("r+b") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        add_tags(file, data, details.tags if scale == 1 else directory_of_size(details.tags, width, height))


def tiles_of(bands: Iterator[Image], tile: tuple[int, int]) -> Iterator[Image]:
    """(height, width, C) tiles in reading order, of bands (any number of rows, W, C); filled up with zeros."""
    height, width = tile
    waiting: Image | None = None
    for band in bands:
        waiting = band if waiting is None else np.concatenate([waiting, band])
        whole = len(waiting) // height * height
        for top in range(0, whole, height):
            yield from _tiles_across(waiting[top : top + height], height, width)
        waiting = waiting[whole:].copy()
    if waiting is not None and len(waiting):
        yield from _tiles_across(waiting, height, width)


def _tiles_across(rows: Image, height: int, width: int) -> Iterator[Image]:
    for left in range(0, rows.shape[1], width):
        part = rows[:, left : left + width]
        missing = ((0, height - part.shape[0]), (0, width - part.shape[1]), (0, 0))
        yield np.pad(part, missing) if any(after for _, after in missing) else np.ascontiguousarray(part)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, TiffDetails]]:
    """tifffile's page, and what is kept of it."""
    import tifffile

    with path.open("rb") as file:
        with damage_is_the_users():
            page = checked_page(tifffile.TiffFile(file))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                details = details_of(page, data)
        yield page, details
