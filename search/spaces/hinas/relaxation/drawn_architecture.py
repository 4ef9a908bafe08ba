"""What a supernet draws for a step: one network of the space, and the skips that are left out.

Noise on alpha and beta, and then the same reading off that ends a search, give a random network. Its operations are
draws from softmax(alpha) without `none`, for every found edge carries one; its path of levels is a draw from
softmax(beta).
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ....learning.distributed import Ranks
from ....learning.draws import gumbel_like, straight_through
from ..space import Cell
from .architecture import Architecture, ArchitectureParameters, one_hot_architecture, strongest_edges


def drawn_cells(parameters: ArchitectureParameters, alpha_noise: Tensor, beta_noise: Tensor) -> tuple[Cell, ...]:
    """The cells that alpha and beta stand for with this noise; the temperature plays no part."""
    settings = parameters.settings
    alpha = (parameters.alpha.detach().float() + alpha_noise).softmax(-1).cpu().numpy()
    beta = (parameters.beta.detach().float() + beta_noise).masked_fill(~parameters.allowed, -torch.inf)
    level = 0
    cells: list[Cell] = []
    for layer, exits in enumerate(beta.argmax(-1).tolist()):
        level = exits[level]
        operations = alpha[layer if settings.layerwise else 0]
        cells.append(Cell(level=level, nodes=strongest_edges(operations, settings)))
    return tuple(cells)


def drawn_architecture(parameters: ArchitectureParameters, generator: torch.Generator) -> Architecture:
    """A network of the space, its weights 1, with the gradients of the relaxed weights of what was drawn.

    What was not drawn is not present. The temperature says how sharp the relaxed weights are.
    """
    noise = gumbel_like(parameters.alpha, generator), gumbel_like(parameters.beta, generator)
    soft = parameters(noise)
    cells = drawn_cells(parameters, *noise)
    drawn = one_hot_architecture(cells, parameters.settings, parameters.alpha.device)
    return replace(
        drawn,
        operations=tuple(map(straight_through, drawn.operations, soft.operations)),
        exits=tuple(map(straight_through, drawn.exits, soft.exits)),
    )


def with_skips_left_out(
    architecture: Architecture, rate: float, *, batch: int, generator: torch.Generator, ranks: Ranks
) -> Architecture:
    """The architecture with every skip left out at this rate, for each of a process's `batch` pictures on its own.

    Those that stay are 1 / (1 - rate) as strong, so that the mean does not change. It is the operation-level dropout of
    P-DARTS (arXiv 1904.12760), but of whole maps: dropout of single values would be noise in the picture.
    """
    # Every process draws for the global batch and takes its own pictures: the result is that of one process.
    shapes = [(len(operations_EO), batch * ranks.count) for operations_EO in architecture.operations]
    stays: list[Tensor] = _stays(rate, shapes, generator, ranks)  # pyright: ignore  (the decorator's types are unknown)
    like = architecture.operations[0]
    return replace(architecture, skips=tuple(layer.to(like) / (1 - rate) for layer in stays))


# Random numbers of the CPU do not go into a compiled graph.
@torch.compiler.disable
def _stays(rate: float, shapes: Sequence[tuple[int, int]], generator: torch.Generator, ranks: Ranks) -> list[Tensor]:
    """(E, B) for each layer, whether a skip stays for a picture of this process."""
    return [ranks.share((torch.rand(shape, generator=generator) >= rate).T).T for shape in shapes]
