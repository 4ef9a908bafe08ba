"""What a file cannot take of a picture's metadata, by the names that people know."""

from .known_formats import Capacity
from .picture import Metadata


def lost_metadata(metadata: Metadata, capacity: Capacity) -> tuple[str, ...]:
    """The names of what a format of `capacity` does not hold."""
    blocks = {"EXIF": metadata.exif, "XMP": metadata.xmp, "colour profile": metadata.icc}
    names = [name for name, block in blocks.items() if block is not None and name not in capacity.metadata]
    return (*names, *_lost_density(metadata, capacity))


def _lost_density(metadata: Metadata, capacity: Capacity) -> tuple[str, ...]:
    """Pixels per inch, where they do not fit."""
    dpi = metadata.dpi
    # A density of 0 is none.
    if dpi is None or 0 in dpi or capacity.dpi is None or capacity.dpi.of(dpi) is not None:
        return ()
    return (_density_text(dpi),)


def _density_text(dpi: tuple[float, float]) -> str:
    horizontal, vertical = (f"{round(dots, 2):.12g}" for dots in dpi)
    return f"{horizontal} DPI" if horizontal == vertical else f"{horizontal}x{vertical} DPI"
