"""The ways between levels: down by half, up by two with the skip that joins there.

Shapes: B batch, F features, H, W size of the maps that come in.
"""

import torch
from torch import Tensor, nn

from .layout import Down, Up


def down_sampling(down: Down) -> nn.Module:
    """(B, in, H, W) -> (B, out, H / 2, W / 2)."""
    match down.kind:
        case "strided":
            return nn.Conv2d(down.in_channels, down.channels, 2, stride=2)
        case "unshuffle":
            return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * down.in_channels, down.channels, 1))
        case "max_pool":
            return nn.Sequential(nn.MaxPool2d(2), _widened(down.in_channels, down.channels))


def up_sampling(up: Up) -> nn.Module:
    """(B, in, H, W) -> (B, out, 2 * H, 2 * W)."""
    match up.kind:
        case "shuffle":
            return nn.Sequential(nn.Conv2d(up.in_channels, 4 * up.channels, 1), nn.PixelShuffle(2))
        case "transposed":
            return nn.ConvTranspose2d(up.in_channels, up.channels, 2, stride=2)
        case "nearest":
            # The convolution comes first: there are four times fewer pixels then.
            return nn.Sequential(_widened(up.in_channels, up.channels), nn.Upsample(scale_factor=2.0, mode="nearest"))


class UpStep(nn.Module):
    """Up to the next level, where the skip is added or concatenated."""

    def __init__(self, up: Up) -> None:
        super().__init__()
        self.up = up_sampling(up)
        self.join = up.join
        self.fuse = nn.Identity() if up.fused is None else nn.Conv2d(up.joined_channels, up.fused, 1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, in, H, W) and (B, skip, 2 * H, 2 * W) -> (B, out, 2 * H, 2 * W)."""
        x = self.up(x)
        return self.fuse(x + skip if self.join == "add" else torch.cat([x, skip], dim=1))


def _widened(in_channels: int, channels: int) -> nn.Module:
    return nn.Identity() if in_channels == channels else nn.Conv2d(in_channels, channels, 1)
