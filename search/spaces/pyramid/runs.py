"""Blocks one after the other: what happens at one level on the way down or up.

Shapes: B batch, F features, H, W size of the level's maps.
"""

from collections import OrderedDict

from torch import Tensor, nn

from .convolutions import convolution
from .layout import Run


class ResidualBlock(nn.Module):
    """x + conv(act(conv(x)))."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.first = convolution(run.convolution, run.channels, run.channels)
        self.activation = nn.ReLU()
        self.last = convolution(run.convolution, run.channels, run.channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, F, H, W)."""
        return x + self.last(self.activation(self.first(x)))


class SingleBlock(nn.Module):
    """x + conv(act(x))."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.activation = nn.ReLU()
        self.last = convolution(run.convolution, run.channels, run.channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, F, H, W)."""
        return x + self.last(self.activation(x))


class Link(nn.Module):
    """One block of a chain: conv(act(previous)) + before; a squeezed one begins both with a 1x1 convolution."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        squeezed = run.kind == "squeezed_chain"
        self.squeeze_previous = nn.Conv2d(run.channels, run.channels, 1) if squeezed else nn.Identity()
        self.squeeze_before = nn.Conv2d(run.channels, run.channels, 1) if squeezed else nn.Identity()
        self.activation = nn.ReLU()
        self.last = convolution(run.convolution, run.channels, run.channels)

    def forward(self, previous_BFHW: Tensor, before_BFHW: Tensor) -> Tensor:
        """Two (B, F, H, W) -> (B, F, H, W)."""
        return self.last(self.activation(self.squeeze_previous(previous_BFHW))) + self.squeeze_before(before_BFHW)


class ChainRun(nn.Module):
    """Links, each given the last two outputs; what enters stands for both at first."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.links = nn.ModuleList(Link(run) for _ in range(run.count))

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, F, H, W)."""
        before = previous = x
        for link in self.links:
            before, previous = previous, link(previous, before)
        return previous


def run_of_blocks(run: Run) -> nn.Module:
    """The blocks of a run; (B, in, H, W) -> (B, out, H, W)."""
    match run.kind:
        case "residual":
            return nn.Sequential(*(ResidualBlock(run) for _ in range(run.count)))
        case "single":
            return nn.Sequential(*(SingleBlock(run) for _ in range(run.count)))
        case "chain" | "squeezed_chain":
            return ChainRun(run)
        case "plain":
            return nn.Sequential(
                *(_plain(run, run.channels if index else run.in_channels) for index in range(run.count))
            )


def _plain(run: Run, in_channels: int) -> nn.Module:
    """act(conv(x))."""
    layers = {"last": convolution(run.convolution, in_channels, run.channels), "activation": nn.ReLU()}
    return nn.Sequential(OrderedDict(layers))
