"""The compact HiNAS network: a genotype's description as a torch module.

Shapes: B batch, C image channels, H, W image size, F features; x_BCHW is an image, f_BFHW a feature map at the
cells' resolution.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .operations import NEGATIVE_SLOPE, convolution, operation
from .space import Cell, NetworkDescription


class CellNetwork(nn.Module):
    """One cell (HiNAS v2, Eq. 3): both inputs squeezed to the cell's width, nodes summed, outputs concatenated."""

    def __init__(self, cell: Cell, *, width: int, previous: int, before_previous: int, norm: str) -> None:
        super().__init__()
        self.squeeze_previous = nn.Sequential(*convolution(previous, width, 1, norm=norm))
        self.squeeze_before = nn.Sequential(*convolution(before_previous, width, 1, norm=norm))
        self.sources = [(first[1], second[1]) for first, second in cell.nodes]
        self.edges = nn.ModuleList(
            nn.ModuleList(operation(name, width, norm=norm) for name, _ in node) for node in cell.nodes
        )
        self.out_channels = width * len(cell.nodes)

    def forward(self, previous_BFHW: Tensor, before_BFHW: Tensor) -> Tensor:
        """(B, F0, H, W) and (B, F1, H, W) -> (B, nodes * width, H, W)."""
        states = [self.squeeze_previous(previous_BFHW), self.squeeze_before(before_BFHW)]
        activated: dict[int, Tensor] = {}

        def value(edge: nn.Module, source: int) -> Tensor:
            if isinstance(edge, nn.Identity):
                return states[source]
            # Every convolution edge begins with the same LeakyReLU: one per state, not one per edge.
            if source not in activated:
                activated[source] = F.leaky_relu(states[source], NEGATIVE_SLOPE)
            return edge(activated[source])

        for (first, second), edges in zip(self.sources, self.edges, strict=True):
            left, right = edges.children()
            states.append(value(left, first) + value(right, second))
        return torch.cat(states[2:], dim=1)


class StartPart(nn.Module):
    """conv3x3 C -> stem, norm, LeakyReLU, conv3x3 -> the first width, norm (HiNAS v2, section 3.3)."""

    def __init__(self, in_channels: int, stem_channels: int, out_channels: int, *, norm: str) -> None:
        super().__init__()
        self.first = nn.Sequential(*convolution(in_channels, stem_channels, 3, norm=norm))
        self.second = nn.Sequential(*convolution(stem_channels, out_channels, 3, norm=norm))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        return self.second(F.leaky_relu(self.first(x), NEGATIVE_SLOPE))


class EndPart(nn.Module):
    """The compact network's end: last cell -> 1x1, an early feature -> 1x1, two separable convolutions, conv3x3."""

    def __init__(self, cell: int, early: int, *, channels: int, early_channels: int, out: int, norm: str) -> None:
        super().__init__()
        self.from_cell = nn.Conv2d(cell, channels, 1)
        self.from_early = nn.Conv2d(early, early_channels, 1)
        joined = channels + early_channels
        self.separable_1 = nn.Sequential(*_separable(joined, channels, norm=norm))
        self.separable_2 = nn.Sequential(*_separable(channels, channels, norm=norm))
        self.last = nn.Conv2d(channels, out, 3, padding=1)

    def forward(self, cell_BFHW: Tensor, early_BFHW: Tensor) -> Tensor:
        """(B, cell, H, W) and (B, early, H, W) -> (B, out, H, W)."""
        from_cell = self.from_cell(F.leaky_relu(cell_BFHW, NEGATIVE_SLOPE))
        joined = torch.cat([from_cell, self.from_early(early_BFHW)], dim=1)
        x = F.leaky_relu(self.separable_1(joined), NEGATIVE_SLOPE)
        x = F.leaky_relu(self.separable_2(x), NEGATIVE_SLOPE)
        return self.last(x)


def _separable(channels: int, out: int, *, norm: str) -> list[nn.Module]:
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return [depthwise, *convolution(channels, out, 1, norm=norm)]


class CompactNetwork(nn.Module):
    """The whole network of a description; `conditioned` ones take sigma in grey levels 0..255 beside the image."""

    def __init__(self, description: NetworkDescription, channels: int) -> None:
        super().__init__()
        norm = description.normalisation
        self.stride = description.stride
        self.residual = description.residual
        self.conditioned = description.conditioning is not None
        image_channels = channels * self.stride**2
        widths = [description.cell_width(cell) for cell in description.cells]
        early = widths[0] * len(description.cells[0].nodes)
        self.start = StartPart(image_channels + int(self.conditioned), description.stem.channels, early, norm=norm)
        previous = before = early
        cells: list[CellNetwork] = []
        for cell, width in zip(description.cells, widths, strict=True):
            cells.append(CellNetwork(cell, width=width, previous=previous, before_previous=before, norm=norm))
            previous, before = cells[-1].out_channels, previous
        self.cells = nn.ModuleList(cells)
        self.end = EndPart(
            previous,
            early,
            channels=description.end.channels,
            early_channels=description.end.early_channels,
            out=image_channels,
            norm=norm,
        )

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None = None) -> Tensor:
        """Denoise: (B, C, H, W) in 0..1 and, if conditioned, (B,) sigma in grey levels -> (B, C, H, W), not clipped.

        H and W are multiples of the stride.
        """
        x = F.pixel_unshuffle(noisy_BCHW, self.stride) if self.stride > 1 else noisy_BCHW
        if self.conditioned:
            if sigma_B is None:
                raise ValueError("a network conditioned on sigma needs sigma, shape (B,), grey levels 0..255")
            level = (sigma_B / 255).reshape(-1, 1, 1, 1).to(x.dtype)
            x = torch.cat([x, level.expand(-1, 1, x.shape[2], x.shape[3])], dim=1)
        early = self.start(x)
        before, previous = early, early
        for cell in self.cells:
            before, previous = previous, cell(previous, before)
        out = self.end(previous, early)
        if self.stride > 1:
            out = F.pixel_shuffle(out, self.stride)
        return noisy_BCHW - out if self.residual else out


def build(description: NetworkDescription, channels: int) -> CompactNetwork:
    """The compact network of `description`, freshly initialised.

    Without norms the last convolution starts at zero and residual edges at a small scale, so that the untrained
    network is the identity and depth does not blow the features up.
    """
    network = CompactNetwork(description, channels)
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
    nn.init.zeros_(network.end.last.weight)
    return network
