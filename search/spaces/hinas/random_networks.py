"""Random networks of the space: for random search, checking a latency table, and the papers' ablations R1 and R2."""

from collections.abc import Sequence
from random import Random

from .search_settings import Settings
from .space import Cell, Edge, NetworkDescription, Operation


def random_description(settings: Settings, draw: Random) -> NetworkDescription:
    """A network with a random path of levels and random cells: two different inputs a node, any operation."""
    cells: list[Cell] = []
    level = 0
    for layer in range(settings.layers):
        level = draw.choice(settings.exits(layer, level))
        cells.append(
            Cell(level=level, nodes=tuple(_random_node(node, settings, draw) for node in range(settings.nodes)))
        )
    return settings.description(cells)


def _random_node(node: int, settings: Settings, draw: Random) -> tuple[Edge, Edge]:
    first, second = draw.sample(range(2 + node), 2)
    return (draw.choice(settings.operations), first), (draw.choice(settings.operations), second)


def with_operations_replaced(
    description: NetworkDescription, operations: Sequence[Operation], draw: Random
) -> NetworkDescription:
    """R1 (HiNAS v2, section 4.2.4): in each cell one edge carries another operation."""
    cells: list[Cell] = []
    for cell in description.cells:
        nodes = [list(node) for node in cell.nodes]
        node, edge = draw.randrange(len(nodes)), draw.randrange(2)
        operation, source = nodes[node][edge]
        nodes[node][edge] = (draw.choice([other for other in operations if other != operation]), source)
        cells.append(cell.model_copy(update={"nodes": tuple((first, second) for first, second in nodes)}))
    return description.model_copy(update={"cells": tuple(cells)})


def with_connections_changed(description: NetworkDescription, draw: Random) -> NetworkDescription:
    """R2 (HiNAS v2, section 4.2.4): in each cell one edge reads another input, where a node has a third to choose."""
    cells: list[Cell] = []
    for cell in description.cells:
        nodes = [list(node) for node in cell.nodes]
        if len(nodes) > 1:
            node, edge = draw.randrange(1, len(nodes)), draw.randrange(2)
            taken = {source for _, source in nodes[node]}
            operation, _ = nodes[node][edge]
            nodes[node][edge] = (operation, draw.choice([s for s in range(2 + node) if s not in taken]))
        cells.append(cell.model_copy(update={"nodes": tuple((first, second) for first, second in nodes)}))
    return description.model_copy(update={"cells": tuple(cells)})
