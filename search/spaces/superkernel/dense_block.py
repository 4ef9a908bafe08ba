"""The parts of a level: densely connected residual blocks, and channel attention.

Shapes: B batch, F features, H, W size of the level's maps.
"""

import torch
from torch import Tensor, nn

from ..folding import Foldable
from .space import Activation


def activation(kind: Activation) -> nn.Module:
    """A fresh one: PReLU has a slope of its own to learn."""
    return nn.ReLU() if kind == "relu" else nn.PReLU()


class DenseBlock(nn.Module):
    """x plus what three densely connected convolutions make of it; the first two come with their activations."""

    def __init__(self, first: nn.Module, second: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, F, H, W)."""
        known = torch.cat([x, self.first(x)], dim=1)
        return x + self.last(torch.cat([known, self.second(known)], dim=1))


class SkipInitConvolution(Foldable):
    """A 3x3 convolution times a learnt scalar that starts at 0, so that a block begins as the identity (SkipInit)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        return self.scale * self.convolution(x)

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """The scaled kernel and biases."""
        source = self.convolution
        assert source.bias is not None
        one = nn.Conv2d(source.in_channels, source.out_channels, 3, padding=1).to(source.weight)
        assert one.bias is not None
        one.weight.copy_(self.scale * source.weight)
        one.bias.copy_(self.scale * source.bias)
        return one


class ChannelAttention(nn.Module):
    """Each channel times a factor that the means of all channels decide (RCAN's, with a 16th of the channels between).

    It sees the whole image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(1, channels // 16)
        self.factors = nn.Sequential(
            nn.Conv2d(channels, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, F, H, W)."""
        return x * self.factors(x.mean((2, 3), keepdim=True))
