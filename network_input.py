"""What a network is given: one value for every place that makes inputs for it. Standard library only."""

from dataclasses import dataclass
from typing import Literal

PACKED_BAYER: Literal[4] = 4
"""Channels of a raw picture: of each 2x2 pixels of the mosaic red, the green beside it, the green below it, blue."""


@dataclass(frozen=True, kw_only=True)
class NetworkInput:
    """The inputs of a network and how its output's size follows from them."""

    channels: int
    """Of the input image and of the output: 1 grey, 3 colour, 4 packed Bayer."""
    alignment: int = 1
    """Height and width of an input are multiples of this, in input pixels."""
    scale: int = 1
    """Output pixels per input pixel along each side; above 1 for super-resolution."""
    level_range: tuple[float, float] | None = None
    """The strengths of degradation the network can be told, in grey levels 0..255; None: it is told nothing."""

    @property
    def conditioned(self) -> bool:
        """Whether the network has a second input, the strength."""
        return self.level_range is not None

    @property
    def picture_channels(self) -> int:
        """Of the clean pictures that inputs are made from: colour for packed Bayer, else those of the input."""
        return 3 if self.channels == PACKED_BAYER else self.channels

    @property
    def picture_scale(self) -> int:
        """Pixels of such a picture per input pixel along each side."""
        return self.scale * (2 if self.channels == PACKED_BAYER else 1)

    @property
    def picture_multiple(self) -> int:
        """Height and width of such a picture are multiples of this, in its pixels."""
        return self.alignment * self.picture_scale
