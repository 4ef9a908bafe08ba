"""The trade-off picture: PSNR against latency, a row of panels for each kind of image, a column for each sigma.

Origins are told apart by the marker's shape and filling, parameters by size and by a colour scale (cividis) that is
ordered in grey print and for colour-blind eyes too. Nothing here touches pyplot's global state.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from ..figures import STYLE, new_figure
from .label_placement import place_labels
from .results import Origin
from .tradeoff import Panel, TradeoffPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS: dict[Origin, tuple[str, bool]] = {
    "measured": ("o", True),
    "published": ("D", False),
    "projected": ("^", False),
}
"""Shape, and whether it is filled."""
_UNKNOWN_PARAMETERS_COLOUR = "0.45"


def draw_tradeoff(panels: Sequence[Panel], *, title: str, conditions: str) -> Figure:
    """The picture of at least one panel. `title` and `conditions` stand above it: device, library, size, threads."""
    assert panels, "nothing to draw"
    with matplotlib.rc_context(STYLE):
        rows = sorted({(panel.channels, panel.dataset, panel.protocol) for panel in panels})
        sigmas = sorted({panel.sigma for panel in panels})
        figure = new_figure(2.2 + 2.9 * len(sigmas), 1.5 + 2.7 * len(rows))
        grid = figure.subplots(len(rows), len(sigmas), squeeze=False)
        scale = _ParameterScale(panels)
        drawn: list[tuple[Axes, Panel]] = []
        for row, kind in enumerate(rows):
            for column, sigma in enumerate(sigmas):
                axes = grid[row][column]
                found = [p for p in panels if (p.channels, p.dataset, p.protocol) == kind and p.sigma == sigma]
                if not found:
                    axes.set_visible(False)
                    continue
                _draw_panel(axes, found[0], scale)
                drawn.append((axes, found[0]))
                if column == 0 or not grid[row][0].get_visible():
                    colour = "grey" if kind[0] == 1 else "colour"
                    axes.set_ylabel(f"PSNR (dB), {colour} images")
                if row == len(rows) - 1:
                    axes.set_xlabel("latency (ms), median")
        _set_limits(drawn)
        scale.add_colourbar(figure, [axes for axes, _ in drawn])
        _add_heading(figure, panels, title, conditions)
        # Labels need the final positions of everything else.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes, panel in drawn:
            place_labels(
                axes,
                [(point.latency_ms, point.psnr_db) for point in panel.points],
                [_label(point) for point in panel.points],
                radii_points=[scale.marker_size(point.parameters) / 2 for point in panel.points],
            )
    return figure


class _ParameterScale:
    """Number of parameters to the colour and the diameter of a marker."""

    def __init__(self, panels: Sequence[Panel]) -> None:
        known = [p.parameters for panel in panels for p in panel.points if p.parameters]
        low, high = (min(known), max(known)) if known else (1e5, 1e6)
        # At least a decade, so that nearly equal models look nearly equal.
        middle, half = np.sqrt(low * high), max(np.sqrt(high / low), np.sqrt(10))
        self._norm = LogNorm(middle / half, middle * half)
        self._colours = matplotlib.colormaps["cividis_r"]
        self._any_known = bool(known)

    def colour(self, parameters: int | None) -> Any:
        return self._colours(self._norm(parameters)) if parameters else _UNKNOWN_PARAMETERS_COLOUR

    def marker_size(self, parameters: int | None) -> float:
        """Diameter in points."""
        return 6 + 6 * float(self._norm(parameters)) if parameters else 6.0

    def add_colourbar(self, figure: Figure, axes: Sequence["Axes"]) -> None:
        if not self._any_known:
            return
        scalars = ScalarMappable(self._norm, self._colours)
        bar = figure.colorbar(scalars, ax=list(axes), aspect=30, pad=0.015, fraction=0.04)
        bar.set_label("parameters")
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: parameters_text(value)))


def parameters_text(parameters: float) -> str:
    """283000 -> 0.283 M; three digits."""
    return f"{parameters / 1e6:.3g} M" if parameters >= 1e5 else f"{parameters / 1e3:.3g} k"


def _label(point: TradeoffPoint) -> str:
    size = "" if point.parameters is None else f", {parameters_text(point.parameters)}"
    return f"{point.model}\n{point.psnr_db:.2f} dB{size}"


def _draw_panel(axes: "Axes", panel: Panel, scale: _ParameterScale) -> None:
    for point in panel.points:
        marker, is_filled = _MARKERS[point.origin]
        colour = scale.colour(point.parameters)
        axes.plot(
            [point.latency_ms],
            [point.psnr_db],
            linestyle="none",
            marker=marker,
            markersize=scale.marker_size(point.parameters),
            markerfacecolor=colour if is_filled else "white",
            markeredgecolor="0.15" if is_filled else colour,
            markeredgewidth=0.7 if is_filled else 1.6,
            zorder=3,
        )
    noisy = "" if panel.noisy_psnr_db is None else f"  (noisy input: {panel.noisy_psnr_db:.2f} dB)"
    axes.set_title(rf"$\sigma$ = {panel.sigma:g}{noisy}", fontsize=9)
    axes.set_xscale("log")


def _set_limits(drawn: Sequence[tuple["Axes", Panel]]) -> None:
    """One latency axis for all panels, over at least a decade; PSNR over at least 1 dB, as many dB in every panel."""
    latencies = [point.latency_ms for _, panel in drawn for point in panel.points]
    low, high = min(latencies), max(latencies)
    middle, half = np.sqrt(low * high), max(np.sqrt(high / low) * 1.8, np.sqrt(10))
    spreads = [max(p.psnr_db for p in panel.points) - min(p.psnr_db for p in panel.points) for _, panel in drawn]
    reach = max(0.5, 0.75 * max(spreads))
    for axes, panel in drawn:
        levels = [point.psnr_db for point in panel.points]
        centre = (min(levels) + max(levels)) / 2
        axes.set_xlim(middle / half, middle * half)
        axes.set_ylim(centre - reach, centre + reach)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _add_heading(figure: Figure, panels: Sequence[Panel], title: str, conditions: str) -> None:
    datasets = " and ".join(sorted({panel.dataset for panel in panels}))
    protocols = " and ".join(sorted({panel.protocol for panel in panels}))
    origins: list[Origin] = [
        origin for origin in _MARKERS if any(p.origin == origin for panel in panels for p in panel.points)
    ]
    figure.suptitle(f"{title}\n{conditions}\nquality: {datasets}, protocol: {protocols}", x=0.01, ha="left", fontsize=9)
    handles = [
        Line2D([], [], linestyle="none", marker=marker, color="0.3", markerfacecolor="0.3" if is_filled else "white")
        for marker, is_filled in (_MARKERS[origin] for origin in origins)
    ]
    figure.legend(handles, list(origins), loc="outside lower right", ncols=len(origins), frameon=False, fontsize=8)
