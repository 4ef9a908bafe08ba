"""A free graph of boxes and arrows as a picture: U-Nets, branches, plain stacks."""

from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

from ....figures import COLOURS, STYLE, new_figure
from ...spaces.diagram import Arrow, Box, GraphDiagram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMN, _ROW = 1.5, 0.95
_WIDTH, _HEIGHT = 1.15, 0.42
_HIGHEST_ARC = 0.4
"""Above the boxes it joins, however far apart they are."""


def graph_figure(diagram: GraphDiagram, title: str) -> Figure:
    """Boxes at their places, the data from left to right, a colour for each kind of box."""
    kinds = list(dict.fromkeys(box.kind for box in diagram.boxes))
    colours = {kind: COLOURS[index % len(COLOURS)] for index, kind in enumerate(kinds)}
    columns = max(box.column for box in diagram.boxes)
    rows = max(box.row for box in diagram.boxes)
    with matplotlib.rc_context(STYLE):
        figure = new_figure(max(5.0, _COLUMN * (columns + 1) + 1.6), _ROW * (rows + 1) + 1.3)
        axes = figure.add_subplot()
        figure.suptitle(title, fontsize=10)
        for arrow in diagram.arrows:
            _draw_arrow(axes, diagram, arrow)
        for box in diagram.boxes:
            _draw_box(axes, box, colours[box.kind])
        for row, name in enumerate(diagram.rows):
            axes.text(-_WIDTH, -_ROW * row, name, ha="right", va="center", fontsize=8)
        axes.set_xlim(-_WIDTH - (1.0 if diagram.rows else 0.0), _COLUMN * columns + _WIDTH)
        axes.set_ylim(-_ROW * (rows + 1), _ROW)
        axes.axis("off")
        legend = [Patch(facecolor=colours[kind], alpha=0.35, edgecolor="0.2", label=kind) for kind in kinds]
        axes.legend(handles=legend, loc="lower center", ncols=min(5, len(legend)), fontsize=8, frameon=False)
        return figure


def _place(box: Box) -> tuple[float, float]:
    return _COLUMN * box.column, -_ROW * box.row


def _draw_box(axes: "Axes", box: Box, colour: str) -> None:
    x, y = _place(box)
    corner = (x - _WIDTH / 2, y - _HEIGHT / 2)
    axes.add_patch(FancyBboxPatch(corner, _WIDTH, _HEIGHT, boxstyle="round,pad=0.03", facecolor="white", zorder=2))
    axes.add_patch(
        FancyBboxPatch(
            corner, _WIDTH, _HEIGHT, boxstyle="round,pad=0.03", facecolor=colour, alpha=0.35, edgecolor="0.2", zorder=3
        )
    )
    axes.text(x, y, box.label, ha="center", va="center", fontsize=7, zorder=4)


def _draw_arrow(axes: "Axes", diagram: GraphDiagram, arrow: Arrow) -> None:
    source, target = diagram.boxes[arrow.source], diagram.boxes[arrow.target]
    (x, y), (u, v) = _place(source), _place(target)
    # Neighbours are joined by a straight line from side to side, others in a row by an arc over what lies between.
    is_near = target.column - source.column <= 1 or source.row != target.row
    if not is_near:
        start, stop = (x, y + _HEIGHT / 2), (u, v + _HEIGHT / 2)
    elif target.column > source.column:
        start, stop = (x + _WIDTH / 2, y), (u - _WIDTH / 2, v)
    else:
        down = 1 if target.row > source.row else -1
        start, stop = (x, y - down * _HEIGHT / 2), (u, v + down * _HEIGHT / 2)
    rise = 0.0 if is_near else min(0.125 * abs(u - x), _HIGHEST_ARC)
    axes.add_patch(
        FancyArrowPatch(
            start,
            stop,
            arrowstyle="-|>",
            mutation_scale=9,
            color="0.35",
            shrinkA=2,
            shrinkB=2,
            connectionstyle=f"arc3,rad={-2 * rise / abs(u - x) if rise else 0}",
            zorder=5,
        )
    )
    if arrow.label:
        middle = ((start[0] + stop[0]) / 2, (start[1] + stop[1]) / 2 + rise + (0.0 if is_near else 0.1))
        axes.text(*middle, arrow.label, ha="center", va="center", fontsize=6.5, zorder=5)
