"""What search spaces speak of: descriptions, settings, geometry, blocks and their prices. No tensors."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ...network_input import NetworkInput
from ..tasks.registry import Channels, channels_of, task_names


class Frozen(BaseModel):
    """A validated value: unknown keys are errors, nothing changes after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SpaceDescription(Frozen, ABC):
    """A compact network as its search space describes it, the `network` of a genotype."""

    @property
    @abstractmethod
    def conditioning_range(self) -> tuple[float, float] | None:
        """Noise levels (grey levels 0..255) the network takes as an input `sigma`; None where it has no such input."""


class SpaceSettings(Frozen, ABC):
    """What is fixed before a search of a space begins: the supernet's shape and the compact network's."""

    @property
    @abstractmethod
    def is_conditioned(self) -> bool:
        """Whether the networks are told the strength of the degradation."""


Kind = TypeVar("Kind", bound=Frozen)


def own(value: Frozen, kind: type[Kind]) -> Kind:
    """`value` itself where it is of a space's own kind; TypeError where it belongs to another space."""
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__module__}.{kind.__name__}, got {type(value).__name__}")
    return value


class TaskDescription(Frozen):
    """What a network is for, as far as its shape depends on it: the `task` of a genotype."""

    name: str = "denoise"
    """One of the names in `tasks/registry.py`."""
    channels: Channels
    """Of the images."""
    scale: Annotated[int, Field(ge=1, le=4)] = 1
    """Output pixels per input pixel along each side."""

    @field_validator("name")
    @classmethod
    def _name_is_a_task(cls, value: str) -> str:
        if value not in task_names():
            raise ValueError(f"expected one of {', '.join(task_names())}")
        return value

    @model_validator(mode="after")
    def _the_task_has_such_images(self) -> "TaskDescription":
        channels_of(self.name, self.channels)
        return self

    def network_input(self, *, alignment: int = 1, level_range: tuple[float, float] | None = None) -> NetworkInput:
        """What a network for the task is given."""
        return NetworkInput(channels=self.channels, alignment=alignment, scale=self.scale, level_range=level_range)


Reach = Literal["halo", "up_to_halo"]


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What tiling needs of a network."""

    halo: int
    """Receptive-field radius in input pixels on each side: no pixel further away changes an output pixel."""
    alignment: int
    """Tile origins and sizes are multiples of this, in input pixels."""
    tiling: Literal["exact", "approximate"] = "exact"
    """`approximate` where an operation sees the whole image, such as channel attention: no halo is enough."""
    reach: Reach = "halo"
    """`up_to_halo` where the picture decides how far the network looks, such as by offsets with a limit."""


@dataclass(frozen=True, kw_only=True, order=True)
class Block:
    """A piece of a network that takes time of its own; a network is priced by counting its blocks."""

    name: str
    """What it computes, in the space's own vocabulary, such as `conv_3x3` or `squeeze`."""
    in_channels: int
    out_channels: int
    stride: int
    """Image pixels per pixel of the block's feature maps, along one side."""


class Pricing(ABC):
    """How the networks of a space are priced by their blocks."""

    @abstractmethod
    def blocks(self, description: SpaceDescription, task: TaskDescription) -> Mapping[Block, int]:
        """How often a described network holds each of its blocks: what a latency table prices it by."""

    @abstractmethod
    def probes(self, settings: SpaceSettings) -> Sequence[SpaceDescription]:
        """Networks whose latencies together fix the price of every block a search with these settings can choose."""
