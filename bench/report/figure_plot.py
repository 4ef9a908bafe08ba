"""A paper's panel drawn again: our models as a line, every other method beside it, one colour for each protocol.

The colour says how the quality was measured, the shape where the time comes from. Points of two colours must not be
compared in height; that stands in the picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ...figures import COLOURS, STYLE, new_figure
from ..results.entries import Origin
from .label_placement import Label, place_labels
from .tradeoff import Panel, Quality, TradeoffPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS: Mapping[Origin, str] = {"measured": "o", "published": "D", "projected": "^"}
_ORIGIN_TEXTS: Mapping[Origin, str] = {
    "measured": "time and quality measured here",
    "published": "as published",
    "projected": "quality measured here, time projected",
}
_PROTOCOL_TEXTS: Mapping[str, str] = {
    "standard": "standard protocol",
    "standard, clipped 8-bit": "noise clipped and rounded to 8 bits",
    "hinas-patches": "overlapping patches, each with noise of its own (HiNAS's authors): higher than standard",
    "half-size images": "images shrunk to half: lower than standard",
    "sr-y": "bicubically reduced, brightness, border cropped",
    "task cases": "degraded as the task is scored in training",
    "task cases, brightness": "the same, brightness alone",
    "unknown": "protocol not stated",
}
_QUALITY_TEXTS: Mapping[Quality, tuple[str, str]] = {"psnr_db": ("PSNR (dB)", "{:.2f}"), "ssim": ("SSIM", "{:.4f}")}
_WARNING_COLOUR = "#B00020"
_LONGEST_LINE = 100


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


def draw_paper_figure(
    panel: Panel, texts: FigureTexts, *, ours: frozenset[str], times_alone: Sequence[TimeAlone] = ()
) -> Figure:
    """One panel. `ours`: the models that the line goes through, by the name their points carry."""
    colours = _protocol_colours(panel.points)
    with matplotlib.rc_context(STYLE):
        figure = new_figure(8.4, 6.4)
        axes = figure.subplots()
        line = _line(panel.points, ours)
        if len(line) > 1:
            axes.plot(
                [point.time_ms for point in line],
                [point.quality for point in line],
                color=colours[line[0].group.protocol],
                linewidth=1.8,
                zorder=2,
            )
        for point in panel.points:
            _draw_point(axes, point, colours[point.group.protocol], is_ours=_is_ours(point, ours))
        _set_scales(axes, panel, times_alone)
        if panel.noisy_quality is not None and panel.noisy_quality > axes.get_ylim()[0]:
            axes.axhline(panel.noisy_quality, color="0.6", linewidth=0.8, linestyle=":")
        _write_texts(figure, axes, panel, texts)
        _add_legend(figure, panel.points, colours, has_line=len(line) > 1, has_times=bool(times_alone))
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        _label(axes, panel, ours, line, times_alone)
    return figure


def _protocol_colours(points: Sequence[TradeoffPoint]) -> dict[str, Any]:
    """One colour for each protocol: always the same for the known ones."""
    known = dict(zip(_PROTOCOL_TEXTS, COLOURS, strict=False))
    present = {point.group.protocol for point in points}
    return {
        protocol: known.get(protocol, "0.4")
        for protocol in (*known, *sorted(present - set(known)))
        if protocol in present
    }


def _is_ours(point: TradeoffPoint, ours: frozenset[str]) -> bool:
    return point.model in ours and point.group.origin == "measured"


def _line(points: Sequence[TradeoffPoint], ours: frozenset[str]) -> list[TradeoffPoint]:
    """Our measured models, the fastest first; on one device alone, where there are several the first."""
    own = [point for point in points if _is_ours(point, ours)]
    return sorted((point for point in own if point.group == own[0].group), key=lambda point: point.time_ms)


def _draw_point(axes: "Axes", point: TradeoffPoint, colour: Any, *, is_ours: bool) -> None:
    axes.plot(
        [point.time_ms],
        [point.quality],
        "",
        marker=_MARKERS[point.group.origin],
        markersize=9 if is_ours else 7,
        markerfacecolor=colour if is_ours or point.group.origin == "published" else "white",
        markeredgecolor="black" if is_ours else colour,
        markeredgewidth=1.2,
        zorder=3,
    )
    if point.time_range_ms is not None:
        axes.plot(point.time_range_ms, [point.quality] * 2, color=colour, linewidth=0.9, marker="|", markersize=5)


def _set_scales(axes: "Axes", panel: Panel, times_alone: Sequence[TimeAlone]) -> None:
    times = [time for point in panel.points for time in (point.time_ms, *(point.time_range_ms or ()))]
    times += [item.time_ms for item in times_alone]
    low, high = min(times), max(times)
    middle, half = np.sqrt(low * high), max(np.sqrt(high / low) ** 1.1 * 1.6, np.sqrt(10))
    axes.set_xscale("log")
    axes.set_xlim(middle / half, middle * half)
    levels = [point.quality for point in panel.points]
    least = 0.5 if panel.quality == "psnr_db" else 0.01
    reach = max(max(levels) - min(levels), least)
    # Room at the bottom for the times alone.
    axes.set_ylim(min(levels) - (0.3 if times_alone else 0.15) * reach, max(levels) + 0.15 * reach)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if half < 30 else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
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


def _add_legend(
    figure: Figure, points: Sequence[TradeoffPoint], colours: Mapping[str, Any], *, has_line: bool, has_times: bool
) -> None:
    handles: list[Line2D] = []
    texts: list[str] = []

    def add(text: str, **style: Any) -> None:
        handles.append(Line2D([], [], **{"linestyle": "none", **style}))
        texts.append(text)

    for protocol, colour in colours.items():
        add(_PROTOCOL_TEXTS.get(protocol, protocol), marker="s", markersize=8, color=colour)
    for origin, text in _ORIGIN_TEXTS.items():
        devices = sorted({point.group.device for point in points if point.group.origin == origin})
        if devices:
            filling = "0.4" if origin == "published" else "white"
            style = {"marker": _MARKERS[origin], "markerfacecolor": filling, "markeredgecolor": "0.25"}
            add(f"{text}, on {', '.join(devices)}", **style)
    if has_line:
        add("our models", linestyle="-", color="0.25", marker="o", markerfacecolor="0.25", markeredgecolor="black")
    if has_times:
        add("at the lower edge: time alone, no weights to measure quality with", marker="|", color="0.35", markersize=9)
    legend = figure.legend(
        handles, texts, loc="outside lower left", ncols=1, frameon=False, fontsize=7.5, labelspacing=0.35
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _label(
    axes: "Axes",
    panel: Panel,
    ours: frozenset[str],
    line: Sequence[TradeoffPoint],
    times_alone: Sequence[TimeAlone],
) -> None:
    form = _QUALITY_TEXTS[panel.quality][1]
    labels = [
        Label(
            text=f"{point.model}\n{form.format(point.quality)}",
            x=point.time_ms,
            y=point.quality,
            radius_points=4.5 if _is_ours(point, ours) else 3.5,
        )
        for point in panel.points
    ]
    bottom = axes.get_ylim()[0] + 0.03 * np.ptp(axes.get_ylim())
    labels += [Label(text=item.name, x=item.time_ms, y=bottom, radius_points=2) for item in times_alone]
    segments = [((a.time_ms, a.quality), (b.time_ms, b.quality)) for a, b in pairwise(line)]
    place_labels(axes, labels, lines=segments)
