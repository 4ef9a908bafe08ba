"""The trade-off picture: quality against time per image, one panel for each task, kind of image and noise level.

Origins are told apart by the marker's shape and filling, groups (origin, device, protocol, images) by a letter behind
the model's name that the legend explains, parameters by size and by a colour scale (cividis) that is ordered in grey
print and for colour-blind eyes too. Nothing here touches pyplot's global state.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from string import ascii_lowercase
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ...figures import STYLE, new_figure
from ..results.entries import Origin
from ..results.result_texts import parameters_text
from .label_placement import Label, place_labels
from .parameter_scale import ParameterScale
from .tradeoff import Group, Panel, Quality, TradeoffPoint, pareto_front, point_names, points_by_group

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS: dict[Origin, tuple[str, Literal["full", "left", "none"]]] = {
    "measured": ("o", "full"),
    "published": ("D", "left"),
    "projected": ("^", "none"),
}
"""Shape, and which part of it is filled."""
_ORIGIN_TEXTS: dict[Origin, str] = {
    "measured": "measured",
    "published": "published, not measured here",
    "projected": "time projected (bar: its range), quality measured",
}
_DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)), (0, (6, 2, 1, 2, 1, 2)))
_QUALITY_TEXTS: dict[Quality, str] = {"psnr_db": "PSNR (dB)", "ssim": "SSIM"}
_LEAST_REACH: dict[Quality, float] = {"psnr_db": 0.5, "ssim": 0.01}
"""Half of the vertical axis, at least: hardly different figures must not look far apart."""
_MOST_POINTS_SIDE_BY_SIDE = 7
"""With more in one panel, every panel gets the whole width."""
_DEPTH: dict[Quality, float] = {"psnr_db": 1.6, "ssim": 0.12}
"""In crowded panels what lies deeper than this under the best stands on the lower edge, with its figure: the small
differences between good models are what the picture is for."""
_LONGEST_NAME = 34
_LONGEST_LEGEND_LINE = 125


def draw_tradeoff(panels: Sequence[Panel], *, title: str, conditions: str) -> Figure:
    """The picture of at least one panel. `title` and `conditions` stand above it: size, libraries, date."""
    assert panels, "nothing to draw"
    groups = list(points_by_group(point for panel in panels for point in panel.points))
    letters = {group: _letter(index) for index, group in enumerate(groups)}
    is_crowded = max(len(panel.points) for panel in panels) > _MOST_POINTS_SIDE_BY_SIDE
    depth = _DEPTH[panels[0].quality] if is_crowded else inf
    with matplotlib.rc_context(STYLE):
        scale = ParameterScale([point.parameters for panel in panels for point in panel.points])
        figure, drawn = _axes_of(panels, num_groups=len(groups), is_crowded=is_crowded)
        dashes = _dashes_of_fronts(panels, groups)
        for axes, panel in drawn:
            _draw_panel(axes, panel, scale, dashes, depth=depth)
        _set_limits(drawn, depth=depth)
        num_rows = len({panel.sigma for panel in panels}) if is_crowded else 1
        scale.add_colourbar(figure, [axes for axes, _ in drawn], shrink=1 / num_rows)
        figure.suptitle(f"{title}\n{conditions}", x=0.01, ha="left", fontsize=9, parse_math=False)
        _add_legend(figure, letters, dashes)
        # Labels need the final positions of everything else.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes, panel in drawn:
            _label_points(axes, panel, scale, letters, is_brief=is_crowded, depth=depth)
    return figure


def _height(point: TradeoffPoint, panel: Panel, depth: float) -> float:
    """Where a point stands: at its quality, but not deeper than `depth` under the best."""
    return max(point.quality, max(other.quality for other in panel.points) - depth)


def _axes_of(
    panels: Sequence[Panel], *, num_groups: int, is_crowded: bool
) -> tuple[Figure, list[tuple["Axes", Panel]]]:
    """A row for each kind of image and a column for each sigma; where panels are crowded, the other way round."""
    kinds = sorted({_kind(panel) for panel in panels})
    sigmas = sorted({panel.sigma or 0.0 for panel in panels})
    legend_inches = 0.45 + 0.17 * num_groups
    if is_crowded:
        figure = new_figure(1.0 + 6.6 * len(kinds), 0.7 + 4.2 * len(sigmas) + legend_inches)
        grid = figure.subplots(len(sigmas), len(kinds), squeeze=False).T
    else:
        figure = new_figure(max(7.6, 2.2 + 2.9 * len(sigmas)), 0.9 + 2.7 * len(kinds) + legend_inches)
        grid = figure.subplots(len(kinds), len(sigmas), squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    drawn = [(grid[kinds.index(_kind(panel))][sigmas.index(panel.sigma or 0.0)], panel) for panel in panels]
    lowest = {_kind(panel): axes for axes, panel in drawn}
    for axes, panel in drawn:
        axes.set_visible(True)
        images = "grey images" if panel.channels == 1 else "colour images"
        if panel.task != "denoise":
            # Of what exactly of an enlarged picture, the papers' tables do not say.
            is_measured = any(point.group.origin == "measured" for point in panel.points)
            images = "of Y, or as published" if is_measured else "as published"
        is_first = is_crowded or axes.get_subplotspec().is_first_col()
        axes.set_ylabel(f"{_QUALITY_TEXTS[panel.quality]}, {images}" if is_first else "")
        if is_crowded or axes.get_subplotspec().rowspan.start == lowest[kinds[-1]].get_subplotspec().rowspan.start:
            axes.set_xlabel("time (ms per image)")
    return figure, drawn


def _kind(panel: Panel) -> tuple[str, int]:
    return panel.task, panel.channels


def _draw_panel(axes: "Axes", panel: Panel, scale: ParameterScale, dashes: dict[Group, Any], *, depth: float) -> None:
    for group, points in points_by_group(panel.points).items():
        front = pareto_front(points)
        if group in dashes and len(front) > 1:
            axes.plot(
                [point.time_ms for point in front],
                [_height(point, panel, depth) for point in front],
                drawstyle="steps-post",
                color="0.45",
                linewidth=1.0,
                linestyle=dashes[group],
                zorder=2,
            )
        for point in points:
            height = _height(point, panel, depth)
            if point.time_range_ms is not None:
                axes.plot(point.time_range_ms, [height] * 2, color="0.35", linewidth=0.9, marker="|", markersize=5)
            _draw_marker(axes, point, scale, height)
    unit = " dB" if panel.quality == "psnr_db" else ""
    digits = 2 if panel.quality == "psnr_db" else 3
    noisy = "" if panel.noisy_quality is None else f"  (noisy input: {panel.noisy_quality:.{digits}f}{unit})"
    is_enlarging = panel.sigma is None
    title = f"{panel.task}{noisy.replace('noisy input', 'bicubic')}" if is_enlarging else f"σ = {panel.sigma:g}{noisy}"
    axes.set_title(title, fontsize=9, parse_math=False)
    axes.set_xscale("log")


def _draw_marker(axes: "Axes", point: TradeoffPoint, scale: ParameterScale, height: float) -> None:
    marker, filling = _MARKERS[point.group.origin]
    size, colour = scale.marker_size(point.parameters), scale.colour(point.parameters)
    place: Any = ([point.time_ms], [height])
    if filling == "none":
        # A dark rim round a coloured one: the scale's yellow end is hard to see on white.
        axes.plot(*place, "", marker=marker, markersize=size, mfc="white", mec="0.15", mew=3.0, zorder=3)
        axes.plot(*place, "", marker=marker, markersize=size, mfc="white", mec=colour, mew=1.7, zorder=3)
    else:
        axes.plot(
            *place,
            "",
            marker=marker,
            markersize=size if marker == "o" else 0.85 * size,
            fillstyle=filling,
            markerfacecolor=colour,
            markerfacecoloralt="white",
            markeredgecolor="0.15",
            markeredgewidth=0.8,
            zorder=3,
        )


def _set_limits(drawn: Sequence[tuple["Axes", Panel]], *, depth: float) -> None:
    """One time axis for all panels of a kind, over at least a decade; as many dB in every panel of a kind."""
    for kind in {_kind(panel) for _, panel in drawn}:
        some = [(axes, panel) for axes, panel in drawn if _kind(panel) == kind]
        points = [point for _, panel in some for point in panel.points]
        times = [time for point in points for time in (point.time_ms, *(point.time_range_ms or ()))]
        low, high = min(times), max(times)
        # Room for the labels beside the outermost points.
        middle, half = np.sqrt(low * high), max(np.sqrt(high / low) ** 1.1 * 1.6, np.sqrt(10))
        heights = {id(panel): [_height(point, panel, depth) for point in panel.points] for _, panel in some}
        reach = max(_LEAST_REACH[some[0][1].quality], 0.62 * max(max(some) - min(some) for some in heights.values()))
        for axes, panel in some:
            levels = heights[id(panel)]
            centre = (min(levels) + max(levels)) / 2
            axes.set_xlim(middle / half, middle * half)
            axes.set_ylim(centre - reach, centre + reach)
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if half < 30 else (1,)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _label_points(
    axes: "Axes", panel: Panel, scale: ParameterScale, letters: dict[Group, str], *, is_brief: bool, depth: float
) -> None:
    names = point_names(panel.points)
    labels: list[Label] = []
    for point, name in zip(panel.points, names, strict=True):
        text = _short(name, _LONGEST_NAME)
        if len(letters) > 1:
            text += f" [{letters[point.group]}]"
        height = _height(point, panel, depth)
        figure = f"{point.quality:.2f} dB" if panel.quality == "psnr_db" else f"{point.quality:.4f}"
        if height > point.quality:
            text += f" ↓ {figure}"
        if not is_brief:
            text += f"\n{figure}" + ("" if point.parameters is None else f", {parameters_text(point.parameters)}")
        labels.append(
            Label(text=text, x=point.time_ms, y=height, radius_points=scale.marker_size(point.parameters) / 2)
        )
    lines = [
        ((point.time_range_ms[0], _height(point, panel, depth)), (point.time_range_ms[1], _height(point, panel, depth)))
        for point in panel.points
        if point.time_range_ms is not None
    ]
    for points in points_by_group(panel.points).values():
        front = [(point.time_ms, _height(point, panel, depth)) for point in pareto_front(points)]
        for (start, low), (end, high) in pairwise(front):
            lines += [((start, low), (end, low)), ((end, low), (end, high))]
    place_labels(axes, labels, lines=lines, font_size=6.5 if is_brief else 7)


def _short(text: str, length: int) -> str:
    """At most `length` characters, none of which an SVG file may not hold."""
    return shorten("".join(sign if sign.isprintable() else " " for sign in text), length, placeholder="…")


def _letter(index: int) -> str:
    return ascii_lowercase[index] if index < len(ascii_lowercase) else str(index + 1)


def _dashes_of_fronts(panels: Sequence[Panel], groups: Sequence[Group]) -> dict[Group, Any]:
    """A style of line for every group that has a front somewhere."""
    with_front = [
        group
        for group in groups
        if any(len(pareto_front([p for p in panel.points if p.group == group])) > 1 for panel in panels)
    ]
    return {group: _DASHES[index % len(_DASHES)] for index, group in enumerate(with_front)}


def _add_legend(figure: Figure, letters: dict[Group, str], dashes: dict[Group, Any]) -> None:
    handles: list[Line2D] = []
    texts: list[str] = []
    for group, letter in letters.items():
        marker, filling = _MARKERS[group.origin]
        handles.append(
            Line2D(
                [],
                [],
                linestyle=dashes.get(group, "none"),
                color="0.45",
                marker=marker,
                fillstyle=filling,
                markersize=6,
                markerfacecolor="0.45",
                markerfacecoloralt="white",
                markeredgecolor="0.15",
            )
        )
        words = f"{group.device}; {group.protocol} protocol; {group.dataset}; {_ORIGIN_TEXTS[group.origin]}"
        words = words.replace("half-size images protocol", "half-size images").replace(
            "unknown protocol", "protocol unknown"
        )
        texts.append(_short(f"[{letter}] {words}" if len(letters) > 1 else words, _LONGEST_LEGEND_LINE))
    if dashes:
        handles.append(Line2D([], [], linestyle="none"))
        texts.append(
            "Line: Pareto front within one such group; quality is comparable only on the same images and protocol."
        )
    legend = figure.legend(
        handles,
        texts,
        loc="outside lower left",
        ncols=1,
        frameon=False,
        fontsize=7.5,
        handlelength=3.2,
        labelspacing=0.35,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
