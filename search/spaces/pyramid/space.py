"""What a pyramid network is made of: the network description of a genotype, validated, without tensors.

Every convolution has a bias, every activation is a ReLU, nothing is normalised: what engines run at their peak and what
tiles exactly.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..conditioning import Conditioning
from ..interface import Frozen, SpaceDescription

BlockKind = Literal["residual", "single", "chain", "squeezed_chain", "plain"]
"""What a block makes of its input x, `conv` being the level's convolution and `act` a ReLU.

`residual`: x + conv(act(conv(x))). `single`: x + conv(act(x)). `chain`: conv(act(x)) plus the output of the block
before the last. `squeezed_chain`: the same with a 1x1 convolution in front of each of the two. `plain`: act(conv(x)).
"""

Convolution = Literal["3x3", "5x5", "reparameterised"]
"""`reparameterised`: 3x3, 1x1 and identity side by side while training, one 3x3 convolution once exported."""

DownSampling = Literal["strided", "unshuffle", "max_pool"]
"""To half the resolution: a 2x2 convolution of stride 2, PixelUnshuffle and 1x1, or the largest of 2x2 pixels."""

UpSampling = Literal["shuffle", "transposed", "nearest"]
"""To twice the resolution: 1x1 and PixelShuffle, a transposed 2x2 convolution, or each pixel repeated."""

Join = Literal["add", "concatenate"]

Leave = Literal["exit", "entry"]
"""Where a skip leaves its level: behind the blocks, or in front of them (of the stem, on level 0)."""

Channels = Annotated[int, Field(ge=1, le=1024)]
Count = Annotated[int, Field(ge=0, le=64)]


class Stem(Frozen):
    """The start part: blocks of image pixels as channels, then 3x3 convolutions to the width of level 0.

    `half` is a PixelUnshuffle(2) before the network, `quarter` a PixelUnshuffle(4). `channels`: of the convolutions
    before the last.
    """

    resolution: Literal["full", "half", "quarter"] = "full"
    channels: Annotated[tuple[Channels, ...], Field(max_length=4)] = ()


class Level(Frozen):
    """All that happens at one resolution.

    `blocks` of them come before the middle of the network; those of the last level are the middle. `blocks_after` come
    behind it, `width_after` wide where that is not `width`.
    """

    width: Channels
    blocks: Count
    blocks_after: Count = 0
    width_after: Channels | None = None
    kind: BlockKind = "residual"
    convolution: Convolution = "3x3"

    @model_validator(mode="after")
    def _nothing_is_said_in_vain(self) -> "Level":
        if self.width_after == self.width:
            raise ValueError(f"width_after: got {self.width_after}, the width before; leave it out")
        if not self.blocks and not self.blocks_after:
            if self.kind not in ("residual", "plain") or self.convolution != "3x3":
                raise ValueError("a level without blocks is of kind residual or plain, with 3x3")
            if self.width_after is not None:
                raise ValueError("width_after: a level without blocks has one width; leave it out")
        return self


class Steps(Frozen):
    """How neighbouring levels are joined: down, up again, and across by skips."""

    down: DownSampling = "strided"
    up: UpSampling = "shuffle"
    skips: Join = "add"
    skips_leave: Leave = "exit"

    @model_validator(mode="after")
    def _an_entry_has_channels_of_its_own(self) -> "Steps":
        if self.skips == "add" and self.skips_leave == "entry":
            raise ValueError("skips_leave: entry goes with skips concatenate, the channels there are not the level's")
        return self


class End(Frozen):
    """The end part, to the pixels of the output.

    `plain`: 3x3 convolutions of `channels` with ReLUs, and the last. `separable`: the features as channels[0] and the
    stem's as `early_channels`, by 1x1 convolutions, then a depthwise 3x3 and a 1x1 for each of `channels`, and the
    last 3x3; HiNAS v2's end.
    """

    kind: Literal["plain", "separable"] = "plain"
    channels: Annotated[tuple[Channels, ...], Field(max_length=4)] = ()
    early_channels: Channels | None = None

    @model_validator(mode="after")
    def _channels_are_the_kinds(self) -> "End":
        if self.kind == "separable" and (not self.channels or self.early_channels is None):
            raise ValueError("separable needs channels, such as [64, 64], and early_channels, such as 32")
        if self.kind == "plain" and self.early_channels is not None:
            raise ValueError("early_channels: plain takes nothing from the stem; leave it out")
        return self


class NetworkDescription(SpaceDescription):
    """A network of levels, each half as large as the one before; one level is a plain stack.

    `steps` says how they are joined; one level has none. `residual`: the network predicts the noise.
    """

    stem: Stem = Stem()
    levels: Annotated[tuple[Level, ...], Field(min_length=1, max_length=6)]
    steps: Steps | None = None
    end: End = End()
    residual: bool = True
    conditioning: Conditioning | None = None

    @model_validator(mode="after")
    def _levels_agree(self) -> "NetworkDescription":
        deepest = len(self.levels) - 1
        if (self.steps is None) != (deepest == 0):
            found = "one level has none; leave it out" if self.steps else f"missing; says how {deepest + 1} are joined"
            raise ValueError(f"steps: {found}")
        last = self.levels[-1]
        if last.blocks_after or last.width_after is not None:
            raise ValueError(f"levels[{deepest}]: blocks_after and width_after are for levels above the middle")
        for index, level in enumerate(self.levels):
            if index and not level.blocks and not level.blocks_after:
                raise ValueError(f"levels[{index}]: without blocks; only level 0 may be")
            if self.steps is not None and self.steps.skips == "add" and level.width_after is not None:
                raise ValueError(f"levels[{index}].width_after: added skips need one width; leave it out")
        return self

    @property
    def conditioning_range(self) -> tuple[float, float] | None:
        """The noise levels the network is conditioned on, or None."""
        return self.conditioning.range if self.conditioning else None

    @property
    def stride(self) -> int:
        """Image pixels per pixel of level 0, along one side."""
        return {"full": 1, "half": 2, "quarter": 4}[self.stem.resolution]
