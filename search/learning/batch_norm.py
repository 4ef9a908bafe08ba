"""Batch norm by a batch's own statistics, as supernets have it: no running means of what no network will be.

Shapes: B batch, F features, H, W size of the maps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .distributed import batch_mean


def normalised(x_BFHW: Tensor, scale_F: Tensor | None = None, shift_F: Tensor | None = None) -> Tensor:
    """Batch norm by this batch's own statistics, that of all processes; scaled and shifted where that is given."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # torch's own synchronised batch norm needs CUDA.
        centred = x_BFHW - batch_mean(x_BFHW.float())[:, None, None]
        factor = (batch_mean(centred * centred) + 1e-5).rsqrt()
        factor = factor if scale_F is None else factor * scale_F
        scaled = centred * factor[:, None, None]
        return (scaled if shift_F is None else scaled + shift_F[:, None, None]).to(x_BFHW.dtype)
    # On the CPU the backward pass of channels-last maps reads a scale as if it were contiguous, whatever its strides:
    # one that was expanded gives gradients out of foreign memory (torch 2.13).
    scale = None if scale_F is None else scale_F.contiguous()
    return F.batch_norm(x_BFHW, None, None, weight=scale, bias=shift_F, training=True)


class BatchNormOfBatch(nn.Module):
    """Batch norm with a scale and a shift that learn; its parameters are named as those of `nn.BatchNorm2d`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, F, H, W)."""
        return normalised(x, self.weight, self.bias)
