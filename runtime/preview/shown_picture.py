"""What a page shows of one picture, as encoded bytes: a reduced view of both sides, and parts of them at full size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..tiling.planner import Region, Span
from .changes import Extreme, Windows, all_windows, most_and_least, sampled_windows
from .encoded_image import EncodedImage, as_jpeg, as_png
from .picture_pair import PicturePair

if TYPE_CHECKING:
    from PIL import Image

LONGEST_VIEW = 1200
"""Pixels of the longer side of a reduced view."""
_NUM_OF_EACH = 2
_STRIP_PIXELS = 2**20
"""Reduced at a time."""
_VIEW_QUALITY = 90
"""JPEG's."""
_MOST_PROFILE_BYTES = 2**12
"""Of a colour profile, which every picture on the page repeats: cameras' and screens' are smaller, printers' larger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Appearance:
    """How the pixels of a file are meant to be seen."""

    orientation: int = 1
    """As EXIF counts: 1 upright, 6 to be turned right, and so on."""
    icc: bytes | None = None
    """Colour profile; None: sRGB."""

    @property
    def profile(self) -> bytes | None:
        """The colour profile if it is small enough to be repeated."""
        return self.icc if self.icc is not None and len(self.icc) <= _MOST_PROFILE_BYTES else None


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """The whole picture, reduced where it is large."""

    before: EncodedImage
    after: EncodedImage
    percent: float
    """Of the full size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Crop:
    """A part at full size."""

    extreme: Extreme
    before: EncodedImage
    after: EncodedImage


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownPicture:
    """Encoded bytes and figures; no pixels."""

    view: View | None
    """None: too large to be shown whole."""
    scale: int
    """How many times the model enlarged the picture."""
    crops: tuple[Crop, ...]
    """At least one; those with the most change first."""


def shown_picture(pair: PicturePair, appearance: Appearance) -> ShownPicture:
    """All of a picture, read in strips."""
    before, after = (
        as_jpeg(_upright(_reduced(pair, side), appearance.orientation), quality=_VIEW_QUALITY, icc=appearance.profile)
        for side in (pair.before, pair.after)
    )
    percent = 100 * max(before.width, before.height) / max(pair.whole)
    view = View(before=before, after=after, percent=percent)
    return ShownPicture(view=view, scale=pair.scale, crops=_crops(pair, all_windows(pair), appearance))


def sampled_picture(pair: PicturePair, appearance: Appearance) -> ShownPicture:
    """Parts of a picture that is too large to be shown whole."""
    return ShownPicture(view=None, scale=pair.scale, crops=_crops(pair, sampled_windows(pair), appearance))


def _crops(pair: PicturePair, windows: Windows, appearance: Appearance) -> tuple[Crop, ...]:
    return tuple(
        Crop(
            extreme=extreme,
            before=_exact(pair.before(extreme.region), appearance),
            after=_exact(pair.after(extreme.region), appearance),
        )
        for extreme in most_and_least(windows, num_of_each=_NUM_OF_EACH)
    )


def _reduced(pair: PicturePair, side: Callable[[Region], NDArray[np.uint8]]) -> "Image.Image":
    """One side, reduced to `LONGEST_VIEW`: by whole numbers in strips, the rest at once."""
    from PIL import Image

    longest = max(pair.whole)
    by = max(1, longest // LONGEST_VIEW)
    strip = by * max(1, _STRIP_PIXELS // (by * pair.width * pair.scale**2))
    strips = [
        np.asarray(Image.fromarray(side(Region(rows, Span(0, pair.width)))).reduce(by))
        # A strip's rows are a multiple of `by`, so reduced strips fit together.
        for rows in (Span(top, top + strip).clipped(pair.height) for top in range(0, pair.height, strip))
    ]
    image = Image.fromarray(np.concatenate(strips))
    factor = min(1, LONGEST_VIEW / longest)
    height, width = (max(1, round(factor * length)) for length in pair.whole)
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.LANCZOS)


def _exact(pixels: NDArray[np.uint8], appearance: Appearance) -> EncodedImage:
    """Without any loss: JPEG's own errors are as large as what a model changes where there is little noise."""
    from PIL import Image

    image = _upright(Image.fromarray(np.ascontiguousarray(pixels)), appearance.orientation)
    return as_png(image, icc=appearance.profile)


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
