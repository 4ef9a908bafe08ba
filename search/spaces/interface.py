"""What every search space offers the rest of the program: a frozen description and its geometry, without tensors."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A validated value: unknown keys are errors, nothing changes after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SpaceDescription(Frozen, ABC):
    """A compact network as its search space describes it, the `network` of a genotype."""

    @property
    @abstractmethod
    def conditioning_range(self) -> tuple[float, float] | None:
        """Noise levels (grey levels 0..255) the network takes as an input `sigma`; None where it has no such input."""


class SpaceSettings(Frozen):
    """What is fixed before a search of a space begins: the supernet's shape and the compact network's."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What tiling needs of a network."""

    halo: int
    """Receptive-field radius in image pixels on each side: no pixel further away changes an output pixel."""
    alignment: int
    """Tile origins and sizes are multiples of this, in image pixels."""


@dataclass(frozen=True, kw_only=True, order=True)
class Block:
    """A piece of a network that takes time of its own; a network is priced by counting its blocks."""

    name: str
    """What it computes, in the space's own vocabulary, such as `conv_3x3` or `squeeze`."""
    in_channels: int
    out_channels: int
    stride: int
    """Image pixels per pixel of the block's feature maps, along one side."""
