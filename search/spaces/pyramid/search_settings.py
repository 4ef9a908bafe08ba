"""What is fixed before a search of the pyramid space begins, and which choices are left to it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..conditioning import Conditioning
from ..interface import SpaceSettings
from .space import (
    BlockKind,
    Channels,
    Convolution,
    Count,
    DownSampling,
    End,
    Join,
    Level,
    NetworkDescription,
    Stem,
    Steps,
    UpSampling,
)

Resolution = Literal["full", "half", "quarter"]
NumLevels = Annotated[int, Field(ge=1, le=6)]


class Settings(SpaceSettings):
    """The choices of each kind a network is drawn from, and the parts that all networks share.

    A range is smallest and largest. Where a kind of choice has one value, nothing is chosen.
    """

    resolutions: Annotated[tuple[Resolution, ...], Field(min_length=1)] = ("half", "quarter")
    """Of the stem."""
    levels: tuple[NumLevels, NumLevels] = (1, 3)
    widths: Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(min_length=1)] = (16, 32, 48, 64, 80, 96)
    """Steps of 16 suit the kernels of most engines; a level is at least as wide as the one above it."""
    blocks: tuple[Count, Count] = (1, 4)
    """Of a level above the deepest, before the middle and as many times after it."""
    middle: tuple[Count, Count] = (2, 12)
    """Blocks of the deepest level."""
    kinds: Annotated[tuple[BlockKind, ...], Field(min_length=1)] = ("residual", "single", "chain")
    convolutions: Annotated[tuple[Convolution, ...], Field(min_length=1)] = ("3x3",)
    downs: Annotated[tuple[DownSampling, ...], Field(min_length=1)] = ("strided",)
    """`unshuffle` computes the same functions as `strided`; only engines differ."""
    ups: Annotated[tuple[UpSampling, ...], Field(min_length=1)] = ("shuffle", "nearest")
    """`transposed` computes the same functions as `shuffle`, but for the biases; only engines differ."""
    skips: Annotated[tuple[Join, ...], Field(min_length=1)] = ("add", "concatenate")
    stem_channels: Annotated[tuple[Channels, ...], Field(max_length=4)] = ()
    end: End = End()
    residual: bool = True
    conditioning: Conditioning | None = Conditioning()

    @property
    def is_conditioned(self) -> bool:
        """Whether the networks are told the noise level."""
        return self.conditioning is not None

    @model_validator(mode="after")
    def _choices_are_in_order(self) -> "Settings":
        for name in ("levels", "blocks", "middle"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: got {low} to {high}, expected the smaller number first")
        if self.middle[0] < 1 or self.blocks[0] < 1:
            raise ValueError("middle and blocks: a level needs a block, got a range from 0")
        for name in ("resolutions", "widths", "kinds", "convolutions", "downs", "ups", "skips"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: a value stands there twice, got {', '.join(map(str, values))}")
        if tuple(sorted(self.widths)) != self.widths:
            raise ValueError(f"widths: expected ascending, got {', '.join(map(str, self.widths))}")
        return self

    def description(
        self, levels: tuple[Level, ...], *, resolution: Resolution, steps: Steps | None
    ) -> NetworkDescription:
        """The network of these choices with the parts that all share."""
        return NetworkDescription(
            stem=Stem(resolution=resolution, channels=self.stem_channels),
            levels=levels,
            steps=steps if len(levels) > 1 else None,
            end=self.end,
            residual=self.residual,
            conditioning=self.conditioning,
        )
