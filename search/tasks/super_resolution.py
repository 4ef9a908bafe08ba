"""Super-resolution: pictures made small bicubically, as MATLAB's imresize does it, are to become large again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from ...errors import UserError
from ..bicubic import resampling_matrix
from ..luma import Y_OF_BLACK, Y_WEIGHTS
from .denoise import quantised
from .interface import Case, Pairs, Task, TaskOptions

SCALES = (2, 3, 4)


@dataclass(frozen=True, kw_only=True)
class SuperResolution(Task):
    """Pictures reduced by one whole factor; what is not a multiple of it is cropped, at the right and below."""

    scale: int
    quantised_share: float = 1.0
    """Share of the small training patches that are rounded as an 8-bit file's are; those that are scored always are."""
    name: str = "super-resolution"
    same_when_turned: ClassVar[bool] = True
    usual_ssim_weight: ClassVar[float] = 0.6

    @property
    def level_range(self) -> None:
        """None: nothing has a strength."""
        return None

    @property
    def drawn_quantised_share(self) -> float:
        """As given."""
        return self.quantised_share

    @property
    def cases(self) -> tuple[Case, ...]:
        """The scale."""
        return (Case(name=f"x{self.scale}"),)

    def drawn(self, clean_BCHW: Tensor, generator: torch.Generator) -> Pairs:
        """Every patch reduced; `quantised_share` of them rounded."""
        clean = self._cropped(clean_BCHW)
        small = reduced(clean, self.scale)
        as_file = torch.rand(len(small), generator=generator, device=small.device) < self.quantised_share
        return Pairs(torch.where(as_file.reshape(-1, 1, 1, 1), quantised(small), small), clean, None)

    def of_cases(self, clean_BCHW: Tensor, cases: Sequence[Case], generator: torch.Generator) -> Pairs:
        """Reduced and rounded; nothing is random."""
        clean = self._cropped(clean_BCHW)
        return Pairs(quantised(reduced(clean, self.scale)), clean, None)

    @classmethod
    def from_options(cls, options: TaskOptions) -> Self:
        """The scale, and the share of small patches that are rounded to 8 bits."""
        if options.scale not in SCALES:
            raise UserError(
                f"--scale: got {options.scale}, super-resolution enlarges 2, 3 or 4 times; give one of them"
            )
        if options.levels is not None or options.level_range is not None:
            raise UserError("--sigma: super-resolution takes no noise level; leave it out")
        if options.quantised_share is None:
            return cls(scale=options.scale)
        return cls(scale=options.scale, quantised_share=options.quantised_share)

    def compared(self, output_BCHW: Tensor, clean_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Brightness without a border of `scale` pixels, as most published scores."""
        inside = slice(self.scale, -self.scale)
        output, clean = (luma(images)[:, :, inside, inside] for images in (output_BCHW, clean_BCHW))
        return output, clean

    def _cropped(self, clean_BCHW: Tensor) -> Tensor:
        height, width = (side - side % self.scale for side in clean_BCHW.shape[2:])
        return clean_BCHW[:, :, :height, :width]


def reduced(images_BCHW: Tensor, scale: int) -> Tensor:
    """(B, C, H, W), sides multiples of `scale`, to (B, C, H / scale, W / scale), clipped to 0..1; not rounded."""
    down, across = (
        torch.from_numpy(resampling_matrix(side, side // scale)).to(images_BCHW) for side in images_BCHW.shape[2:]
    )
    return (down @ images_BCHW @ across.T).clamp(0, 1)


def luma(images_BCHW: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) grey or RGB in 0..1 -> (B, 1, H, W) Y in 16/255 to 235/255."""
    weights = torch.tensor(Y_WEIGHTS, device=images_BCHW.device).reshape(1, 3, 1, 1)
    return Y_OF_BLACK + (images_BCHW * weights).sum(dim=1, keepdim=True)
