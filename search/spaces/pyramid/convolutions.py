"""The convolutions of a level's blocks, one of them in parallel branches that fold into one."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..folding import Foldable
from .space import Convolution


class ReparameterisedConvolution(Foldable):
    """3x3 and 1x1 side by side, and the identity where the channels agree (RepVGG, arXiv 2101.03697, without norms)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv_3x3 = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.conv_1x1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.has_identity = in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        out = self.conv_3x3(x) + self.conv_1x1(x)
        return out + x if self.has_identity else out

    @torch.no_grad()
    def start_as_3x3(self) -> None:
        """Compute what the 3x3 convolution alone computes now: the other branches start at nothing in sum."""
        self.conv_1x1.weight.zero_()
        if self.has_identity:
            self.conv_3x3.weight.sub_(nn.init.dirac_(torch.empty_like(self.conv_3x3.weight)))

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """One 3x3 convolution."""
        kernel = self.conv_3x3.weight + F.pad(self.conv_1x1.weight, (1, 1, 1, 1))
        if self.has_identity:
            kernel = kernel + nn.init.dirac_(torch.empty_like(kernel))
        bias = self.conv_3x3.bias
        assert bias is not None
        one = nn.Conv2d(self.conv_3x3.in_channels, self.conv_3x3.out_channels, 3, padding=1).to(kernel)
        one.weight.copy_(kernel)
        one.bias.copy_(bias)  # pyright: ignore[reportOptionalMemberAccess]
        return one


def convolution(kind: Convolution, in_channels: int, channels: int) -> nn.Module:
    """A size-keeping convolution with a bias."""
    if kind == "reparameterised":
        return ReparameterisedConvolution(in_channels, channels)
    kernel = 5 if kind == "5x5" else 3
    return nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2)
