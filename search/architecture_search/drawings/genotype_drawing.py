"""A genotype as a picture, as the papers draw theirs: the cells' graphs and the path of widths through the layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from ....figures import COLOURS, STYLE, new_figure, write_both
from ...genotype import Genotype
from ...spaces.diagram import CellDiagram, CellsDiagram, Diagram
from ...spaces.registry import space_named
from .graph_drawing import graph_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STATE_GAP = 1.5
_ARC_HEIGHT = 0.42
_NODE_RADIUS = 0.2
_TITLE_HEIGHT = 0.5


def draw_genotype(genotype: Genotype, stem: Path) -> Sequence[Path]:
    """Write `stem`.png and `stem`.svg."""
    images = {1: "grey images", 3: "colour images", 4: "packed Bayer images"}[genotype.task.channels]
    title = f"genotype {genotype.identity}, space {genotype.space}, {genotype.task.name}, {images}"
    return write_both(genotype_figure(space_named(genotype.space).diagram(genotype.network), title), stem)


def genotype_figure(diagram: Diagram, title: str) -> Figure:
    """The picture of any kind of diagram."""
    return cells_figure(diagram, title) if isinstance(diagram, CellsDiagram) else graph_figure(diagram, title)


def cells_figure(network: CellsDiagram, title: str) -> Figure:
    """On top the levels the layers lie on, below them a graph for each cell, two in a row."""
    with matplotlib.rc_context(STYLE):
        columns = min(2, len(network.cells))
        rows = -(-len(network.cells) // columns)
        states = max(len(cell.inputs) + len(cell.nodes) for cell in network.cells)
        cell_width = 1.05 * states + 1.6
        cell_height = 0.62 * max(_reach(cell) for cell in network.cells) + 1.1
        path_height = 0.7 + 0.34 * len(network.levels)
        figure = new_figure(max(5.0, columns * cell_width), 0.4 + path_height + rows * cell_height)
        grid = figure.add_gridspec(1 + rows, columns, height_ratios=[path_height, *[cell_height] * rows])
        figure.suptitle(title, fontsize=10)
        colours = dict(zip(network.operations, COLOURS, strict=False))
        _draw_path(figure.add_subplot(grid[0, :]), network)
        for index, cell in enumerate(network.cells):
            _draw_cell(figure.add_subplot(grid[1 + index // columns, index % columns]), cell, colours)
        return figure


def _draw_path(axes: "Axes", network: CellsDiagram) -> None:
    """Layers from left to right, levels from top to bottom, the network's path through them."""
    layers = range(1, len(network.path) + 1)
    for level, name in enumerate(network.levels):
        axes.plot(layers, [level] * len(layers), "o", color="0.85", markersize=7, zorder=1)
        axes.text(-0.15, level, name, ha="right", va="center", fontsize=8)
    points = [(0, 0), *((layer, level) for layer, level in zip(layers, network.path, strict=True))]
    end = len(layers) + 1
    axes.plot(*zip(*points, (end, network.path[-1]), strict=True), "-", color=COLOURS[0], linewidth=2, zorder=2)
    axes.plot(*zip(*points[1:], strict=True), "o", color=COLOURS[0], markersize=9, zorder=3)
    for layer, level in points[1:]:
        axes.annotate(
            f"cell {layer}", (layer, level), (0, 7), textcoords="offset points", ha="center", fontsize=8, zorder=4
        )
    axes.text(0, -0.55, network.start, ha="left", va="bottom", fontsize=8)
    axes.text(end, network.path[-1] - 0.55, network.end, ha="right", va="bottom", fontsize=8)
    for place in ((0, 0), (end, network.path[-1])):
        axes.plot(*place, "s", color="0.3", markersize=8, zorder=3)
    axes.set_xlim(-0.9, end + 0.3)
    axes.set_ylim(len(network.levels) - 0.5, -1.0)
    axes.axis("off")


def _columns(cell: CellDiagram) -> list[int]:
    """Where the inputs, then the nodes stand on the line; the newest input stands next to the nodes."""
    num_inputs = len(cell.inputs)
    return [*reversed(range(num_inputs)), *range(num_inputs, num_inputs + len(cell.nodes))]


def _reach(cell: CellDiagram) -> int:
    """The longest arc, in states."""
    columns = _columns(cell)
    return max(columns[len(cell.inputs) + edge.target] - columns[edge.source] for edge in cell.edges)


def _draw_cell(axes: "Axes", cell: CellDiagram, colours: Mapping[str, str]) -> None:
    """States on a line; of every node's edges the first above the line and the others below."""
    num_inputs = len(cell.inputs)
    places = [_STATE_GAP * column for column in _columns(cell)]
    last = _STATE_GAP * (num_inputs + len(cell.nodes))
    axes.plot([places[num_inputs], last], [0, 0], color="0.88", linewidth=9, solid_capstyle="butt", zorder=0)
    seen: set[int] = set()
    for edge in cell.edges:
        side = -1 if edge.target in seen else 1
        seen.add(edge.target)
        start, stop = places[edge.source], places[num_inputs + edge.target]
        height = side * _ARC_HEIGHT * (stop - start) / _STATE_GAP
        colour = colours.get(edge.operation, "0.3")
        style = "--" if edge.operation == "skip" else "-"
        axes.add_patch(_arc((start, side * _NODE_RADIUS), (stop, side * _NODE_RADIUS), height, colour, style))
        middle = (start + stop) / 2
        label = axes.text(
            middle, side * _NODE_RADIUS + height, edge.operation, ha="center", va="center", fontsize=7.5, color=colour
        )
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    for name, place in zip([*cell.inputs, *cell.nodes], places, strict=True):
        is_input = name in cell.inputs
        if is_input:
            axes.add_patch(_box(place, 1.0, "#DDEFE8"))
        else:
            axes.add_patch(Circle((place, 0), _NODE_RADIUS, facecolor="#DCE9F5", edgecolor="0.2", linewidth=0.8))
        axes.text(place, 0, name, ha="center", va="center", fontsize=7.5, zorder=5)
    axes.add_patch(_box(last, 0.95, "#FBEFD5"))
    axes.text(last, 0, cell.output, ha="center", va="center", fontsize=7.5, zorder=5)
    # The arrow of a long arc bends beyond the middle of its label.
    height = _NODE_RADIUS + _ARC_HEIGHT * _reach(cell) + 0.45
    axes.set_xlim(-0.7, last + 0.7)
    axes.set_ylim(-height, height + _TITLE_HEIGHT)
    axes.text(-0.6, height + _TITLE_HEIGHT, cell.title, ha="left", va="top", fontsize=9, weight="bold")
    axes.axis("off")


def _box(place: float, width: float, colour: str) -> FancyBboxPatch:
    return FancyBboxPatch(
        (place - width / 2, -0.15),
        width,
        0.3,
        boxstyle="round,pad=0.03",
        facecolor=colour,
        edgecolor="0.2",
        linewidth=0.8,
        zorder=3,
    )


def _arc(
    start: tuple[float, float], stop: tuple[float, float], height: float, colour: str, style: str
) -> FancyArrowPatch:
    """An arrow whose highest point lies `height` above its ends."""
    from matplotlib.path import Path as Curve

    lift = 4 / 3 * height
    points = [start, (start[0], start[1] + lift), (stop[0], stop[1] + lift), stop]
    curve = Curve(points, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4])
    return FancyArrowPatch(
        path=curve, arrowstyle="-|>", mutation_scale=9, color=colour, linewidth=1.4, linestyle=style, zorder=2
    )
