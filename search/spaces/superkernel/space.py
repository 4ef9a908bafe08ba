"""What a superkernel network is made of: the network description of a genotype, validated, without tensors.

Every base net is a U-Net of densely connected residual blocks (DCR blocks). A block has three convolutions; the first
two were superkernels in the search, the third is 3x3 and restores the width. The paper's sections 3.1 and 3.2.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..conditioning import Conditioning
from ..interface import Frozen, SpaceDescription

Base = Literal["skipinit", "multi_attentional"]
"""`skipinit`: each DCR block adds its branch times a learnt scalar that starts at 0. `multi_attentional`: `subnetworks`
U-Nets side by side, channel attention in every decoder level and over all their outputs, a ReLU behind every block."""

Activation = Literal["relu", "prelu"]

Kernel = Literal[1, 3, 5, 7]
Channels = Annotated[int, Field(ge=1, le=1024)]


class Slice(Frozen):
    """What the search has cut out of one superkernel.

    The number of filters describes the network; which ones they were matters only where kernels are inherited, and the
    search knows it then.
    """

    kernel: Kernel
    """Side of the kernel."""
    filters: Channels


class BaseNet(Frozen):
    """The U-Net around the superkernels: what a search leaves as it is."""

    base: Base = "skipinit"
    subnetworks: Annotated[int, Field(ge=1, le=16)] = 1
    """U-Nets side by side: 1, 3 or 6 in the paper."""
    width: Channels = 32
    """Channels of level 0."""
    width_growth: Literal["added", "doubled"] = "added"
    """Level 1, 2, ... has 2, 3, ... times (`added`) or 2, 4, ... times (`doubled`) the width of level 0."""
    depth: Annotated[int, Field(ge=1, le=5)] = 2
    """How often the resolution is halved: depth 3 has four levels."""
    blocks: Annotated[int, Field(ge=1, le=8)] = 1
    """DCR blocks of a level, on the way down and again on the way up."""
    resolution: Literal["full", "half", "quarter"] = "half"
    """Of level 0: `half` is a PixelUnshuffle(2) before the network."""
    activation: Activation = "relu"
    residual: bool = True
    """The network predicts the noise."""
    conditioning: Conditioning | None = None
    """What is told of the strength; None: nothing. A genotype leaves None out."""

    @model_validator(mode="after")
    def _only_attention_joins_subnetworks(self) -> "BaseNet":
        if self.base == "skipinit" and self.subnetworks != 1:
            raise ValueError(f"subnetworks: got {self.subnetworks}, but skipinit has one; choose multi_attentional")
        return self

    @property
    def stride(self) -> int:
        """Image pixels per pixel of level 0, along one side."""
        return {"full": 1, "half": 2, "quarter": 4}[self.resolution]

    @property
    def period(self) -> int:
        """Image pixels per pixel of the lowest level, along one side."""
        return self.stride * 2**self.depth

    def level_width(self, level: int) -> int:
        """Channels of a level."""
        return self.width * (level + 1 if self.width_growth == "added" else 2**level)

    def level_stride(self, level: int) -> int:
        """Image pixels per pixel of a level, along one side."""
        return self.stride * 2**level

    @property
    def block_levels(self) -> Iterator[int]:
        """The level of each DCR block in the order of the data, one subnetwork after the other."""
        for _ in range(self.subnetworks):
            for level in chain(range(self.depth + 1), reversed(range(self.depth))):
                yield from (level,) * self.blocks

    @property
    def slice_levels(self) -> tuple[int, ...]:
        """The level of each superkernel: two in a block."""
        return tuple(level for level in self.block_levels for _ in range(2))


class NetworkDescription(BaseNet, SpaceDescription):
    """A base net with what each of its superkernels has become, in the order of the data."""

    slices: tuple[Slice, ...]
    """Way down, then way up; in each block the first and the second; one subnetwork after the other."""

    @model_validator(mode="after")
    def _every_superkernel_is_decided(self) -> "NetworkDescription":
        expected = len(self.slice_levels)
        if len(self.slices) != expected:
            raise ValueError(f"slices: got {len(self.slices)}, expected {expected}, two for each DCR block")
        return self

    @property
    def conditioning_range(self) -> tuple[float, float] | None:
        """The noise levels the network is conditioned on, or None."""
        return self.conditioning.range if self.conditioning else None
