"""Quality against time for one kind of image at one noise level: our models as lines, every other method beside them.

What colours, shapes, sizes and lines mean is in panel_marks.py. Points of two colours must not be compared in height;
that stands in the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...figures import STYLE, new_figure
from .figure_legend import add_legend
from .label_placement import Label, place_labels
from .panel_marks import (
    MARKERS,
    dashes,
    drawable,
    fronts,
    is_ours,
    names_with_devices,
    precision_of,
    protocol_colours,
    tint,
)
from .parameter_scale import ParameterScale
from .time_axis import set_time_axis
from .tradeoff import Panel, Quality, TradeoffPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_QUALITY_TEXTS: dict[Quality, tuple[str, str]] = {"psnr_db": ("PSNR (dB)", "{:.2f}"), "ssim": ("SSIM", "{:.4f}")}
_LEAST_REACH: dict[Quality, float] = {"psnr_db": 0.5, "ssim": 0.01}
"""Of the vertical axis: hardly different figures must not look far apart."""
_MANY_POINTS = 7
_DEPTH: dict[Quality, float] = {"psnr_db": 1.6, "ssim": 0.12}
"""Where there are more than `_MANY_POINTS`, what lies deeper than this under the best stands on the lower edge, with
its figure: the small differences between good models are what the picture is for."""
_WARNING_COLOUR = "#B00020"
_LONGEST_LINE = 92
_WIDTH_INCHES, _AXES_INCHES = 7.2, 4.4
"""At 900 pixels of width the smallest letters are 14 pixels high."""
_MOST_MORE_INCHES = 1.6
"""Added to the height where many names must find room."""


@dataclass(frozen=True, kw_only=True)
class TimeAlone:
    """A method whose quality is not known."""

    name: str
    time_ms: float
    """Per image."""


@dataclass(frozen=True, kw_only=True)
class FigureTexts:
    """What stands around the panel."""

    title: str
    conditions: str
    """Size, libraries, date."""
    warning: str | None
    """Why the heights cannot be compared with the published ones; None: they can, within one colour."""


def draw_tradeoff(
    panel: Panel, texts: FigureTexts, *, ours: frozenset[str], times_alone: Sequence[TimeAlone] = ()
) -> Figure:
    """The picture of one panel. `ours`: the models that lines go through, by the name their points carry."""
    colours = protocol_colours(panel.points)
    lines = fronts(panel.points, ours)
    with matplotlib.rc_context(STYLE):
        scale = ParameterScale([point.parameters for point in panel.points])
        height = _AXES_INCHES + min(_MOST_MORE_INCHES, 0.08 * max(0, len(panel.points) - _MANY_POINTS))
        figure = new_figure(_WIDTH_INCHES, height)
        axes = figure.subplots()
        floor = _floor(panel)
        _set_scales(axes, panel, times_alone, floor)
        for line in lines:
            axes.plot(
                [point.time_ms for point in line],
                [max(point.quality, floor) for point in line],
                color=colours[line[0].group.protocol],
                linewidth=1.8,
                linestyle=dashes(precision_of(line[0])),
                zorder=2,
            )
        # The large ones first: none may hide another one.
        for point in sorted(panel.points, key=lambda point: -scale.diameter(point.parameters)):
            colour = colours[point.group.protocol]
            _draw_point(axes, point, colour, scale.diameter(point.parameters), ours=ours, floor=floor)
        if panel.noisy_quality is not None and panel.noisy_quality > axes.get_ylim()[0]:
            axes.axhline(panel.noisy_quality, color="0.5", linewidth=1.0, linestyle=":")
        _write_texts(figure, axes, panel, texts)
        num_lines = add_legend(figure, panel, lines, scale, ours=ours, has_times=bool(times_alone))
        figure.set_size_inches(_WIDTH_INCHES, height + 0.185 * num_lines)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        _label(axes, panel, scale, lines, times_alone, floor)
    return figure


def _floor(panel: Panel) -> float:
    """The lowest place where a point may stand."""
    if len(panel.points) <= _MANY_POINTS:
        return -inf
    return max(point.quality for point in panel.points) - _DEPTH[panel.quality]


def _draw_point(
    axes: "Axes", point: TradeoffPoint, colour: Any, diameter: float, *, ours: frozenset[str], floor: float
) -> None:
    own, height = is_ours(point, ours), max(point.quality, floor)
    if point.time_range_ms is not None:
        axes.plot(point.time_range_ms, [height] * 2, color=colour, linewidth=1.0, marker="|", markersize=6, zorder=2.5)
    axes.plot(
        [point.time_ms],
        [height],
        "",
        marker=MARKERS[point.group.origin],
        # A square on its corner looks larger than a circle as wide.
        markersize=0.8 * diameter if point.group.origin == "published" else diameter,
        markerfacecolor=tint(colour, precision_of(point)) if own or point.group.origin == "published" else "white",
        markeredgecolor="black" if own else colour,
        markeredgewidth=1.2,
        zorder=3,
    )


def _set_scales(axes: "Axes", panel: Panel, times_alone: Sequence[TimeAlone], floor: float) -> None:
    times = [time for point in panel.points for time in (point.time_ms, *(point.time_range_ms or ()))]
    set_time_axis(axes, [*times, *(item.time_ms for item in times_alone)])
    levels = [max(point.quality, floor) for point in panel.points]
    low, high, least = min(levels), max(levels), _LEAST_REACH[panel.quality]
    spare = max(0.0, least - (high - low)) / 2
    reach = max(high - low, least)
    # Room at the bottom for the times alone.
    axes.set_ylim(low - spare - (0.3 if times_alone else 0.15) * reach, high + spare + 0.15 * reach)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    for item in times_alone:
        axes.axvline(item.time_ms, ymax=0.035, color="0.35", linewidth=1.6, zorder=3)


def _write_texts(figure: Figure, axes: "Axes", panel: Panel, texts: FigureTexts) -> None:
    axes.set_xlabel("time (ms per image)")
    axes.set_ylabel(_QUALITY_TEXTS[panel.quality][0])
    figure.suptitle(texts.title, x=0.01, ha="left", fontsize=10, parse_math=False)
    lines = wrap(texts.warning or "", _LONGEST_LINE)
    # Lines are kept free for the warning, which has a colour of its own.
    axes.set_title(texts.conditions + "\n " * len(lines), loc="left", fontsize=8, color="0.3", parse_math=False)
    place: Any = {"xy": (0, 1), "xycoords": "axes fraction", "xytext": (0, 6), "textcoords": "offset points"}
    warning = axes.annotate("\n".join(lines), **place, fontsize=8, weight="bold", color=_WARNING_COLOUR)
    warning.set_parse_math(False)
    warning.set_in_layout(False)


def _label(
    axes: "Axes",
    panel: Panel,
    scale: ParameterScale,
    lines: Sequence[Sequence[TradeoffPoint]],
    times_alone: Sequence[TimeAlone],
    floor: float,
) -> None:
    form = _QUALITY_TEXTS[panel.quality][1]
    labels: list[Label] = []
    for point, name in zip(panel.points, names_with_devices(panel.points), strict=True):
        deeper = "↓ " if point.quality < floor else ""
        # The figure of a projected point stands at the measured one already.
        is_known = point.group.origin == "projected" and any(_is_same(point, other) for other in panel.points)
        labels.append(
            Label(
                text=name if is_known else f"{name} {deeper}{form.format(point.quality)}",
                x=point.time_ms,
                y=max(point.quality, floor),
                radius_points=scale.diameter(point.parameters) / 2,
            )
        )
    bottom = axes.get_ylim()[0] + 0.03 * np.ptp(axes.get_ylim())
    labels += [Label(text=drawable(item.name), x=item.time_ms, y=bottom, radius_points=2) for item in times_alone]
    drawn = [
        ((a.time_ms, max(a.quality, floor)), (b.time_ms, max(b.quality, floor)))
        for line in lines
        for a, b in pairwise(line)
    ]
    for point in panel.points:
        if point.time_range_ms is not None:
            low, high = point.time_range_ms
            drawn.append(((low, max(point.quality, floor)), (high, max(point.quality, floor))))
    place_labels(axes, labels, lines=drawn, font_size=8)


def _is_same(projected: TradeoffPoint, other: TradeoffPoint) -> bool:
    """Whether the other is the measured point of the same quality."""
    return other.group.origin == "measured" and (other.model, other.quality) == (projected.model, projected.quality)
