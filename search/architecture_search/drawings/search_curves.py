"""A search as curves over its epochs: losses, the score on V, the entropy of the choices, the expected latency."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ....figures import COLOURS, STYLE, new_figure, write_both
from ..search_history import SearchRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = tuple[str, list[float | None]]


def draw_search_curves(rows: Sequence[SearchRow], stem: Path) -> Sequence[Path]:
    """Write `stem`.png and `stem`.svg."""
    return write_both(search_figure(rows), stem)


def search_figure(rows: Sequence[SearchRow]) -> Figure:
    """The curves of at least one epoch; what the search did not have is not drawn."""
    names = sorted({name for row in rows for name in row.entropies})
    phases = sorted({name for row in rows for name in row.losses}, reverse=True)
    wanted: list[tuple[str, list[Line]]] = [
        *((f"loss of the {name} phase", [(name, [row.losses.get(name) for row in rows])]) for name in phases),
        ("PSNR on V (dB), shared kernels", [("PSNR", [row.psnr_db for row in rows])]),
        ("SSIM on V, shared kernels", [("SSIM", [row.ssim for row in rows])]),
        ("mean entropy (bits)", [(name, [row.entropies.get(name) for row in rows]) for name in names]),
        ("expected latency (ms)", [("latency", [row.latency_ms for row in rows])]),
    ]
    drawn = [
        (title, lines) for title, lines in wanted if any(value is not None for _, values in lines for value in values)
    ]
    epochs = [row.epoch for row in rows]
    with matplotlib.rc_context(STYLE):
        columns = min(3, len(drawn))
        count = -(-len(drawn) // columns)
        figure = new_figure(3.2 * columns, 2.5 * count)
        for index, (title, lines) in enumerate(drawn):
            _draw(figure.add_subplot(count, columns, index + 1), title, epochs, lines)
        return figure


def _draw(axes: "Axes", title: str, epochs: Sequence[int], lines: Sequence[Line]) -> None:
    for (name, values), colour, style in zip(lines, COLOURS, ("-", "--", ":", "-.", "-", "--", ":"), strict=False):
        known = [(epoch, value) for epoch, value in zip(epochs, values, strict=True) if value is not None]
        if known:
            axes.plot(*zip(*known, strict=True), style, color=colour, label=name, marker="." if len(known) < 30 else "")
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("epoch")
    axes.set_xlim(0, max(epochs) + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(lines) > 1:
        axes.legend(fontsize=8, frameon=False)
