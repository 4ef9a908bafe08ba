"""A film as values: what it is, its frames, and what stands between them in its file."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .frame_layout import FrameLayout
from .frame_pixels import Plane


@dataclass(frozen=True, kw_only=True, slots=True)
class ColourTags:
    """What the levels mean, by FFmpeg's numbers, which are those of ITU-T H.273; 2: not said."""

    primaries: int
    transfer: int
    matrix: int
    range: int
    """1: 16 to 235 of 8 bits, and their like; 2: all levels; 0: not said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """What is known of a film before all of it is decoded."""

    path: Path
    layout: FrameLayout
    codec: str
    """FFmpeg's name of the kind of compression, such as h264."""
    tags: ColourTags
    time_base: Fraction
    """Seconds: the unit of times."""
    rate: Fraction
    """Frames in a second, on average."""
    num_frames: int | None
    """By the file's own words or by its duration; None: unknown."""
    end: float | None
    """Seconds: when the file says that its last stream ends; None: it does not say."""
    pixel_aspect: Fraction | None
    """Width of a pixel by its height; None: square or not said."""
    display_matrix: tuple[int, ...] | None
    """Nine numbers that say how the picture is turned to be shown; None: not at all."""
    is_interlaced: bool
    """Whether frames hold two half pictures of different moments; what is read of them is one whole picture."""
    notes: tuple[str, ...]
    """What a person should know, as sentences."""

    @property
    def size_text(self) -> str:
        """Width x height."""
        return f"{self.layout.width}x{self.layout.height}"

    @property
    def frame_duration(self) -> int:
        """The usual one, in the time base; at least 1."""
        return max(1, round(1 / (self.rate * self.time_base)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One picture of a film."""

    number: int
    """From 0."""
    planes: tuple[Plane, ...]
    time: int
    """When it is shown, in the film's time base."""
    duration: int
    """In the time base; 0: not known."""
