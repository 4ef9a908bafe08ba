"""What a CLEARER network is made of: the network description of a genotype, validated, without tensors.

Choices beyond the paper: resolution and size of the stem, normalisation, residual learning, conditioning on sigma.
"""

from typing import Annotated, Literal

from pydantic import Field

from ..conditioning import Conditioning
from ..interface import Frozen, SpaceDescription

Module = Literal["parallel", "fusion"]
"""What happens at one place of a stage.

`parallel`: a residual block of two 3x3 convolutions on every branch. `fusion`: every branch receives all branches.
"""

Normalisation = Literal["batch", "none"]

Channels = Annotated[int, Field(ge=1, le=1024)]


class Stem(Frozen):
    """Stage 1: bottleneck blocks (1x1, 3x3, 1x1) of `channels` inside and `expansion` times as many outside.

    `resolution` is that of the widest branch: `half` is a PixelUnshuffle(2) before the network, `quarter` a
    PixelUnshuffle(4).
    """

    resolution: Literal["full", "half", "quarter"] = "full"
    blocks: Annotated[int, Field(ge=1, le=16)] = 2
    channels: Channels = 32
    expansion: Annotated[int, Field(ge=1, le=8)] = 4


class NetworkDescription(SpaceDescription):
    """Stages of parallel branches; the first of `stages` has two of them, each further one opens another.

    Branch b has `width` * 2 ** b channels at 1 / 2 ** b of the stem's resolution along each side. `normalisation`:
    `batch` as in the paper, `none` puts biases in its place. `residual`: the network predicts the noise.
    """

    width: Annotated[int, Field(ge=1, le=256)]
    stem: Stem = Stem()
    stages: Annotated[
        tuple[Annotated[tuple[Module, ...], Field(min_length=1, max_length=32)], ...], Field(min_length=1, max_length=5)
    ]
    normalisation: Normalisation = "batch"
    residual: bool = False
    conditioning: Conditioning | None = None

    @property
    def conditioning_range(self) -> tuple[float, float] | None:
        """The noise levels the network is conditioned on, or None."""
        return self.conditioning.range if self.conditioning else None

    @property
    def stride(self) -> int:
        """Image pixels per pixel of branch 0, along one side."""
        return {"full": 1, "half": 2, "quarter": 4}[self.stem.resolution]

    @property
    def num_branches(self) -> int:
        """Of the last stage."""
        return 1 + len(self.stages)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of every branch, the one of the highest resolution first."""
        return tuple(self.width * 2**branch for branch in range(self.num_branches))

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per pixel of every branch, along one side."""
        return tuple(self.stride * 2**branch for branch in range(self.num_branches))
