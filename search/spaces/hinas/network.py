"""The compact HiNAS network: a genotype's description as a torch module.

Shapes: B batch, C image channels, H, W image size, F features; x_BCHW is an image, f_BFHW a feature map at the
cells' resolution.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..image_input import maps_of_image
from ..image_output import ImageOutput
from .operations import NEGATIVE_SLOPE, activation, convolution, normalisation, operation, start_as_convolutions
from .space import Activation, Cell, NetworkDescription, Squeeze


@dataclass(frozen=True)
class Layer:
    """A layer's output: its channels, and the pixels of the stem's maps per pixel of its own."""

    channels: int
    stride: int


class CellNetwork(nn.Module):
    """One cell (HiNAS v2, Eq. 3): both inputs squeezed to the cell's width, nodes summed, outputs concatenated."""

    def __init__(
        self,
        cell: Cell,
        *,
        own: Layer,
        previous: Layer,
        before_previous: Layer,
        squeezes: Squeeze,
        norm: str,
        act: Activation,
        offset_limit: int | None,
    ) -> None:
        super().__init__()
        width = own.channels
        self.sources = [(first[1], second[1]) for first, second in cell.nodes]
        read = {source for node in self.sources for source in node}
        # A layer that no node reads is not squeezed either.
        self.squeeze_previous = input_of(previous, own, squeezes=squeezes, norm=norm) if 0 in read else None
        self.squeeze_before = input_of(before_previous, own, squeezes=squeezes, norm=norm) if 1 in read else None
        self.activation = activation(act)
        self.edges = nn.ModuleList(
            nn.ModuleList(operation(name, width, norm=norm, act=act, offset_limit=offset_limit) for name, _ in node)
            for node in cell.nodes
        )
        self.output = Layer(width * len(cell.nodes), own.stride)

    def forward(self, previous_BFHW: Tensor, before_BFHW: Tensor) -> Tensor:
        """(B, F0, H0, W0) and (B, F1, H1, W1) -> (B, nodes * width, H, W)."""
        states: dict[int, Tensor] = {}
        if self.squeeze_previous is not None:
            states[0] = self.squeeze_previous(previous_BFHW)
        if self.squeeze_before is not None:
            states[1] = self.squeeze_before(before_BFHW)
        activated: dict[int, Tensor] = {}

        def value(edge: nn.Module, source: int) -> Tensor:
            if isinstance(edge, nn.Identity):
                return states[source]
            # Every convolution edge begins with the same activation: one per state, not one per edge.
            if source not in activated:
                activated[source] = self.activation(states[source])
            return edge(activated[source])

        for index, ((first, second), edges) in enumerate(zip(self.sources, self.edges, strict=True)):
            left, right = edges.children()
            states[2 + index] = value(left, first) + value(right, second)
        return torch.cat([states[2 + index] for index in range(len(self.sources))], dim=1)


def input_of(source: Layer, own: Layer, *, squeezes: Squeeze, norm: str) -> nn.Module:
    """What a cell does to an input first: a squeeze, or nothing where it may and the layer has the cell's shape."""
    if squeezes == "where_needed" and source == own:
        return nn.Identity()
    return squeeze(source, own, norm=norm)


