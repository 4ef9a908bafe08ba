"""Open bytes with Pillow under our own limit on pixels, and the limit itself."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UserError

if TYPE_CHECKING:
    from PIL import Image


MOST_PIXELS = 2**29
"""537 megapixels: above every camera, below what a file of a few kilobytes made to fill the memory claims."""


_PILLOWS_LIMIT = threading.Lock()
"""Pillow's limit belongs to the whole process: one thread changes it at a time."""


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

    with _our_limit():
        image = Image.open(io.BytesIO(data), formats=[format])
        check_size(*image.size)
        if getattr(image, "n_frames", 1) > 1:
            raise UserError(
                f"holds {getattr(image, 'n_frames', 1)} pictures (animated or several pages); "
                "hinas writes one picture per file, split it first"
            )
    image.load()
    return image


def opened_series(data: bytes, format: str) -> "Image.Image":
    """`data` as `format` (Pillow's name), to be gone through by `seek`. Raises UserError for pictures too large."""
    from PIL import Image

    with _our_limit():
        image = Image.open(io.BytesIO(data), formats=[format])
    check_size(*image.size)
    return image


def header_of(path: Path) -> tuple[int, int, int]:
    """(width, height, channels) that the file claims. Nothing is decoded."""
    from PIL import Image

    with _our_limit(), Image.open(path) as image:
        return *image.size, len(image.getbands())


@contextmanager
def _our_limit() -> Iterator[None]:
    """Pillow refuses more than 179 megapixels, which cameras have; `check_size` has the say instead."""
    from PIL import Image

    with _PILLOWS_LIMIT:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def notes_on_rest(rest: bytes, signature: bytes) -> tuple[str, ...]:
    """What to tell a person of the bytes behind a picture; nothing of padding.

    `signature`: the first bytes of a file of the same format. Raises UserError where another picture begins.
    """
    if rest.lstrip(b"\0").startswith(signature):
        raise UserError("holds another picture behind the first; hinas writes one picture per file, split it first")
    if not rest.strip(b"\0"):
        return ()
    return (f"{len(rest)} bytes behind the picture (such as the video of a motion photo) were left out",)
