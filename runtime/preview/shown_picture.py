"""What a page shows of one picture, as encoded bytes: a reduced view of both sides, and parts of them at full size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..tiling.planner import Region, Span
from .changes import Extreme, Windows, all_windows, most_and_least, sampled_windows
from .encoded_image import EncodedImage, as_jpeg
from .picture_pair import PicturePair

if TYPE_CHECKING:
    from PIL import Image

LONGEST_VIEW = 1200
"""Pixels of the longer side of a reduced view."""
_NUM_OF_EACH = 2
_STRIP_ROWS = 64
"""Of a reduced view, made at a time."""
_MOST_PROFILE_BYTES = 2**12
"""Of a colour profile, which every picture on the page repeats: cameras' and screens' are smaller, printers' larger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Appearance:
    """How the pixels of a file are meant to be seen."""

    orientation: int = 1
    """As EXIF counts: 1 upright, 6 to be turned right, and so on."""
    icc: bytes | None = None
    """Colour profile; None: sRGB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Crop:
    """A part at full size."""

    extreme: Extreme
    before: EncodedImage
    after: EncodedImage


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownPicture:
    """Encoded bytes and figures; no pixels."""

    view: tuple[EncodedImage, EncodedImage] | None
    """Before and after; None: too large to be shown whole."""
    percent: float
    """Of the full size, at which the view is shown."""
    scale: int
    """How many times the model enlarged the picture."""
    crops: tuple[Crop, ...]
    """At least one; those with the most change first."""


def shown_picture(pair: PicturePair, appearance: Appearance) -> ShownPicture:
    """All of a picture, read in strips."""
    view = _view(pair, pair.before), _view(pair, pair.after)
    encoded = tuple(_encoded(image, appearance, quality=80) for image in view)
    percent = 100 * max(view[0].size) / max(pair.whole)
    return _shown(pair, all_windows(pair), appearance, view=(encoded[0], encoded[1]), percent=percent)


def sampled_picture(pair: PicturePair, appearance: Appearance) -> ShownPicture:
    """Parts of a picture that is too large to be shown whole."""
    return _shown(pair, sampled_windows(pair), appearance, view=None, percent=100)


def _shown(
    pair: PicturePair,
    windows: Windows,
    appearance: Appearance,
    *,
    view: tuple[EncodedImage, EncodedImage] | None,
    percent: float,
) -> ShownPicture:
    crops = [
        Crop(
            extreme=extreme,
            before=_encoded_crop(pair.before(extreme.region), appearance),
            after=_encoded_crop(pair.after(extreme.region), appearance),
        )
        for extreme in most_and_least(windows, num_of_each=_NUM_OF_EACH)
    ]
    return ShownPicture(view=view, percent=percent, scale=pair.scale, crops=tuple(crops))


def _view(pair: PicturePair, side: Callable[[Region], NDArray[np.uint8]]) -> "Image.Image":
    """One side, reduced to `LONGEST_VIEW`: by whole numbers in strips, the rest at once."""
    from PIL import Image

    longest = max(pair.whole)
    by = max(1, longest // LONGEST_VIEW)
    strip = _STRIP_ROWS * by
    strips = [
        np.asarray(Image.fromarray(side(Region(rows, Span(0, pair.width)))).reduce(by))
        # A strip's rows are a multiple of `by`, so reduced strips fit together.
        for rows in (Span(top, top + strip).clipped(pair.height) for top in range(0, pair.height, strip))
    ]
    image = Image.fromarray(np.concatenate(strips))
    factor = min(1, LONGEST_VIEW / longest)
    height, width = (max(1, round(factor * length)) for length in pair.whole)
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.LANCZOS)


def _encoded_crop(pixels: NDArray[np.uint8], appearance: Appearance) -> EncodedImage:
    from PIL import Image

    # So little is lost that the noise looks as it is; without any loss a page would be twice as large.
    return _encoded(Image.fromarray(np.ascontiguousarray(pixels)), appearance, quality=92)


def _encoded(image: "Image.Image", appearance: Appearance, *, quality: int) -> EncodedImage:
    icc = appearance.icc if appearance.icc and len(appearance.icc) <= _MOST_PROFILE_BYTES else None
    return as_jpeg(_upright(image, appearance.orientation), quality=quality, icc=icc)


def _upright(image: "Image.Image", orientation: int) -> "Image.Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image