def squeeze(source: Layer, own: Layer, *, norm: str) -> nn.Module:
    """A 1x1 convolution from one layer's maps to a cell's width, and to the cell's resolution.

    To a lower resolution it is a convolution over whole blocks of pixels, to a higher one each pixel is repeated.
    """
    if own.stride > source.stride:
        block = own.stride // source.stride
        reduce = nn.Conv2d(source.channels, own.channels, block, stride=block, bias=norm == "none")
        return nn.Sequential(reduce, *normalisation(norm, own.channels))
    layers = convolution(source.channels, own.channels, 1, norm=norm)
    if own.stride < source.stride:
        layers.append(Enlarge(source.stride // own.stride))
    return nn.Sequential(*layers)


class Enlarge(nn.Module):
    """Each pixel of a map repeated over a block of `factor` x `factor`."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, F, factor * H, factor * W)."""
        return enlarged(x, self.factor)


def enlarged(x_BFHW: Tensor, factor: int) -> Tensor:
    """(B, F, H, W) -> (B, F, factor * H, factor * W), each pixel repeated."""
    return F.interpolate(x_BFHW, scale_factor=float(factor), mode="nearest") if factor > 1 else x_BFHW


class StartPart(nn.Module):
    """conv3x3 C -> stem, norm, activation, conv3x3 -> level 0's width x nodes, norm (HiNAS v2, section 3.3)."""

    def __init__(self, in_channels: int, stem_channels: int, out_channels: int, *, norm: str, act: Activation) -> None:
        super().__init__()
        self.activation = activation(act)
        self.first = nn.Sequential(*convolution(in_channels, stem_channels, 3, norm=norm))
        self.second = nn.Sequential(*convolution(stem_channels, out_channels, 3, norm=norm))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        return self.second(self.activation(self.first(x)))


class EndPart(nn.Module):
    """The compact network's end: last cell -> 1x1, an early feature -> 1x1, two separable convolutions, conv3x3."""

    def __init__(
        self, cell: Layer, early: int, *, channels: int, early_channels: int, out: int, norm: str, act: Activation
    ) -> None:
        super().__init__()
        self.activation = activation(act)
        self.cell_stride = cell.stride
        self.from_cell = nn.Conv2d(cell.channels, channels, 1)
        self.from_early = nn.Conv2d(early, early_channels, 1)
        joined = channels + early_channels
        self.separable_1 = nn.Sequential(*_separable(joined, channels, norm=norm))
        self.separable_2 = nn.Sequential(*_separable(channels, channels, norm=norm))
        self.last = nn.Conv2d(channels, out, 3, padding=1)

    def forward(self, cell_BFHW: Tensor, early_BFHW: Tensor) -> Tensor:
        """(B, cell, H / stride, W / stride) and (B, early, H, W) -> (B, out, H, W)."""
        from_cell = enlarged(self.from_cell(self.activation(cell_BFHW)), self.cell_stride)
        joined = torch.cat([from_cell, self.from_early(early_BFHW)], dim=1)
        x = self.activation(self.separable_1(joined))
        x = self.activation(self.separable_2(x))
        return self.last(x)


def _separable(channels: int, out: int, *, norm: str) -> list[nn.Module]:
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return [depthwise, *convolution(channels, out, 1, norm=norm)]


class CompactNetwork(nn.Module):
    """The whole network of a description; `conditioned` ones take sigma in grey levels 0..255 beside the image."""

    def __init__(self, description: NetworkDescription, channels: int, scale: int = 1) -> None:
        super().__init__()
        norm, act = description.normalisation, description.activation
        self.stride = description.stride
        self.conditioned = description.conditioning is not None
        image_channels = channels * self.stride**2
        early = description.level_width(0) * len(description.cells[0].nodes)
        self.start = StartPart(
            image_channels + int(self.conditioned), description.stem.channels, early, norm=norm, act=act
        )
        previous = before = Layer(early, 1)
        cells: list[CellNetwork] = []
        for cell in description.cells:
            own = Layer(description.level_width(cell.level), description.level_stride(cell.level))
            cells.append(
                CellNetwork(
                    cell,
                    own=own,
                    previous=previous,
                    before_previous=before,
                    squeezes=description.squeeze,
                    norm=norm,
                    act=act,
                    offset_limit=description.offset_limit,
                )
            )
            previous, before = cells[-1].output, previous
        self.cells = nn.ModuleList(cells)
        self.end = EndPart(
            previous,
            early,
            channels=description.end.channels,
            early_channels=description.end.early_channels,
            out=image_channels * scale**2,
            norm=norm,
            act=act,
        )
        self.image = ImageOutput(channels, stride=self.stride, scale=scale, residual=description.residual)

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None = None) -> Tensor:
        """Restore: (B, C, H, W) in 0..1 and, if conditioned, (B,) sigma in grey levels -> (B, C, H, W), not clipped.

        The output is `scale` times as high and wide. H and W are multiples of the stride, times the coarsest level's.
        """
        x = maps_of_image(noisy_BCHW, sigma_B, stride=self.stride, conditioned=self.conditioned)
        early = self.start(x)
        before, previous = early, early
        for cell in self.cells:
            before, previous = previous, cell(previous, before)
        return self.image(self.end(previous, early), noisy_BCHW)


def build(description: NetworkDescription, channels: int, scale: int = 1) -> CompactNetwork:
    """The compact network of `description`, freshly initialised; `scale`: how many times it enlarges.

    Without norms the last convolution starts at zero and residual edges at a small scale, so that the untrained
    network is the identity and depth does not blow the features up.
    """
    network = CompactNetwork(description, channels, scale)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=NEGATIVE_SLOPE, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if description.normalisation == "none":
        with torch.no_grad():
            for name, module in network.cells.named_modules():
                if isinstance(module, nn.Conv2d) and ".edges." in name:
                    module.weight.mul_(0.5)
    start_as_convolutions(network)
    nn.init.zeros_(network.end.last.weight)
    return network
