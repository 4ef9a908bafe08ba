"""What a file cannot take of a picture's metadata, by the names that people know."""

import math
import struct

from ...errors import UserError
from .exif.exif_block import directory_from
from .known_formats import Capacity
from .picture import Metadata

_OF_SCREENS = (72, 96)
"""Pixels per inch that programs and cameras state where nobody has chosen any: every telephone's JPEG does."""


def lost_metadata(metadata: Metadata, capacity: Capacity) -> tuple[str, ...]:
    """The names of what a format of `capacity` does not hold."""
    blocks = {"EXIF": metadata.exif, "XMP": metadata.xmp, "colour profile": metadata.icc}
    names = [name for name, block in blocks.items() if block is not None and name not in capacity.metadata]
    return (*names, *_lost_density(metadata, capacity))


def notes_on_gamma(metadata: Metadata, format: str) -> tuple[str, ...]:
    """What to tell a person of a gamma that no format but PNG holds."""
    if metadata.gamma is None:
        return ()
    return (
        f"the PNG's gamma ({metadata.gamma:.5g}) was left out, which {format} does not hold: the picture will look "
        "lighter or darker; write PNG, or convert it to sRGB first",
    )


def _lost_density(metadata: Metadata, capacity: Capacity) -> tuple[str, ...]:
    """Pixels per inch, where they do not fit or there is no place for them."""
    dpi = metadata.dpi
    # A density of 0 is none.
    if dpi is None or 0 in dpi:
        return ()
    if capacity.dpi is not None:
        return () if capacity.dpi.of(dpi) else (_density_text(dpi),)
    is_usual = any(_are_close(dpi, (usual, usual)) for usual in _OF_SCREENS)
    is_in_exif = "EXIF" in capacity.metadata and _is_stated_by(metadata.exif, dpi)
    return () if is_usual or is_in_exif else (_density_text(dpi),)


def _is_stated_by(exif: bytes | None, dpi: tuple[float, float]) -> bool:
    """Whether an EXIF block gives that density."""
    from .formats.tiff_files import dpi_of

    if exif is None:
        return False
    try:
        stated = dpi_of(directory_from(exif))
    except (UserError, struct.error, LookupError):
        return False  # a damaged block is copied and states nothing
    return stated is not None and _are_close(dpi, stated)


def _are_close(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Formats round a density: to whole pixels an inch, or a metre."""
    return all(math.isclose(*sides, abs_tol=0.5) for sides in zip(one, other, strict=True))


def _density_text(dpi: tuple[float, float]) -> str:
    horizontal, vertical = (f"{round(dots, 2):.12g}" for dots in dpi)
    return f"{horizontal} DPI" if horizontal == vertical else f"{horizontal}x{vertical} DPI"
