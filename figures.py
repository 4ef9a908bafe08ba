"""Drawing with matplotlib alike in every room: one style, colours for colour-blind eyes, the same bytes every time.

Nothing here touches pyplot's global state.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .atomic_files import written_whole

STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "svg.hashsalt": "hinas",
    "svg.fonttype": "none",
}
"""For `matplotlib.rc_context`, round everything that is drawn."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart by colour-blind eyes too (Okabe and Ito)."""


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """An empty figure; make it and draw in it within `matplotlib.rc_context(STYLE)`."""
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained", dpi=160)
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: Figure, path: Path) -> None:
    """Write PNG or SVG, by the path's suffix; the same figure gives the same bytes."""
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context(STYLE), written_whole(path) as temporary:
        _lay_out(figure)
        figure.savefig(temporary, metadata=metadata)


def _lay_out(figure: Figure) -> None:
    """Give everything its place, once for all files: matplotlib would for each of them, half of the whole work."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def write_both(figure: Figure, stem: Path) -> Sequence[Path]:
    """Write `stem`.png and `stem`.svg."""
    files = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "svg")]
    for file in files:
        write_figure(figure, file)
    return files
