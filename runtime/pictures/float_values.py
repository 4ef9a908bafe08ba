"""Floating-point pixels: networks know 0..1 alone, and what lies beyond it is carried around them."""

import numpy as np

from ...errors import UserError
from .picture import Image

_MOST_BEYOND = 0.25
"""Share of the values: above it 0 and 1 are hardly black and white."""


def values_within(pixels: Image) -> tuple[Image, Image | None, tuple[str, ...]]:
    """`pixels` (float32) cut to 0..1, what they exceed that by (None: nothing), and notes for a person.

    Raises UserError for values that are not finite, and where 0 and 1 cannot be black and white.
    """
    if not np.isfinite(pixels).all():
        raise UserError("holds values that are not finite (NaN or infinity); replace them first")
    within = np.clip(pixels, 0, 1)
    share = np.count_nonzero(within != pixels) / pixels.size
    if share == 0:
        return within, None, ()
    ends = f"from {pixels.min():g} to {pixels.max():g}"
    if share > _MOST_BEYOND:
        raise UserError(
            f"{share:.0%} of its values lie outside 0..1 ({ends}); hinas takes 0 as black and 1 as white: "
            "scale the values first"
        )
    note = f"some values lie outside 0..1 ({ends}): what they exceed it by stays, what lies within is denoised"
    return within, pixels - within, (note,)
