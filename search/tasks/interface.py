"""What a task offers the rest of the program: degraded images for training and the cases a network is scored on.

Shapes: `B` images of a batch, `C` channels, `H`, `W` pixels.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Case:
    """One condition that networks are scored under, such as `sigma 30`, `x2` or, for a blind task, the only one."""

    name: str
    level: float | None = None
    """The strength of the degradation, which a conditioned network is told, in grey levels 0..255; None: no such."""


@dataclass(frozen=True)
class Pairs:
    """A batch of degraded images beside the clean ones."""

    degraded_BCHW: "Tensor"
    """(B, C, H, W) float32, around 0..1."""
    clean_BCHW: "Tensor"
    """(B, C, scale * H, scale * W) float32 in 0..1."""
    level_B: "Tensor | None"
    """(B,) strength in grey levels 0..255, for networks that are told it; None for blind tasks."""


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What a person or a genotype says of a task; each task takes what concerns it and refuses the rest."""

    scale: int = 1
    levels: tuple[float, ...] | None = None
    """Strengths in grey levels, each equally likely in training; None: the task's own, or `level_range`."""
    level_range: tuple[float, float] | None = None
    """Strengths in grey levels, uniform in training; None: the task's own, or `levels`."""
    quantised_share: float | None = None
    """Share of training patches that are stored as an 8-bit file would hold them; None: the task's own."""


class Task(ABC):
    """What a network is for. Frozen; randomness comes from the generator given, on the images' device."""

    name: str
    """As in a genotype's `task.name`."""
    scale: int = 1
    """Pixels of a clean image per pixel of the degraded one, along each side."""
    search_levels: ClassVar[tuple[float, ...] | None] = None
    """Strengths in grey levels that a search draws where none are asked for; None: the task's own."""

    @property
    @abstractmethod
    def level_range(self) -> tuple[float, float] | None:
        """The strengths drawn in training, in grey levels; None: a blind task."""

    @property
    @abstractmethod
    def cases(self) -> tuple[Case, ...]:
        """What a network is scored on; never empty."""

    @abstractmethod
    def drawn(self, clean_BCHW: "Tensor", generator: "torch.Generator") -> Pairs:
        """Degrade clean patches for training, each at a strength of its own."""

    @abstractmethod
    def of_cases(self, clean_BCHW: "Tensor", cases: Sequence[Case], generator: "torch.Generator") -> Pairs:
        """Degrade clean images for scoring, each under its own case; the same generator state gives the same pixels."""

    def of_case(self, clean_BCHW: "Tensor", case: Case, generator: "torch.Generator") -> Pairs:
        """Degrade clean images for scoring, all under one case."""
        return self.of_cases(clean_BCHW, [case] * len(clean_BCHW), generator)

    @classmethod
    @abstractmethod
    def from_options(cls, options: TaskOptions) -> Self:
        """The task as asked for; UserError for an option that it does not have."""

    def compared(self, output_BCHW: "Tensor", clean_BCHW: "Tensor") -> "tuple[Tensor, Tensor]":
        """What of an output and its clean image a score compares; super-resolution takes luma without a border."""
        return output_BCHW, clean_BCHW
