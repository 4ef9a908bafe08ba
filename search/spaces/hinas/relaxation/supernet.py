"""The supernet of HiNAS v2: every cell at every level it can have, mixed by an architecture's weights.

With one-hot weights it computes what the compact network of that architecture computes with the same kernels; start
and end part are the compact network's own. Levels of the last layer enter the end part weighted by how probable they
are: behind a batch norm beta would else hear nothing of the last exits.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ....learning.batch_norm import normalised
from ...image_input import maps_of_image
from ...image_output import ImageOutput
from ..network import enlarged
from ..operations import activation
from ..search_settings import Settings
from .architecture import Architecture, CellWeights
from .mixed_operations import OutgoingEdges


class Supernet(nn.Module):
    """Kernels of the whole search space; the architecture comes with each call."""

    def __init__(self, settings: Settings, channels: int, scale: int = 1) -> None:
        super().__init__()
        self.settings = settings
        self.scale = scale
        self.conditioned = settings.conditioning is not None
        narrow = settings.description((settings.plain_cell(),) * settings.layers, width=settings.width)
        self.stride = narrow.stride
        self.widths = [narrow.level_width(level) for level in range(settings.levels)]
        self.strides = [narrow.level_stride(level) for level in range(settings.levels)]
        image_channels = channels * self.stride**2
        act, nodes = settings.activation, settings.nodes
        early = self.widths[0] * nodes
        self.start = SupernetStart(image_channels + int(self.conditioned), settings.stem.channels, early, settings)
        cells: dict[str, nn.Module] = {}
        previous: dict[str, nn.Module] = {}
        before: dict[str, nn.Module] = {}
        for layer in range(1, settings.layers + 1):
            for level in settings.reached_levels(layer):
                width = self.widths[level]
                sources = [s for s in settings.reached_levels(layer - 1) if level in settings.exits(layer - 1, s)]
                for source in sources:
                    previous[key(layer, level, source)] = self._squeeze(source, level)
                    if not settings.cell_sharing:
                        cells[key(layer, level, source)] = MixedCell(width, nodes, settings)
                if settings.cell_sharing:
                    cells[key(layer, level)] = MixedCell(width, nodes, settings)
                for source in settings.reached_levels(max(0, layer - 2)):
                    before[key(layer, level, source)] = self._squeeze(source, level)
        self.cells = nn.ModuleDict(cells)
        self.squeeze_previous = nn.ModuleDict(previous)
        self.squeeze_before = nn.ModuleDict(before)
        self.activation = activation(act)
        self.end = SupernetEnd(
            {level: self.widths[level] * nodes for level in settings.reached_levels(settings.layers)},
            early,
            image_channels * scale**2,
            settings,
        )
        self.image = ImageOutput(channels, stride=self.stride, scale=scale, residual=settings.residual)

    def _squeeze(self, source: int, level: int) -> "Squeeze":
        inputs = self.widths[source] * self.settings.nodes
        return Squeeze(inputs, self.widths[level], self.strides[source], self.strides[level])

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None, architecture: Architecture) -> Tensor:
        """Restore: (B, C, H, W) in 0..1 and, if conditioned, (B,) sigma in grey levels -> (B, C, H, W), not clipped.

        The output is `scale` times as high and wide.
        """
        x = maps_of_image(noisy_BCHW, sigma_B, stride=self.stride, conditioned=self.conditioned)
        early = self.start(x)
        outputs: list[dict[int, Tensor]] = [{0: early}]
        for layer in range(1, self.settings.layers + 1):
            outputs.append(self._layer(layer, outputs, architecture))
        levels = {
            level: (output, architecture.reach(self.settings.layers)[level], self.strides[level])
            for level, output in outputs[-1].items()
        }
        return self.image(self.end(levels, early), noisy_BCHW)

    def _layer(self, layer: int, outputs: list[dict[int, Tensor]], architecture: Architecture) -> dict[int, Tensor]:
        exits, paths = architecture.exits[layer - 1], architecture.paths[layer - 1]
        weights = architecture.cell(layer)
        found: dict[int, Tensor] = {}
        for level in self.settings.reached_levels(layer):
            routed = {
                source: self.squeeze_previous[key(layer, level, source)](output, exits[source, level])
                for source, output in outputs[layer - 1].items()
                if paths[source][level]
            }
            if not routed:
                continue
            before = self._before(layer, level, outputs, architecture)
            if self.settings.cell_sharing:
                summed = _total(list(routed.values()))
                found[level] = self.cells[key(layer, level)](summed, before, weights)
            else:
                # Eq. 6 weighs what comes out of each copy; the squeezed input carries no weight of its own there.
                found[level] = _total(
                    [
                        exits[source, level]
                        * self.cells[key(layer, level, source)](
                            self.squeeze_previous[key(layer, level, source)](outputs[layer - 1][source], None),
                            before,
                            weights,
                        )
                        for source in routed
                    ]
                )
        return found

    def _before(self, layer: int, level: int, outputs: list[dict[int, Tensor]], architecture: Architecture) -> Tensor:
        """The second input of a cell: the layer before the previous one, by the probability of its two-step paths."""
        exits, paths = architecture.exits, architecture.paths
        if layer == 1:
            return self.squeeze_before[key(layer, level, 0)](outputs[0][0], exits[0][0, level])
        both = exits[layer - 2] @ exits[layer - 1]
        taken = [
            source
            for source in outputs[layer - 2]
            if any(paths[layer - 2][source][via] and paths[layer - 1][via][level] for via in range(len(self.widths)))
        ]
        return _total(
            [
                self.squeeze_before[key(layer, level, source)](outputs[layer - 2][source], both[source, level])
                for source in taken
            ]
        )


class MixedCell(nn.Module):
    """A cell with every operation on every edge."""

    def __init__(self, width: int, nodes: int, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        outgoing = [nodes, nodes, *range(nodes - 1, 0, -1)]
        self.states = nn.ModuleList(OutgoingEdges(width, edges, settings) for edges in outgoing)

    def forward(self, previous: Tensor, before: Tensor, weights: CellWeights) -> Tensor:
        """Two (B, W, H, W') inputs and what the edges mix -> (B, nodes * W, H, W')."""
        nodes = self.settings.nodes
        sums: list[list[Tensor]] = [[] for _ in range(nodes)]
        states = [previous, before]
        for source, edges in enumerate(self.states):
            if source >= 2:
                states.append(_total(sums[source - 2]))
            targets = range(max(0, source - 1), nodes)
            rows = [self.settings.edge_index(node, source) for node in targets]
            results = edges(states[source], weights.of_edges(rows))
            for node, result in zip(targets, results, strict=True):
                if result is not None:
                    sums[node].append(result)
        return torch.cat([*states[2:], _total(sums[-1])], dim=1)


class Squeeze(nn.Module):
    """A layer's output at a cell's width and resolution, weighted: the routing convolution of an exit."""

    def __init__(self, in_channels: int, out_channels: int, source_stride: int, stride: int) -> None:
        super().__init__()
        block = max(1, stride // source_stride)
        self.convolution = nn.Conv2d(in_channels, out_channels, block, stride=block, bias=False)
        self.enlargement = max(1, source_stride // stride)

    def forward(self, x: Tensor, weight: Tensor | None) -> Tensor:
        """(B, F, H0, W0) and a scalar weight, None for 1 -> (B, W, H, W')."""
        scale = None if weight is None else weight.expand(self.convolution.out_channels)
        return enlarged(normalised(self.convolution(x), scale), self.enlargement)


class SupernetStart(nn.Module):
    """The compact network's start part with parameter-free batch norm."""

    def __init__(self, in_channels: int, stem: int, out_channels: int, settings: Settings) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, stem, 3, padding=1, bias=False)
        self.second = nn.Conv2d(stem, out_channels, 3, padding=1, bias=False)
        self.activation = activation(settings.activation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        return normalised(self.second(self.activation(normalised(self.first(x)))))


class SupernetEnd(nn.Module):
    """The compact network's end part, with a 1x1 convolution from each level of the last layer.

    The last convolution has no batch norm behind it and diverges at the paper's learning rate of 0.025; a fixed scale
    behind it makes its steps as small as its function needs.
    """

    last_scale = 0.1

    def __init__(self, levels: dict[int, int], early: int, out_channels: int, settings: Settings) -> None:
        super().__init__()
        channels, early_channels = settings.end.channels, settings.end.early_channels
        self.from_level = nn.ModuleDict(
            {str(level): nn.Conv2d(inputs, channels, 1, bias=False) for level, inputs in levels.items()}
        )
        self.bias = nn.Parameter(torch.zeros(channels))
        self.from_early = nn.Conv2d(early, early_channels, 1)
        joined = channels + early_channels
        self.depthwise = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False) for width in (joined, channels)
        )
        self.pointwise = nn.ModuleList(nn.Conv2d(width, channels, 1, bias=False) for width in (joined, channels))
        self.last = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.activation = activation(settings.activation)

    def forward(self, levels: dict[int, tuple[Tensor, Tensor, int]], early: Tensor) -> Tensor:
        """Each level's output with its weight and stride, and the early feature -> (B, out, H, W)."""
        from_levels = _total(
            [
                enlarged(weight * self.from_level[str(level)](self.activation(output)), stride)
                for level, (output, weight, stride) in levels.items()
            ]
        )
        x = torch.cat([from_levels + self.bias.reshape(1, -1, 1, 1), self.from_early(early)], dim=1)
        for depthwise, pointwise in zip(self.depthwise, self.pointwise, strict=True):
            x = self.activation(normalised(pointwise(depthwise(x))))
        return self.last_scale * self.last(x)


def key(*numbers: int) -> str:
    """The name of a part by layer, level and source level."""
    return "_".join(map(str, numbers))


def _total(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
