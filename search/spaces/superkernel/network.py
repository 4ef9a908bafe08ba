"""A superkernel network as a torch module: the compact network of a description, and the same net for a search.

Shapes: B batch, C image channels, H, W image size, F features.
"""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..image_input import maps_of_image
from ..image_output import ImageOutput
from .dense_block import ChannelAttention, DenseBlock, SkipInitConvolution, activation
from .layout import Block, Level, Subnetwork, layout
from .space import BaseNet, NetworkDescription, Slice

SliceMaker = Callable[[int, Slice], nn.Module]
"""(channels in, slice) -> a convolution with its activation."""


class SuperkernelNetwork(nn.Module):
    """The whole network; `conditioned` ones take sigma in grey levels 0..255 beside the image."""

    def __init__(self, description: NetworkDescription, channels: int, make: SliceMaker) -> None:
        super().__init__()
        plan = layout(description, channels)
        self.stride = description.stride
        self.conditioned = description.conditioning is not None
        self.subnetworks = nn.ModuleList(UNet(part, plan.in_channels, description, make) for part in plan.subnetworks)
        features = description.subnetworks * description.width
        self.attention = ChannelAttention(features) if description.base == "multi_attentional" else nn.Identity()
        self.end = nn.Conv2d(features, plan.out_channels, 3, padding=1)
        self.image = ImageOutput(channels, stride=self.stride, scale=1, residual=description.residual)

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None = None) -> Tensor:
        """Denoise: (B, C, H, W) in 0..1 and, if conditioned, (B,) sigma in grey levels -> (B, C, H, W), not clipped.

        H and W are multiples of the stride of the lowest level.
        """
        x = maps_of_image(noisy_BCHW, sigma_B, stride=self.stride, conditioned=self.conditioned)
        features = torch.cat([subnetwork(x) for subnetwork in self.subnetworks], dim=1)
        return self.image(self.end(self.attention(features)), noisy_BCHW)

    @property
    def dense_blocks(self) -> list[tuple[str, DenseBlock]]:
        """With their names, in the order of the data."""
        return [(name, part) for name, part in self.named_modules() if isinstance(part, DenseBlock)]


class UNet(nn.Module):
    """Encoder levels of 3x3 and DCR blocks, decoder levels of the joint with the skip and DCR blocks.

    2x2 convolutions of stride 2 lead down, 1x1 convolutions with PixelShuffle up. A skip is concatenated and, in a
    multi-attentional net, weighed by channel attention; a 1x1 convolution brings both to the level's width.
    """

    def __init__(self, plan: Subnetwork, in_channels: int, net: BaseNet, make: SliceMaker) -> None:
        super().__init__()
        widths = [level.width for level in plan.descent]
        # The order of the data, which is that of a description's slices.
        self.encoders = nn.ModuleList(
            nn.Sequential(
                _entry(widths[index - 1] if index else in_channels, level, net, is_first=index == 0),
                *_blocks(level, net, make),
            )
            for index, level in enumerate(plan.descent)
        )
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(below, 4 * level.width, 1), nn.PixelShuffle(2))
            for below, level in zip(reversed(widths[1:]), plan.ascent, strict=True)
        )
        self.decoders = nn.ModuleList(
            nn.Sequential(_joint(level, net), *_blocks(level, net, make)) for level in plan.ascent
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, F, H, W)."""
        exits: list[Tensor] = []
        for encoder in self.encoders:
            x = encoder(x)
            exits.append(x)
        for up, decoder, skip in zip(self.ups, self.decoders, reversed(exits[:-1]), strict=True):
            x = decoder(torch.cat([up(x), skip], dim=1))
        return x


def _entry(in_channels: int, level: Level, net: BaseNet, *, is_first: bool) -> nn.Sequential:
    """Down to the level, unless it is the first, then 3x3 and the activation."""
    down = [] if is_first else [nn.Conv2d(in_channels, level.width, 2, stride=2)]
    source = in_channels if is_first else level.width
    return nn.Sequential(*down, nn.Conv2d(source, level.width, 3, padding=1), activation(net.activation))


def _joint(level: Level, net: BaseNet) -> nn.Sequential:
    attention = [ChannelAttention(2 * level.width)] if net.base == "multi_attentional" else []
    return nn.Sequential(*attention, nn.Conv2d(2 * level.width, level.width, 1))


def _blocks(level: Level, net: BaseNet, make: SliceMaker) -> list[DenseBlock]:
    return [_block(block, net, make) for block in level.blocks]


def _block(block: Block, net: BaseNet, make: SliceMaker) -> DenseBlock:
    first, second, last = block.inputs
    if net.base == "skipinit":
        restoring: nn.Module = SkipInitConvolution(last, block.width)
    else:
        # Figure 3: an activation behind each of the three.
        restoring = nn.Sequential(nn.Conv2d(last, block.width, 3, padding=1), activation(net.activation))
    return DenseBlock(make(first, block.first), make(second, block.second), restoring)


def build(description: NetworkDescription, channels: int) -> SuperkernelNetwork:
    """The compact network of `description`, freshly initialised."""

    def convolution(in_channels: int, chosen: Slice) -> nn.Module:
        kernel = chosen.kernel
        plain = nn.Conv2d(in_channels, chosen.filters, kernel, padding=kernel // 2)
        # The names of a superkernel's parts.
        return nn.Sequential(OrderedDict(convolution=plain, activation=activation(description.activation)))

    return initialised(SuperkernelNetwork(description, channels, convolution))


@torch.no_grad()
def initialised(network: SuperkernelNetwork) -> SuperkernelNetwork:
    """Fresh values: a residual network starts as the identity, its last convolution being zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            # 1x1 and 2x2 convolutions have no activation behind them.
            gain = 1 if module.kernel_size[0] <= 2 else 2
            nn.init.normal_(module.weight, std=(gain / module.weight[0].numel()) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for _, block in network.dense_blocks:
        if isinstance(block.last, nn.Sequential):
            # Branches without a scalar start small, so that depth does not blow the features up.
            for parameter in block.last[:1].parameters():
                parameter.mul_(0.5)
    if network.image.residual:
        nn.init.zeros_(network.end.weight)
    return network
