"""A pyramid network: a genotype's description as a torch module.

Shapes: B batch, C image channels, H, W image size, F features.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..image_input import maps_of_image
from ..image_output import ImageOutput
from .convolutions import ReparameterisedConvolution
from .layout import Layout, layout
from .resampling import UpStep, down_sampling
from .runs import Link, ResidualBlock, SingleBlock, run_of_blocks
from .space import End, Leave, NetworkDescription


class PlainEnd(nn.Module):
    """3x3 convolutions with ReLUs between, to the channels of the output's maps."""

    def __init__(self, plan: Layout, end: End) -> None:
        super().__init__()
        self.first = nn.ReLU() if plan.end_activated else nn.Identity()
        self.hidden = _convolutions((plan.end_channels, *end.channels), ends_with_relu=True)
        self.last = nn.Conv2d((plan.end_channels, *end.channels)[-1], plan.out_channels, 3, padding=1)

    def forward(self, x: Tensor, early: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, out, H, W); the stem's features are not used."""
        return self.last(self.hidden(self.first(x)))


class SeparableEnd(nn.Module):
    """HiNAS v2's end part: 1x1 of the features and of the stem's, separable convolutions, 3x3."""

    def __init__(self, plan: Layout, end: End) -> None:
        super().__init__()
        assert end.early_channels is not None
        self.first = nn.ReLU() if plan.end_activated else nn.Identity()
        self.from_features = nn.Conv2d(plan.end_channels, end.channels[0], 1)
        self.from_early = nn.Conv2d(plan.stem[-1], end.early_channels, 1)
        widths = (end.channels[0] + end.early_channels, *end.channels)
        self.separable = nn.Sequential(*(_separable(source, width) for source, width in pairwise(widths)))
        self.last = nn.Conv2d(widths[-1], plan.out_channels, 3, padding=1)

    def forward(self, x: Tensor, early: Tensor) -> Tensor:
        """(B, F, H, W) and (B, early, H, W) -> (B, out, H, W)."""
        features = self.from_features(self.first(x))
        return self.last(self.separable(torch.cat([features, self.from_early(early)], dim=1)))


class PyramidNetwork(nn.Module):
    """The whole network of a description; `conditioned` ones take sigma in grey levels 0..255 beside the image."""

    def __init__(self, description: NetworkDescription, channels: int, scale: int = 1) -> None:
        super().__init__()
        plan = layout(description, channels, scale)
        self.stride = plan.stride
        self.conditioned = description.conditioning is not None
        self.skips_leave: Leave = "exit" if description.steps is None else description.steps.skips_leave
        self.stem = _convolutions(plan.stem, ends_with_relu=plan.stem_activated)
        self.downs = nn.ModuleList(down_sampling(down) for down, _ in plan.descent if down is not None)
        self.runs = nn.ModuleList(run_of_blocks(run) for _, run in plan.descent)
        self.ups = nn.ModuleList(UpStep(up) for up, _ in plan.ascent)
        self.runs_after = nn.ModuleList(run_of_blocks(run) for _, run in plan.ascent)
        self.end = (PlainEnd if description.end.kind == "plain" else SeparableEnd)(plan, description.end)
        self.image = ImageOutput(channels, stride=plan.stride, scale=scale, residual=description.residual)

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None = None) -> Tensor:
        """Restore: (B, C, H, W) in 0..1 and, if conditioned, (B,) sigma in grey levels -> (B, C, H, W), not clipped.

        The output is `scale` times as high and wide. H and W are multiples of the stride, times two for each further
        level.
        """
        given = maps_of_image(noisy_BCHW, sigma_B, stride=self.stride, conditioned=self.conditioned)
        early = self.stem(given)
        entries, exits = [given], [self.runs[0](early)]
        for down, run in zip(self.downs, self.runs[1:], strict=True):
            entries.append(down(exits[-1]))
            exits.append(run(entries[-1]))
        x = exits.pop()
        skips = entries[:-1] if self.skips_leave == "entry" else exits
        for skip, up, run in zip(reversed(skips), self.ups, self.runs_after, strict=True):
            x = run(up(x, skip))
        return self.image(self.end(x, early), noisy_BCHW)


def _convolutions(widths: tuple[int, ...], *, ends_with_relu: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for source, width in pairwise(widths):
        layers += [nn.Conv2d(source, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*(layers if ends_with_relu else layers[:-1]))


def _separable(source: int, width: int) -> nn.Sequential:
    depthwise = nn.Conv2d(source, source, 3, padding=1, groups=source, bias=False)
    return nn.Sequential(depthwise, nn.Conv2d(source, width, 1), nn.ReLU())


def build(description: NetworkDescription, channels: int, scale: int = 1) -> PyramidNetwork:
    """The network of `description`, freshly initialised; `scale`: how many times it enlarges.

    A residual network starts as the identity: its last convolution is zero. Blocks that add to a state start by adding
    nothing (as SkipInit, De and Smith 2020, but without a scalar), so that depth does not hold back the learning.
    """
    network = PyramidNetwork(description, channels, scale)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            # Before 1x1 and 2x2 convolutions stands no ReLU. A transposed one sums over its inputs, one pixel each.
            is_linear = module.kernel_size[0] <= 2
            inputs = module.in_channels if isinstance(module, nn.ConvTranspose2d) else module.weight[0].numel()
            nn.init.normal_(module.weight, std=((1 if is_linear else 2) / inputs) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, ResidualBlock | SingleBlock | Link):
            _start_at_zero(module.last)
    for module in network.modules():
        if isinstance(module, ReparameterisedConvolution):
            module.start_as_3x3()
    if description.residual:
        nn.init.zeros_(network.end.last.weight)
    return network


def _start_at_zero(convolution: nn.Module) -> None:
    for module in convolution.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
