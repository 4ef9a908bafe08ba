"""A camera's raw data before any development: the noise of the sensor is to be taken away.

Packed Bayer: each 2x2 pixels of the mosaic are one pixel of four channels, red, the green beside it, the green below
it, blue. Values are 0 at black and 1 at the largest number that the file holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError
from ..camera.random_shots import ISO_GAINS, drawn_shot, shot_at_gain
from ..camera.shot import CameraShot
from .camera import as_bytes, seeds
from .interface import Case, Pairs, Task, TaskOptions


@dataclass(frozen=True, kw_only=True)
class Raw(Task):
    """Simulated shots of random cameras, taken before demosaicing; blind, as the raw track of SIDD+ is."""

    name: str = "raw"

    @property
    def level_range(self) -> None:
        """None: a blind task."""
        return None

    @property
    def cases(self) -> tuple[Case, ...]:
        """One camera at a low, a medium and a high ISO."""
        return tuple(Case(name=name) for name in ISO_GAINS)

    def drawn(self, clean_BCHW: Tensor, generator: torch.Generator) -> Pairs:
        """(B, 3, H, W) colour pictures -> pairs of (B, 4, H/2, W/2), every one by a camera of its own."""
        drawn = seeds(len(clean_BCHW), generator)
        return _pairs(clean_BCHW, [drawn_shot(seed, "camera") for seed in drawn])

    def of_cases(self, clean_BCHW: Tensor, cases: Sequence[Case], generator: torch.Generator) -> Pairs:
        """The same camera for every picture, at the case's ISO, with half of the sensor's range used."""
        drawn = seeds(len(clean_BCHW), generator)
        return _pairs(
            clean_BCHW,
            [shot_at_gain(ISO_GAINS[case.name], seed) for case, seed in zip(cases, drawn, strict=True)],
        )

    @classmethod
    def from_options(cls, options: TaskOptions) -> Self:
        """There is nothing to choose."""
        if options.scale != 1:
            raise UserError(f"--scale: got {options.scale}, but raw data keep their size; leave it out")
        if options.levels is not None or options.level_range is not None:
            raise UserError("--sigma: raw data have the noise of their cameras; leave it out")
        if options.quantised_share is not None:
            raise UserError("quantised share: raw data always have the whole numbers of their camera; leave it out")
        return cls()


def _pairs(clean_BCHW: Tensor, shots: Sequence[CameraShot]) -> Pairs:
    """What is odd at the right and below is cropped."""
    height, width = (side - side % 2 for side in clean_BCHW.shape[2:])
    pixels_BHWC = as_bytes(clean_BCHW[:, :, :height, :width])
    pairs = [shot.raw_pair(pixels) for shot, pixels in zip(shots, pixels_BHWC, strict=True)]
    degraded, clean = (
        torch.from_numpy(np.stack([pair[side] for pair in pairs])).to(clean_BCHW.device) for side in (0, 1)
    )
    return Pairs(degraded, clean, None)
