"""CMYK, the colours of printing presses: to RGB for the network, and back with the same profile.

Shapes: inks (H, W, 4) uint8 or uint16, 0 no ink; colours (H, W, 3) of the same depth.
"""

import struct
from dataclasses import dataclass

import numpy as np

from .picture import Format, Image

_DATE = slice(24, 36)
"""Where in a profile's head its date stands."""
_SOME_DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Press:
    """How inks and colours belong together."""

    profile: bytes | None
    """ICC, of the press; None: the plain formula."""

    def note(self, format: Format) -> str:
        """What a person should know of a picture in `format` that goes this way."""
        way = f"CMYK is denoised as RGB and goes back to CMYK in {format} alone"
        if self.profile is None:
            return f"{way}; without a colour profile the plain formula does this, so the colours are a guess"
        return f"{way}; its colours stay, how black is mixed from the four inks may change"

    @property
    def colour_profile(self) -> bytes | None:
        """ICC, of the colours: Adobe RGB, which holds nearly all that presses print."""
        return None if self.profile is None else _wide_rgb()


def press_from(profile: bytes | None) -> Press:
    """The press that `profile` describes; the plain formula where it is none of CMYK, or damaged."""
    import imagecodecs

    if profile is None or profile[16:20] != b"CMYK":
        return Press(profile=None)
    try:
        press = Press(profile=profile)
        inks_from_colours(colours_from_inks(np.zeros((1, 1, 4), np.uint8), press), press)
    except (imagecodecs.CmsError, ValueError, RuntimeError):
        return Press(profile=None)
    return press


def colours_from_inks(inks: Image, press: Press) -> Image:
    """RGB of CMYK."""
    if press.profile is None:
        white = np.iinfo(inks.dtype).max
        paper = white - inks.astype(np.uint32)
        return np.asarray((paper[..., :3] * paper[..., 3:] + white // 2) // white).astype(inks.dtype)
    return _transformed(inks, press.profile, _wide_rgb(), "cmyk", "rgb")


def inks_from_colours(colours: Image, press: Press) -> Image:
    """CMYK of RGB. By the plain formula black replaces what the three other inks share."""
    if press.profile is None:
        white = np.iinfo(colours.dtype).max
        values = colours.astype(np.uint32)
        most = values.max(axis=2, keepdims=True)
        inks = white - (values * white + most // 2) // np.maximum(most, 1)
        return np.concatenate([np.where(most == 0, 0, inks), white - most], axis=2).astype(colours.dtype)
    return _transformed(colours, _wide_rgb(), press.profile, "rgb", "cmyk")


def _transformed(values: Image, source: bytes, target: bytes, source_space: str, target_space: str) -> Image:
    import imagecodecs

    return imagecodecs.cms_transform(
        np.ascontiguousarray(values),
        source,
        target,
        colorspace=source_space,
        outcolorspace=target_space,
        outdtype=values.dtype,
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
    )


def _wide_rgb() -> bytes:
    import imagecodecs

    profile = imagecodecs.cms_profile("adobergb")
    # The moment it was made would make every file differ from the last one.
    return profile[: _DATE.start] + _SOME_DATE + profile[_DATE.stop :]
