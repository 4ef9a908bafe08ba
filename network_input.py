"""What a network is given: one value for every place that makes inputs for it. Standard library only."""

from dataclasses import dataclass


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
