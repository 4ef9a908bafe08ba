"""A picture as it stood in a file: its pixels in native depth, and everything needed to write it back."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from ..tiling.pixel_values import Image
from .colour_codes import ColourCodes

Format = Literal["PNG", "JPEG", "TIFF", "WebP", "BMP", "PNM", "NumPy", "HEIC", "AVIF", "OpenEXR", "GIF"]
"""What is written."""

SourceFormat = Literal[Format, "camera raw"]
"""What is read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """What every format that can hold it gets, whichever format it came from."""

    exif: bytes | None = None
    """A TIFF structure without the prefix "Exif\\0\\0"; orientation included, pixels are never rotated."""
    icc: bytes | None = None
    """Colour profile."""
    xmp: bytes | None = None
    """XMP packet."""
    dpi: tuple[float, float] | None = None
    """Pixels per inch, horizontally and vertically."""
    codes: ColourCodes | None = None
    """What the colours mean where no profile says it; None: sRGB."""
    gamma: float | None = None
    """Of a PNG: the exponent of its values where nothing else says what they mean; None: that of sRGB, or not said."""
    has_iptc: bool = False
    """Whether the file holds IPTC records, which stay in its own format alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The content of a picture file."""

    pixels: Image
    """(H, W) grey, (H, W, 3) RGB, or (H, W, 4) packed Bayer; uint8 or uint16 as in the file, float32 within 0..1."""
    alpha: Image | None = None
    """(H, W), same dtype: opacity, never denoised; None: opaque."""
    beyond: Image | None = None
    """As `pixels`: what floating-point values exceed 0..1 by, to be added again; None: nothing."""
    format: SourceFormat
    """What the file was."""
    is_lossless: bool = True
    """Whether the file's compression kept every pixel (WebP: a lossless source stays lossless)."""
    metadata: Metadata = Metadata()
    """Portable metadata."""
    native: Any = None
    """What only a file of the same format can take back; belongs to that format's module."""
    notes: tuple[str, ...] = ()
    """What reading changed, as sentences for a person."""

    @property
    def bits(self) -> int:
        """Bits per channel: 8 or 16; 32 of floating point."""
        return self.pixels.dtype.itemsize * 8

    @property
    def is_colour(self) -> bool:
        return self.pixels.ndim == 3

    @property
    def num_channels(self) -> int:
        """1 grey, 3 colour, 4 packed Bayer; without alpha."""
        return self.pixels.shape[2] if self.is_colour else 1

    @property
    def height(self) -> int:
        """Pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Pixels."""
        return self.pixels.shape[1]

    @property
    def size_text(self) -> str:
        """Width x height."""
        return f"{self.width}x{self.height}"

    def with_pixels(self, pixels: Image) -> "Picture":
        """The same picture with other pixels of the same shape and depth."""
        assert pixels.shape == self.pixels.shape and pixels.dtype == self.pixels.dtype
        return replace(self, pixels=pixels)


def with_alpha(picture: Picture) -> Image:
    """All channels in one array: (H, W), or (H, W, 2), (H, W, 3), (H, W, 4)."""
    import numpy as np

    pixels = picture.pixels if picture.beyond is None else picture.pixels + picture.beyond
    return pixels if picture.alpha is None else np.dstack([pixels, picture.alpha])


def rgb_with_alpha(picture: Picture) -> Image:
    """All channels, (H, W, 3) or (H, W, 4), for formats that know no grey."""
    import numpy as np

    if picture.is_colour:
        return np.ascontiguousarray(with_alpha(picture))
    return np.dstack([picture.pixels] * 3 + ([] if picture.alpha is None else [picture.alpha]))


KINDS = {1: "grey", 3: "colour", 4: "packed Bayer"}
"""What a picture is by its number of channels, for people."""


def without_alpha(channels: Image) -> tuple[Image, Image | None]:
    """Pixels and alpha of an array (H, W) or (H, W, 1 to 4)."""
    if channels.ndim == 2 or channels.shape[2] == 1:
        return channels.reshape(channels.shape[:2]), None
    if channels.shape[2] == 3:
        return channels, None
    pixels = channels[:, :, :-1].copy()
    return (pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), channels[:, :, -1].copy()
