"""What a relaxed architecture is expected to cost: its blocks and its halo, for latency-aware search.

Where every place has decided, both are exactly those of the compact network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..interface import Block
from .blocks import frame_block, module_block
from .receptive_field import PARALLEL_RADIUS
from .search_settings import MODULES, Settings


def expected_blocks(probabilities_SMK: Tensor, settings: Settings, channels: int) -> Mapping[Block, Tensor]:
    """Expected counts, scalars with gradients to the (stages, modules, 2) probabilities."""
    shape = settings.of_one_kind("parallel")
    counts = {frame_block(shape, channels): torch.ones(()).to(probabilities_SMK)}
    for stage, of_stage in enumerate(probabilities_SMK.sum(1)):
        for kind, count in zip(MODULES, of_stage, strict=True):
            counts[module_block(shape, kind, stage)] = count
    return counts


def expected_halo(probabilities_SMK: Tensor, settings: Settings) -> Tensor:
    """Image pixels to one side, a scalar with gradients to the (stages, modules, 2) probabilities.

    Behind each place every pixel sees as far as the mean of what it would see behind either module.
    """
    shape = settings.of_one_kind("parallel")
    stem = _Seen.of_image(shape.stride, period=shape.strides[-1], like=probabilities_SMK)
    stem = stem.convolved(shape.stem.blocks)
    branches = [stem.convolved(1)]
    opened = stem
    for of_stage in probabilities_SMK:
        branches.append(opened.halved())
        for parallel, fusion in of_stage:
            alone = [seen.convolved(PARALLEL_RADIUS) for seen in branches]
            together = [_fused(branches, branch) for branch in range(len(branches))]
            branches = [one.mixed(parallel, fusion, other) for one, other in zip(alone, together, strict=True)]
        opened = branches[-1]
    return _fused(branches, 0).halo


@dataclass(frozen=True)
class _Seen:
    """`view.View` with expectations in place of whole numbers: the first and last image pixel each pixel sees."""

    first: Tensor
    last: Tensor
    period: int

    @staticmethod
    def of_image(stride: int, *, period: int, like: Tensor) -> "_Seen":
        """Of blocks of image pixels."""
        first = torch.arange(0, period, stride, dtype=like.dtype, device=like.device)
        return _Seen(first, first + stride - 1, period)

    def convolved(self, radius: int) -> "_Seen":
        """Behind a convolution of that radius."""
        pixels = torch.arange(len(self.first), device=self.first.device)
        return _Seen(self._at(self.first, pixels - radius), self._at(self.last, pixels + radius), self.period)

    def halved(self) -> "_Seen":
        """Behind a 3x3 convolution of stride 2."""
        seen = self.convolved(1)
        return _Seen(seen.first[::2], seen.last[::2], self.period)

    def repeated(self, times: int) -> "_Seen":
        """Each pixel over a block."""
        return _Seen(self.first.repeat_interleave(times), self.last.repeat_interleave(times), self.period)

    def mixed(self, weight: Tensor, other_weight: Tensor, other: "_Seen") -> "_Seen":
        """The mean of both, by their weights."""
        first = weight * self.first + other_weight * other.first
        return _Seen(first, weight * self.last + other_weight * other.last, self.period)

    @property
    def halo(self) -> Tensor:
        """How far the image pixels see."""
        stride = self.period // len(self.first)
        own = torch.arange(0, self.period, stride, device=self.first.device)
        return torch.maximum((self.last - own).max(), (own + stride - 1 - self.first).max())

    def _at(self, values: Tensor, pixels: Tensor) -> Tensor:
        count = len(values)
        return values[pixels % count] + pixels.div(count, rounding_mode="floor") * self.period


def _fused(branches: Sequence[_Seen], branch: int) -> _Seen:
    received: list[_Seen] = []
    for source, seen in enumerate(branches):
        for _ in range(branch - source):
            seen = seen.halved()
        received.append(seen.repeated(2 ** max(0, source - branch)))
    first = torch.stack([seen.first for seen in received]).amin(0)
    last = torch.stack([seen.last for seen in received]).amax(0)
    return _Seen(first, last, branches[0].period)
