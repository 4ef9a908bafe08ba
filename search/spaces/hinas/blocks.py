"""The blocks a HiNAS network is priced by, and the networks that fix their prices.

A block is charged what a network takes longer for having it: an operation with the activation in front of it, a squeeze
with its resampling, a node with its sum and its share of the concatenation. All else is the frame: start and end part.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from ..interface import Block
from .search_settings import Settings
from .space import Cell, Edge, NetworkDescription, Operation


def operation_block(description: NetworkDescription, operation: str, level: int) -> Block:
    """One operation on an edge of a cell of `level`; `skip` costs nothing beyond the node's sum."""
    width = description.level_width(level)
    return Block(
        name=operation,
        in_channels=width,
        out_channels=width,
        stride=description.level_stride(level) * description.stride,
    )


def node_block(description: NetworkDescription, level: int) -> Block:
    """A node's sum of two edges and its place in the concatenation."""
    width = description.level_width(level)
    return Block(
        name="node", in_channels=width, out_channels=width, stride=description.level_stride(level) * description.stride
    )


def squeeze_block(description: NetworkDescription, source: int, level: int, *, nodes: int) -> Block:
    """A cell's 1x1 convolution from a layer of level `source`; the start part is a layer of level 0."""
    resampling = description.level_stride(source) / description.level_stride(level)
    name = "squeeze" if resampling == 1 else "squeeze_up" if resampling > 1 else "squeeze_down"
    return Block(
        name=name,
        in_channels=nodes * description.level_width(source),
        out_channels=description.level_width(level),
        stride=description.level_stride(level) * description.stride,
    )


def frame_block(description: NetworkDescription, channels: int, level: int) -> Block:
    """Start and end part of a network whose last cell is of `level`."""
    return Block(
        name=f"frame_to_{channels}",
        in_channels=len(description.cells[-1].nodes) * description.level_width(level),
        out_channels=description.end.channels,
        stride=description.level_stride(level) * description.stride,
    )


def blocks(description: NetworkDescription, channels: int) -> Mapping[Block, int]:
    """How often the network holds each block."""
    counts: Counter[Block] = Counter()
    previous = before = (0, len(description.cells[0].nodes))
    for cell in description.cells:
        read = {source for node in cell.nodes for _, source in node}
        for index, (level, nodes) in enumerate((previous, before)):
            if index in read and description.is_squeezed(level, nodes, cell.level):
                counts[squeeze_block(description, level, cell.level, nodes=nodes)] += 1
        counts[node_block(description, cell.level)] += len(cell.nodes)
        for node in cell.nodes:
            for operation, _ in node:
                if operation != "skip":
                    counts[operation_block(description, operation, cell.level)] += 1
        before, previous = previous, (cell.level, len(cell.nodes))
    counts[frame_block(description, channels, description.cells[-1].level)] += 1
    return counts


def latency_probes(settings: Settings) -> Sequence[NetworkDescription]:
    """Networks that differ from each other by one kind of block: their latencies fix every price.

    Per level a path that climbs to it and stays there, with skips alone; the same with each operation on the cells of
    that level; and paths that take every exit.
    """
    probes: list[NetworkDescription] = []
    seen: set[int] = set()
    for path in _paths(settings):
        probes.append(settings.description([settings.plain_cell(level) for level in path]))
        for level in sorted(set(path) - seen):
            for operation in settings.operations:
                if operation == "skip":
                    continue
                cells = [
                    _cell_of(operation, level, settings) if other == level else settings.plain_cell(other)
                    for other in path
                ]
                probes.append(settings.description(cells))
        seen |= set(path)
    probes += [settings.description([settings.plain_cell(level) for level in path]) for path in _exits_taken(settings)]
    return tuple(dict.fromkeys(probes))


def _paths(settings: Settings) -> list[tuple[int, ...]]:
    """For each level a path that climbs to it as early as it can, then stays."""
    found: list[tuple[int, ...]] = []
    for target in range(settings.levels):
        path: list[int] = []
        level = 0
        for layer in range(settings.layers):
            level = min(settings.exits(layer, level), key=lambda exit: abs(exit - target))
            path.append(level)
        found.append(tuple(path))
    return list(dict.fromkeys(found))


def _exits_taken(settings: Settings) -> list[tuple[int, ...]]:
    """Paths that together take every exit from every layer's levels, one step and two."""
    paths: list[tuple[int, ...]] = [()]
    for layer in range(settings.layers):
        paths = [(*path, exit) for path in paths for exit in settings.exits(layer, path[-1] if path else 0)]
        # Enough to see every transition; all paths would be exponentially many.
        paths = _covering(paths)
    return paths


def _covering(paths: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    seen: set[tuple[int, ...]] = set()
    kept: list[tuple[int, ...]] = []
    for path in paths:
        steps = {path[max(0, end - 3) : end] for end in range(1, len(path) + 1)}
        if not steps <= seen:
            kept.append(path)
            seen |= steps
    return kept


def _cell_of(operation: Operation, level: int, settings: Settings) -> Cell:
    """A cell whose every node has the operation on one edge: a chain through the nodes."""
    nodes: list[tuple[Edge, Edge]] = []
    for node in range(settings.nodes):
        source = 0 if node == 0 else 1 + node
        nodes.append(((operation, source), ("skip", 1 if node == 0 else 0)))
    return Cell(level=level, nodes=tuple(nodes))
