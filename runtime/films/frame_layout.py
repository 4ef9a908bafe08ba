"""How the frames of a film hold their pixels: planes, depth, range and the matrix between RGB and what is stored.

Shapes: planes (H, W) of luma or of R, G, B; colour planes may have half the width and the height, rounded up.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...errors import UserError

Kind = Literal["grey", "yuv", "rgb"]

_PLANAR = re.compile(r"(gray|yuva?j?4(?:20|22|44)p|gbra?p)(9|10|12|14|16)?(le)?")
_SHIFTS = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}
# Other orders of the same values, and colours sampled in ways that no encoder here takes.
_TWINS = {
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "p010le": "yuv420p10le",
    "p210le": "yuv422p10le",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yuv411p": "yuv444p",
    "yuv410p": "yuv444p",
    "yuv440p": "yuv444p",
    "rgb24": "gbrp",
    "bgr24": "gbrp",
    "rgb0": "gbrp",
    "bgr0": "gbrp",
    "0rgb": "gbrp",
    "0bgr": "gbrp",
    "pal8": "gbrp",
    "rgba": "gbrap",
    "bgra": "gbrap",
    "argb": "gbrap",
    "abgr": "gbrap",
}
_FULL_RANGE = 2
"""FFmpeg's number of a range from black at 0 to white at the highest level."""
# Kr and Kb of ITU-T H.273, by the numbers of its matrices.
_MATRICES = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
_HIGH_DEFINITION = 720
"""Rows from which films without a tag are taken to use BT.709; smaller ones BT.601, as players do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameLayout:
    """What the planes of a film's frames mean."""

    format: str
    """FFmpeg's name of the planar format that frames are brought to, without a change of values."""
    kind: Kind
    width: int
    """Pixels of a whole plane."""
    height: int
    bits: int
    """Per value: 8 to 16."""
    shifts: tuple[int, int]
    """Of the colour planes: (columns, rows) to the power of 2 that share a value."""
    is_full_range: bool
    """Whether black is 0 and white the highest level; else 16 and 235 of 8 bits, and their like."""
    luma_weights: tuple[float, float]
    """Of red and of blue; of green what is missing to 1."""
    has_colour: bool = True
    """Whether the colour planes hold any colour; else they are copied, and the film is grey."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the planes."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def white(self) -> int:
        """The highest level."""
        return 2**self.bits - 1

    @property
    def num_changed(self) -> int:
        """The planes, from the first one on, that denoising changes; opacity and empty colours are copied."""
        return 3 if self.is_colour else 1

    @property
    def is_colour(self) -> bool:
        """Whether the network is given RGB."""
        return self.kind != "grey" and self.has_colour

    def plane_shape(self, index: int) -> tuple[int, int]:
        """(rows, columns) of a plane."""
        if self.kind != "yuv" or index not in (1, 2):
            return self.height, self.width
        across, down = self.shifts
        return -(-self.height // 2**down), -(-self.width // 2**across)


def layout_of(
    format: str, width: int, height: int, *, range_code: int, matrix_code: int, is_full_by_default: bool = False
) -> FrameLayout:
    """The layout of frames in FFmpeg's pixel `format`, with the numbers of their range and matrix.

    Raises UserError for formats that are not taken.
    """
    planar = _TWINS.get(format, format)
    planar = f"{planar[:-2]}le" if planar.endswith("be") else planar
    match = _PLANAR.fullmatch(planar)
    if match is None:
        raise UserError(f"its pixels are of the kind {format}, which hinas does not take; convert it to yuv420p first")
    name = match[1]
    kind: Kind = "grey" if name == "gray" else "rgb" if name.startswith("gbr") else "yuv"
    default = _MATRICES[1] if height >= _HIGH_DEFINITION else _MATRICES[6]
    is_full = range_code == _FULL_RANGE or "j4" in name or kind == "rgb"
    return FrameLayout(
        # The j says in an old way that the range is full.
        format=planar.replace("yuvj", "yuv"),
        kind=kind,
        width=width,
        height=height,
        bits=int(match[2] or 8),
        shifts=_SHIFTS[name[-4:-1]] if kind == "yuv" else (0, 0),
        is_full_range=is_full or (range_code == 0 and is_full_by_default),
        luma_weights=_MATRICES.get(matrix_code, default),
    )
