"""A HiNAS network as a diagram."""

from typing import get_args

from ..diagram import CellDiagram, CellsDiagram, EdgeDiagram
from .space import Cell, NetworkDescription, Operation


def diagram(description: NetworkDescription) -> CellsDiagram:
    """Cells with their operations, the widths of the layers, start and end part."""
    levels = range(len(description.width_factors))
    return CellsDiagram(
        start=f"start: {description.stem.resolution} resolution, {description.stem.channels} channels",
        cells=tuple(_cell(number, cell, description) for number, cell in enumerate(description.cells, start=1)),
        end=f"end: {description.end.channels} channels, {description.end.early_channels} from the start part",
        levels=tuple(_level_name(level, description) for level in levels),
        path=tuple(cell.level for cell in description.cells),
        operations=get_args(Operation),
    )


def _cell(number: int, cell: Cell, description: NetworkDescription) -> CellDiagram:
    width = description.level_width(cell.level)
    return CellDiagram(
        title=f"cell {number}: {_level_name(cell.level, description)}",
        inputs=("previous", "before"),
        nodes=tuple(map(str, range(len(cell.nodes)))),
        edges=tuple(
            EdgeDiagram(source=source, target=target, operation=operation)
            for target, edges in enumerate(cell.nodes)
            for operation, source in edges
        ),
        output=f"{len(cell.nodes)} × {width}",
    )


def _level_name(level: int, description: NetworkDescription) -> str:
    stride = description.level_stride(level)
    resolution = "" if stride == 1 else f", 1/{stride} resolution"
    return f"{description.level_width(level)} channels{resolution}"
