"""From the relaxed architecture to a genotype's cells: two edges for each node, and the most probable width path.

Arrays are NumPy, probabilities behind their softmax: operations (layers, edges, 7), routing (layers, levels, levels)
where routing[l, i, j] is the probability that level i of layer l goes on to level j of layer l + 1, layer 0 being the
start part. Impossible exits have probability 0.
"""

import numpy as np

from .search_settings import CANDIDATES, Settings
from .space import Cell, Edge

_NONE = CANDIDATES.index("none")


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
    real = np.delete(operations_EO, _NONE, axis=1)
    names = [name for name in CANDIDATES if name != "none"]
    nodes: list[tuple[Edge, Edge]] = []
    for node in range(settings.nodes):
        rows = [real[settings.edge_index(node, source)] for source in range(2 + node)]
        order = sorted(range(2 + node), key=lambda source, rows=rows: -float(rows[source].max()))
        first, second = ((names[int(rows[source].argmax())], source) for source in order[:2])
        nodes.append((first, second))  # pyright: ignore[reportArgumentType]  (names are Operations)
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
