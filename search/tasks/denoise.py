"""Denoising: white Gaussian noise, un-quantised as in the papers or clipped and rounded as an 8-bit file holds it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import UserError
from .interface import Case, Example, Pairs, Task, TaskOptions

CHECKED_LEVELS = (15.0, 25.0, 50.0)
"""Grey levels 0..255: those of most published results."""


@dataclass(frozen=True, kw_only=True)
class Denoise(Task):
    """White Gaussian noise of levels from a range, or of a few levels drawn evenly."""

    levels: tuple[float, ...] | None = None
    """Grey levels 0..255, each equally likely; None: uniform over `range`."""
    range: tuple[float, float] = (0.0, 75.0)
    """Grey levels 0..255; equal ends train one level."""
    quantised_share: float = 0.5
    """Share of the training patches whose noise is clipped and rounded as an 8-bit file's is.

    A network trained on un-quantised noise alone loses up to 2 dB on files.
    """
    name: str = "denoise"
    same_when_turned: ClassVar[bool] = True
    draws_level_range: ClassVar[bool] = True
    search_levels: ClassVar[tuple[float, ...] | None] = (30.0, 50.0, 70.0)
    search_quantised_share: ClassVar[float | None] = 0.0

    @property
    def level_range(self) -> tuple[float, float]:
        """From the lowest to the highest level drawn."""
        return self.range if self.levels is None else (min(self.levels), max(self.levels))

    @property
    def drawn_quantised_share(self) -> float:
        """As given."""
        return self.quantised_share

    @property
    def cases(self) -> tuple[Case, ...]:
        """The levels drawn; of a range a fifth, two fifths and two thirds of the way up: 15, 30, 50 for 0 to 75."""
        low, high = self.range
        if self.levels is not None:
            chosen = self.levels
        elif low == high:
            chosen = (low,)
        else:
            chosen = tuple(round(low + (high - low) * part, 1) for part in (0.2, 0.4, 2 / 3))
        return _cases(chosen)

    @property
    def validation_protocol(self) -> str:
        """The standard one."""
        return "standard, un-quantised noise, held-out images, mean over images and cases"

    @property
    def checked_cases(self) -> tuple[Case, ...]:
        """The usual levels inside the range, its middle where there is none."""
        low, high = self.level_range
        return _cases(tuple(level for level in CHECKED_LEVELS if low <= level <= high) or ((low + high) / 2,))

    def drawn(self, clean_BCHW: Tensor, generator: torch.Generator) -> Pairs:
        """Noise of a level of its own on every patch."""
        device, batch = clean_BCHW.device, len(clean_BCHW)
        if self.levels is None:
            low, high = self.range
            level_B = low + (high - low) * torch.rand(batch, generator=generator, device=device)
        else:
            which = torch.randint(len(self.levels), (batch,), generator=generator, device=device)
            level_B = torch.tensor(self.levels, device=device)[which]
        noisy = add_noise(clean_BCHW, level_B, quantised_share=self.quantised_share, generator=generator)
        return Pairs(noisy, clean_BCHW, level_B)

    def of_cases(self, clean_BCHW: Tensor, cases: Sequence[Case], generator: torch.Generator) -> Pairs:
        """Un-quantised noise of the cases' levels (the standard protocol)."""
        level_B = torch.tensor([case.level or 0.0 for case in cases], device=clean_BCHW.device)
        return Pairs(add_noise(clean_BCHW, level_B, quantised_share=0, generator=generator), clean_BCHW, level_B)

    @classmethod
    def from_options(cls, options: TaskOptions) -> Self:
        """Levels or a range of them, and the share of quantised patches."""
        if options.scale != 1:
            raise UserError(f"--scale: got {options.scale}, but denoising keeps the size; leave it out")
        default = cls()
        return cls(
            levels=options.levels,
            range=default.range if options.level_range is None else options.level_range,
            quantised_share=default.quantised_share if options.quantised_share is None else options.quantised_share,
        )

    def checked_example(self, clean_BCHW: NDArray[np.float32], case: Case, *, number: int) -> Example:
        """Un-quantised noise of the case's level, drawn for the image's number and the level."""
        assert case.level is not None
        unit = np.random.default_rng((number, round(1000 * case.level))).standard_normal(clean_BCHW.shape)
        noisy = _with_noise(clean_BCHW, unit, case.level)
        return Example(degraded_BCHW=noisy, clean_BCHW=clean_BCHW, level=case.level)

    def calibration_example(
        self, clean_BCHW: NDArray[np.float32], *, index: int, count: int, random: np.random.Generator
    ) -> Example:
        """Levels are spread evenly over the range; every other crop is clipped and rounded as an 8-bit file's is."""
        low, high = self.level_range
        level = np.float32(low + (high - low) * (index + 0.5) / count)
        noisy = _with_noise(clean_BCHW, random.standard_normal(clean_BCHW.shape, np.float32), level)
        if index % 2:
            noisy = ((noisy.clip(0, 1) * 255).round() / 255).astype(np.float32)
        return Example(degraded_BCHW=noisy, clean_BCHW=clean_BCHW, level=float(level))


def _cases(levels: Iterable[float]) -> tuple[Case, ...]:
    return tuple(Case(name=f"sigma {level:g}", level=level) for level in levels)


def _with_noise(
    clean: NDArray[np.float32], unit: NDArray[np.floating], level: float | np.float32
) -> NDArray[np.float32]:
    """Clean images with standard normal numbers as noise of a level in grey levels."""
    return (clean + unit * level / 255).astype(np.float32)


def quantised(noisy: Tensor) -> Tensor:
    """What an 8-bit file keeps of a noisy image in 0..1: clipped, rounded to 1/255."""
    return (noisy.clamp(0, 1) * 255).round() / 255


def add_noise(clean_BCHW: Tensor, sigma_B: Tensor, *, quantised_share: float, generator: torch.Generator) -> Tensor:
    """Clean images in 0..1 with white Gaussian noise of sigma_B grey levels.

    Each image of the batch is, with probability `quantised_share`, clipped and rounded as an 8-bit file would be.
    """
    noise = torch.randn(clean_BCHW.shape, generator=generator, device=clean_BCHW.device)
    noisy = clean_BCHW + noise * (sigma_B / 255).reshape(-1, 1, 1, 1)
    as_file = torch.rand(len(sigma_B), generator=generator, device=clean_BCHW.device) < quantised_share
    return torch.where(as_file.reshape(-1, 1, 1, 1), quantised(noisy), noisy)
