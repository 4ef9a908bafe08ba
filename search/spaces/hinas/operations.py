"""The candidate operations of HiNAS v1 and v2, one table for every network built from them.

Each convolution operation of the paper is LeakyReLU(0.2) -> convolution -> batch norm. Its first activation is the
same for all edges that leave a state, so the cell applies it and an operation starts at its convolution.
"""

from torch import nn

from .deformation import Deformation
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
