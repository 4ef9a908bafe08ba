"""Photographs as cameras develop them: their noise and their compression, never the camera's look, are taken away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError
from ..camera.development import LUMA
from ..camera.random_shots import ISO_GAINS, drawn_shot, shot_at_gain
from ..camera.shot import CameraShot, level_of
from .interface import Case, Pairs, Task, TaskOptions


@dataclass(frozen=True, kw_only=True)
class Camera(Task):
    """Simulated shots of random cameras, mixed with white noise, JPEG alone and clean pictures."""

    range: tuple[float, float] = (0.0, 30.0)
    """Grey levels 0..255 that a network is told; weaker and stronger pairs are told as the ends."""
    name: str = "camera"
    same_when_turned: ClassVar[bool] = True

    @property
    def level_range(self) -> tuple[float, float]:
        """The RMS of what is to be taken away."""
        return self.range

    @property
    def cases(self) -> tuple[Case, ...]:
        """One camera at a low, a medium and a high ISO; the level is measured on each picture."""
        return tuple(Case(name=name) for name in ISO_GAINS)

    def drawn(self, clean_BCHW: Tensor, generator: torch.Generator) -> Pairs:
        """A shot of its own for every patch; the clean side is developed too."""
        return self._pairs(clean_BCHW, [drawn_shot(seed) for seed in seeds(len(clean_BCHW), generator)])

    def of_cases(self, clean_BCHW: Tensor, cases: Sequence[Case], generator: torch.Generator) -> Pairs:
        """The same camera and development for every picture, at the case's ISO."""
        drawn = seeds(len(clean_BCHW), generator)
        shots = [shot_at_gain(ISO_GAINS[case.name], seed) for case, seed in zip(cases, drawn, strict=True)]
        return self._pairs(clean_BCHW, shots)

    @classmethod
    def from_options(cls, options: TaskOptions) -> Self:
        """Cameras, noise and shares are the noise model's own; an option only bounds what a network is told."""
        if options.scale != 1:
            raise UserError(f"--scale: got {options.scale}, but camera noise keeps the size; leave it out")
        if options.levels is not None:
            raise UserError("--sigma: camera noise has the levels of its cameras; leave it out, or give a range")
        if options.quantised_share is not None:
            raise UserError("quantised share: camera noise is always stored as an 8-bit file; leave it out")
        return cls() if options.level_range is None else cls(range=options.level_range)

    def _pairs(self, clean_BCHW: Tensor, shots: Sequence[CameraShot]) -> Pairs:
        channels, device = clean_BCHW.shape[1], clean_BCHW.device
        pixels_BHWC = as_bytes(clean_BCHW)
        pairs = [shot.pair(pixels) for shot, pixels in zip(shots, pixels_BHWC, strict=True)]
        if channels == 1:
            pairs = [(_luma(degraded), _luma(clean)) for degraded, clean in pairs]
        low, high = self.range
        level_B = torch.tensor([min(max(level_of(*pair), low), high) for pair in pairs], device=device)
        degraded, clean = (np.stack([pair[side] for pair in pairs]) for side in (0, 1))
        return Pairs(_as_batch(degraded, device), _as_batch(clean, device), level_B)


def seeds(number: int, generator: torch.Generator) -> list[int]:
    """One for each shot."""
    return torch.randint(2**62, (number,), generator=generator, device=generator.device).tolist()


def as_bytes(clean_BCHW: Tensor) -> np.ndarray:
    """(B, H, W, 3) uint8 of grey or colour pictures in 0..1."""
    pixels_BHWC = (clean_BCHW.detach().cpu().permute(0, 2, 3, 1) * 255).round().clamp(0, 255).byte()
    return pixels_BHWC.expand(-1, -1, -1, 3).numpy()


def _luma(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels @ LUMA).astype(np.uint8)[..., None]


def _as_batch(pixels_BHWC: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(pixels_BHWC).to(device).permute(0, 3, 1, 2).float() / 255
