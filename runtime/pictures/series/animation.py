"""An animation as values: whole frames, how long each is shown, how often all are played."""

from dataclasses import dataclass, field, replace

from ...tiling.pixel_values import Image
from ..picture import Metadata


@dataclass(frozen=True, kw_only=True, slots=True)
class AnimationFrame:
    """One frame as it is seen: what a file leaves out, since the frame before shows it, is filled in."""

    pixels: Image
    """(H, W) or (H, W, 3) uint8."""
    alpha: Image | None
    """(H, W) uint8: opacity; None: opaque."""
    milliseconds: float
    """How long it is shown."""

    def with_pixels(self, pixels: Image) -> "AnimationFrame":
        """The same frame with other pixels."""
        return replace(self, pixels=pixels)


@dataclass(frozen=True, kw_only=True, slots=True)
class Animation:
    """The content of a GIF, or of an animated PNG or WebP."""

    frames: tuple[AnimationFrame, ...]
    """All of one size and of one kind: grey or colour, with or without opacity."""
    num_plays: int
    """0: without end."""
    has_cover: bool = False
    """Whether the first frame is not played: PNG shows it where animations are not known."""
    is_lossless: bool = True
    """Whether the file's compression kept every pixel."""
    metadata: Metadata = field(default_factory=Metadata)
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    """Side chunks of a PNG that stay true: name and content."""
    comment: bytes = b""
    """Of a GIF."""
    has_end: bool = True
    """Whether the file has the end mark of its format; where it has none, frames may be missing."""

    @property
    def is_colour(self) -> bool:
        return self.frames[0].pixels.ndim == 3

    @property
    def size_text(self) -> str:
        """Width x height."""
        height, width = self.frames[0].pixels.shape[:2]
        return f"{width}x{height}"
