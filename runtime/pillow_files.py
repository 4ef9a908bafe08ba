"""Open bytes with Pillow under our own limit on pixels, and the limit itself."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 2**29
"""537 megapixels: above every camera, below what a file of a few kilobytes made to fill the memory claims."""


def check_size(width: int, height: int) -> None:
    """Raise UserError for pictures without pixels or with more than `MOST_PIXELS`."""
    if width < 1 or height < 1:
        raise UserError(f"the file claims {width}x{height} pixels; damaged")
    if width * height > MOST_PIXELS:
        raise UserError(
            f"the file claims {width}x{height} pixels; hinas reads at most {MOST_PIXELS // 10**6} megapixels"
        )


def opened(data: bytes, format: str) -> "Image.Image":
    """`data` decoded as `format` (Pillow's name). Raises UserError for pictures too large, or several in one file."""
    from PIL import Image

    with _without_pillows_limit(), warnings.catch_warnings():
        # About tags of damaged EXIF blocks, which are copied as they are.
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data), formats=[format])
        check_size(*image.size)
        if getattr(image, "n_frames", 1) > 1:
            raise UserError(
                f"holds {getattr(image, 'n_frames', 1)} pictures (animated or several pages); "
                "hinas writes one picture per file, split it first"
            )
        image.load()
    return image


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    """Pillow refuses more than 179 megapixels, which cameras have; `check_size` has the say instead."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit
