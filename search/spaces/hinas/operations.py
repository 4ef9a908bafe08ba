"""The candidate operations of HiNAS v1 and v2, one table for every network built from them.

Each convolution operation of the paper is LeakyReLU(0.2) -> convolution -> batch norm. Its first activation is the
same for all edges that leave a state, so the cell applies it and an operation starts at its convolution.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .space import Activation, Operation

NEGATIVE_SLOPE = 0.2


def activation(name: Activation) -> nn.Module:
    """The non-linearity in front of every convolution of a cell."""
    return nn.ReLU() if name == "relu" else nn.LeakyReLU(NEGATIVE_SLOPE)


def normalisation(norm: str, channels: int) -> list[nn.Module]:
    """The layers behind a convolution: batch norm, or nothing (the convolution then has a bias)."""
    return [nn.BatchNorm2d(channels)] if norm == "batch" else []


def convolution(in_channels: int, out_channels: int, kernel: int, *, norm: str, dilation: int = 1) -> list[nn.Module]:
    """A size-keeping convolution and its normalisation."""
    return [
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            bias=norm == "none",
        ),
        *normalisation(norm, out_channels),
    ]


def _separable(width: int, kernel: int, *, norm: str) -> list[nn.Module]:
    depthwise = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width, bias=False)
    return [depthwise, *convolution(width, width, 1, norm=norm)]


def operation(name: Operation, width: int, *, norm: str, act: Activation, offset_limit: int | None) -> nn.Module:
    """The operation `name` on a `width`-channel map that the cell has activated; `skip` is the identity."""
    match name:
        case "skip":
            return nn.Identity()
        case "conv_3x3":
            return nn.Sequential(*convolution(width, width, 3, norm=norm))
        case "dil_3x3":
            return nn.Sequential(*convolution(width, width, 3, norm=norm, dilation=2))
        case "dil_5x5":
            return nn.Sequential(*convolution(width, width, 5, norm=norm, dilation=2))
        case "def_3x3":
            return nn.Sequential(Deformation(width, offset_limit), *convolution(9 * width, width, 1, norm=norm))
        case "sep_3x3" | "sep_5x5":
            kernel = 3 if name == "sep_3x3" else 5
            return nn.Sequential(
                *_separable(width, kernel, norm=norm),
                activation(act),
                *_separable(width, kernel, norm=norm),
            )


_TAPS = 9


class Deformation(nn.Module):
    """What the nine taps of a 3x3 kernel see, each moved aside and weighted as two convolutions of the input say.

    The sampling of a modulated deformable convolution (arXiv 1811.11168, HiNAS v1): a 1x1 convolution of the result is
    that convolution. It is bilinear sampling, which all engines have, so training and export compute the same. With
    `limit` a tap moves by at most so many pixels along each side.
    """

    tap_rows: Tensor
    tap_columns: Tensor

    def __init__(self, channels: int, limit: int | None) -> None:
        super().__init__()
        self.limit = limit
        self.offsets = nn.Conv2d(channels, 2 * _TAPS, 3, padding=1)
        self.weights = nn.Conv2d(channels, _TAPS, 3, padding=1)
        taps = torch.arange(_TAPS)
        self.register_buffer("tap_rows", (taps // 3 - 1).float().reshape(-1, 1, 1), persistent=False)
        self.register_buffer("tap_columns", (taps % 3 - 1).float().reshape(-1, 1, 1), persistent=False)

    def forward(self, x_BFHW: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, 9 * F, H, W), the taps of a channel side by side; outside the map is zero."""
        height, width = x_BFHW.shape[2:]
        offsets = self.offsets(x_BFHW)
        if self.limit is not None:
            offsets = self.limit * torch.tanh(offsets)
        down_BTHW, right_BTHW = offsets.chunk(2, dim=1)
        # Not in the map's own type: under mixed precision it has no whole numbers above 256.
        rows = torch.arange(height, device=x_BFHW.device, dtype=self.tap_rows.dtype).reshape(-1, 1)
        columns = torch.arange(width, device=x_BFHW.device, dtype=self.tap_rows.dtype)
        # Positions from -1 to 1 between the outer edges of the outer pixels, as grid_sample has them.
        y = (2 * (rows + self.tap_rows + down_BTHW) + 1) / height - 1
        x = (2 * (columns + self.tap_columns + right_BTHW) + 1) / width - 1
        grid = torch.stack([x, y], dim=-1).flatten(1, 2)
        seen = F.grid_sample(x_BFHW, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        weighted = seen.unflatten(2, (_TAPS, height)) * torch.sigmoid(self.weights(x_BFHW))[:, None]
        return weighted.flatten(1, 2)


@torch.no_grad()
def start_as_convolutions(network: nn.Module) -> None:
    """Let no tap of any deformable convolution be moved at first, and all weigh the same."""
    for module in network.modules():
        if isinstance(module, Deformation):
            for convolution in (module.offsets, module.weights):
                convolution.weight.zero_()
                assert convolution.bias is not None
                convolution.bias.zero_()
