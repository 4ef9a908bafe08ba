"""Alpha and beta, what a supernet makes of them (the weight of every operation and exit), and the cells they end as.

E edges of a cell, O candidate operations, H levels; layer 0 is the start part. Once a search has ended they are
NumPy arrays of probabilities: operations (layers, E, O), routing (layers, H, H), where routing[l, i, j] is the
probability that level i of layer l goes on to level j of layer l + 1. Impossible exits have probability 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..search_settings import Settings
from ..space import Cell, Edge

Present = tuple[tuple[bool, ...], ...]


@dataclass(frozen=True)
class Architecture:
    """A point of the relaxed space: weights of operations and exits, each set summing to 1."""

    operations: tuple[Tensor, ...]
    """For each layer (E, O)."""
    exits: tuple[Tensor, ...]
    """For each layer but the last, the start part first: (H, H), from a level to a level of the next layer."""
    present: tuple[Present, ...]
    """For each layer, which operations of which edges run at all."""
    paths: tuple[Present, ...]
    """For each of `exits`, which exits are taken at all."""
    skips: tuple[Tensor, ...] | None = None
    """For each layer (E, B): what the skip of an edge is multiplied with for every picture of a batch; None: 1."""

    def cell(self, layer: int) -> "CellWeights":
        """What the cells of layer 1, 2, ... mix."""
        skips = None if self.skips is None else self.skips[layer - 1]
        return CellWeights(operations_EO=self.operations[layer - 1], present=self.present[layer - 1], skips_EB=skips)

    def reach(self, layer: int) -> Tensor:
        """(H,) how probable it is that the path passes through each level of `layer`."""
        levels = self.exits[0].shape[0]
        reached = nn.functional.one_hot(torch.zeros((), dtype=torch.long), levels).to(self.exits[0])
        for exit in self.exits[:layer]:
            reached = reached @ exit
        return reached


@dataclass(frozen=True, kw_only=True)
class CellWeights:
    """What the edges of one cell, or some of them, mix; as in `Architecture`."""

    operations_EO: Tensor
    present: Present
    skips_EB: Tensor | None

    def of_edges(self, rows: Sequence[int]) -> "CellWeights":
        """Of these edges alone, in this order."""
        return CellWeights(
            operations_EO=self.operations_EO[rows],
            present=tuple(self.present[row] for row in rows),
            skips_EB=None if self.skips_EB is None else self.skips_EB[rows],
        )


class ArchitectureParameters(nn.Module):
    """Alpha and beta as they are learnt, before the softmax."""

    allowed: Tensor
    temperature: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        sets = settings.layers if settings.layerwise else 1
        self.alpha = nn.Parameter(1e-3 * torch.randn(sets, settings.num_edges, len(settings.candidates)))
        shape = (settings.layers, settings.levels, settings.levels)
        self.beta = nn.Parameter(1e-3 * torch.randn(shape))
        allowed = torch.zeros(shape, dtype=torch.bool)
        for layer in range(settings.layers):
            for level in range(settings.levels):
                allowed[layer, level, list(settings.exits(layer, level))] = True
        self.register_buffer("allowed", allowed)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, added: tuple[Tensor, Tensor] | None = None) -> Architecture:
        """The relaxed architecture: softmax over the operations of an edge, and over the possible exits of a level.

        `added` is noise for the logits, of alpha's and of beta's shape.
        """
        settings = self.settings
        alpha, beta = self.alpha.float(), self.beta.float()
        if added is not None:
            alpha, beta = alpha + added[0], beta + added[1]
        alpha = (alpha / self.temperature).softmax(-1)
        operations = tuple(alpha[layer if settings.layerwise else 0] for layer in range(settings.layers))
        # Impossible exits are masked out before the softmax; a level no path reaches has no exits at all.
        logits = (beta / self.temperature).masked_fill(~self.allowed, -torch.inf)
        dead = ~self.allowed.any(-1, keepdim=True)
        exits = logits.masked_fill(dead, 0.0).softmax(-1).masked_fill(dead, 0.0)
        return Architecture(
            operations=operations,
            exits=tuple(exits),
            present=((((True,) * len(settings.candidates),) * settings.num_edges),) * settings.layers,
            paths=tuple(
                tuple(
                    tuple(exit in settings.exits(layer, level) for exit in range(settings.levels))
                    for level in range(settings.levels)
                )
                for layer in range(settings.layers)
            ),
        )


def one_hot_architecture(cells: tuple[Cell, ...], settings: Settings, device: torch.device) -> Architecture:
    """The corner of the relaxed space that is the compact network of `cells`: absent edges are `none`."""
    operations: list[Tensor] = []
    exits: list[Tensor] = []
    level = 0
    for cell in cells:
        weights = torch.zeros(settings.num_edges, len(settings.candidates))
        weights[:, settings.none] = 1
        for node, edges in enumerate(cell.nodes):
            for name, source in edges:
                row = weights[settings.edge_index(node, source)]
                row[settings.none], row[settings.candidates.index(name)] = 0, 1
        operations.append(weights)
        exit = torch.zeros(settings.levels, settings.levels)
        exit[level, cell.level] = 1
        exits.append(exit)
        level = cell.level
    return Architecture(
        operations=tuple(weights.to(device) for weights in operations),
        exits=tuple(exit.to(device) for exit in exits),
        present=tuple(_nonzero(weights) for weights in operations),
        paths=tuple(_nonzero(exit) for exit in exits),
    )


def _nonzero(weights: Tensor) -> Present:
    return tuple(tuple(value != 0 for value in row) for row in weights.tolist())


def discretised_cells(operations: np.ndarray, routing: np.ndarray, settings: Settings) -> tuple[Cell, ...]:
    """The cells a search has found (HiNAS v2, section 3.3)."""
    levels = most_probable_path(routing)
    return tuple(
        Cell(level=level, nodes=strongest_edges(operations[layer], settings)) for layer, level in enumerate(levels)
    )


def strongest_edges(operations_EO: np.ndarray, settings: Settings) -> tuple[tuple[Edge, Edge], ...]:
    """For each node the two edges with the largest probability of an operation other than `none`, and those operations.

    The stronger edge stands first; equal ones keep the order of their inputs.
    """
    real = np.delete(operations_EO, settings.none, axis=1)
    nodes: list[tuple[Edge, Edge]] = []
    for node in range(settings.nodes):
        rows = [real[settings.edge_index(node, source)] for source in range(2 + node)]
        order = sorted(range(2 + node), key=lambda source, rows=rows: -float(rows[source].max()))
        edges: list[Edge] = [(settings.operations[int(rows[source].argmax())], source) for source in order[:2]]
        nodes.append((edges[0], edges[1]))
    return tuple(nodes)


def most_probable_path(routing: np.ndarray) -> tuple[int, ...]:
    """The path of levels from level 0 with the largest product of probabilities, one level for each layer (Viterbi).

    A choice for each layer alone would let widths jump to where no exit leads. Equal paths: the lower levels.
    """
    with np.errstate(divide="ignore"):
        logarithms = np.log(routing)
    best = np.full(routing.shape[1], -np.inf)
    best[0] = 0.0
    came_from: list[np.ndarray] = []
    for step in logarithms:
        total = best[:, None] + step
        came_from.append(total.argmax(axis=0))
        best = total.max(axis=0)
    level = int(best.argmax())
    path = [level]
    for sources in reversed(came_from[1:]):
        level = int(sources[level])
        path.append(level)
    return tuple(reversed(path))
