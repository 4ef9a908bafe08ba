"""What a task offers the rest of the program: degraded images for training and the cases a network is scored on.

Shapes: `B` images of a batch, `C` channels, `H`, `W` pixels.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
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


@dataclass(frozen=True, kw_only=True)
class Example:
    """One degraded image beside the clean one, as arrays: what a finished model is checked and calibrated on."""

    degraded_BCHW: "NDArray[np.float32]"
    """(1, C, H, W), around 0..1."""
    clean_BCHW: "NDArray[np.float32]"
    """(1, C, scale * H, scale * W) in 0..1."""
    level: float | None
    """The strength in grey levels 0..255, for networks that are told it; None for blind tasks."""


class Task(ABC):
    """What a network is for. Frozen; randomness comes from the generator given, on the images' device."""

    name: str
    """As in a genotype's `task.name`."""
    scale: int = 1
    """Pixels of a clean image per pixel of the degraded one, along each side."""
    search_levels: ClassVar[tuple[float, ...] | None] = None
    """Strengths in grey levels that a search draws where none are asked for; None: the task's own."""
    search_quantised_share: ClassVar[float | None] = None
    """`quantised_share` of a search where none is asked for; None: the task's own."""
    same_when_turned: ClassVar[bool] = False
    """Whether a degraded image is as likely turned by 90 degrees as upright; a teacher sees it turned then."""
    draws_level_range: ClassVar[bool] = False
    """Whether `level_range` decides what is drawn in training; else it only bounds the strength a network is told."""
    usual_ssim_weight: ClassVar[float] = 0.0
    """lambda of lambda * log10(1 / SSIM) in a training where none is asked for; 0: the term is left out."""

    @property
    @abstractmethod
    def level_range(self) -> tuple[float, float] | None:
        """The strengths that training draws, or else tells a network, in grey levels; None: a blind task."""

    @property
    def drawn_quantised_share(self) -> float | None:
        """Share of training patches that are stored as an 8-bit file would hold them; None: nothing to choose."""
        return None

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

    @property
    def validation_protocol(self) -> str:
        """How a training's score comes about, for the record in weights and model files."""
        return f"{self.name}, simulated, held-out images, mean over images and cases"

    @property
    def checked_cases(self) -> tuple[Case, ...]:
        """What a finished model is checked under: the training's cases unless the task names others."""
        return self.cases

    def checked_example(self, clean_BCHW: "NDArray[np.float32]", case: Case, *, number: int) -> Example:
        """Degrade one image, the `number`th of a check, under a case; the same arguments give the same pixels."""
        import numpy as np
        import torch

        seed = np.random.default_rng((number, *case.name.encode())).integers(2**63)
        pairs = self.of_case(torch.from_numpy(clean_BCHW), case, torch.Generator().manual_seed(int(seed)))
        return _example(pairs)

    def calibration_example(
        self, clean_BCHW: "NDArray[np.float32]", *, index: int, count: int, random: "np.random.Generator"
    ) -> Example:
        """Degrade one crop, the one at `index` of `count` that together stand for what a model meets in use."""
        import torch

        seed = random.integers(2**63)
        return _example(self.drawn(torch.from_numpy(clean_BCHW), torch.Generator().manual_seed(int(seed))))


def _example(pairs: Pairs) -> Example:
    return Example(
        degraded_BCHW=pairs.degraded_BCHW.numpy(),
        clean_BCHW=pairs.clean_BCHW.numpy(),
        level=None if pairs.level_B is None else float(pairs.level_B[0]),
    )
