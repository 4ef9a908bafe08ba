"""The compact CLEARER network: a genotype's description as a torch module.

Shapes: B batch, C image channels, H, W image size.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from ..image_input import maps_of_image
from ..image_output import ImageOutput
from .modules import Bottleneck, Branches, Norm, Reception, ResidualBlock, Transition, module_of
from .space import NetworkDescription, Stem

Stages = Iterable[Iterable[Callable[[Branches], Branches]]]


class Frame(nn.Module):
    """All that no search decides: the stem, the transitions, and behind the last stage the way back to an image."""

    def __init__(self, description: NetworkDescription, channels: int, norm: Norm, *, last_scale: float = 1.0) -> None:
        super().__init__()
        self.last_scale = last_scale
        self.stride = description.stride
        self.conditioned = description.conditioning is not None
        widths, image_channels = description.widths, channels * self.stride**2
        stem = _stem_channels(image_channels + int(self.conditioned), description.stem)
        self.stem = nn.Sequential(*(Bottleneck(given, description.stem, norm) for given in stem[:-1]))
        entries = (stem[-1], *widths[1:-1])
        self.transitions = nn.ModuleList(
            Transition(given, widths[: 2 + stage], norm) for stage, given in enumerate(entries)
        )
        self.fuse = Reception(widths, 0, norm)
        self.last = nn.Conv2d(widths[0], image_channels, 1, bias=False)
        self.image = ImageOutput(channels, stride=self.stride, scale=1, residual=description.residual)

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None, stages: Stages) -> Tensor:
        """Denoise with these modules in the stages: (B, C, H, W) in 0..1, sigma in grey levels -> (B, C, H, W)."""
        x = maps_of_image(noisy_BCHW, sigma_B, stride=self.stride, conditioned=self.conditioned)
        branches = [self.stem(x)]
        for transition, modules in zip(self.transitions, stages, strict=True):
            branches = transition(branches)
            for module in modules:
                branches = module(branches)
        out = self.last(self.fuse(branches))
        return self.image(out if self.last_scale == 1 else self.last_scale * out, noisy_BCHW)


class ClearerNetwork(nn.Module):
    """The whole network of a description; `conditioned` ones take sigma in grey levels 0..255 beside the image."""

    def __init__(self, description: NetworkDescription, channels: int, norm: Norm) -> None:
        super().__init__()
        self.frame = Frame(description, channels, norm)
        self.stages = nn.ModuleList(
            nn.ModuleList(module_of(kind, description.widths[: 2 + stage], norm) for kind in kinds)
            for stage, kinds in enumerate(description.stages)
        )

    @property
    def output_convolution(self) -> nn.Conv2d:
        """The one that makes the image; the modules of the stages are registered behind it."""
        return self.frame.last

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None = None) -> Tensor:
        """Denoise: (B, C, H, W) in 0..1 and, if conditioned, (B,) sigma in grey levels -> (B, C, H, W), not clipped.

        H and W are multiples of the coarsest branch's stride.
        """
        return self.frame(noisy_BCHW, sigma_B, self.stages)  # pyright: ignore[reportArgumentType]


def build(description: NetworkDescription, channels: int) -> ClearerNetwork:
    """The network of `description`, freshly initialised; a residual one starts as the identity."""
    network = ClearerNetwork(description, channels, nn.BatchNorm2d if description.normalisation == "batch" else None)
    initialise(network)
    if description.normalisation == "none":
        _tame(network)
    if description.residual:
        nn.init.zeros_(network.frame.last.weight)
    return network


def initialise(network: nn.Module) -> None:
    """Fresh kernels, and biases of zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@torch.no_grad()
def _tame(network: ClearerNetwork) -> None:
    """Without norms, let what is added to a branch start at a small scale, so that depth does not blow it up."""
    for module in network.modules():
        if isinstance(module, ResidualBlock | Bottleneck):
            _last_kernel(module.last).mul_(0.5)
        elif isinstance(module, Reception):
            for source, way in enumerate(module.ways):
                if source != module.branch:
                    _last_kernel(way).mul_(0.5 / (len(module.ways) - 1) ** 0.5)


def _last_kernel(part: nn.Module) -> Tensor:
    return [module for module in part.modules() if isinstance(module, nn.Conv2d)][-1].weight


def _stem_channels(given: int, stem: Stem) -> Sequence[int]:
    """In front of every block of the stem, and behind the last."""
    return (given, *(stem.channels * stem.expansion,) * stem.blocks)
