"""What the network that a search will end as is expected to cost: its blocks, and how far it sees.

Superkernels are independent of each other, and blocks grow with products of filters of different ones. So with the
expected filters of each the expectations are exact, but for the pieces that a decided network rounds up.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..interface import Block
from .blocks import Filters, work
from .receptive_field import geometry
from .search_settings import Settings


def expected_blocks(shares: Sequence[Tensor], settings: Settings, channels: int) -> Mapping[Block, Tensor]:
    """Expected counts, scalars that carry gradients to the logits; each share is a superkernel's (K, F)."""
    slices: list[Filters] = [dict(zip(settings.kernels, share.sum(1), strict=True)) for share in shares]
    return {
        block: torch.as_tensor(count, dtype=torch.float32) for block, count in work(settings, slices, channels).items()
    }


def expected_halo(shares: Sequence[Tensor], settings: Settings) -> Tensor:
    """Image pixels to one side, a scalar that carries gradients to the logits.

    Every convolution adds its radius times its stride to what the largest network's halo says; of subnetworks the
    furthest-seeing one counts.
    """
    largest = settings.kernels[-1] // 2
    radii = torch.tensor([float(kernel // 2 - largest) for kernel in settings.kernels])
    less = torch.stack(
        [
            settings.level_stride(level) * (share.sum(1) * radii.to(share)).sum() / share.sum()
            for level, share in zip(settings.slice_levels, shares, strict=True)
        ]
    )
    of_each_subnetwork = less.reshape(settings.subnetworks, -1).sum(1)
    return geometry(settings.largest()).halo + of_each_subnetwork.max()
