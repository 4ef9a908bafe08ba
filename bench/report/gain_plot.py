"""What time buys: dB above the noisy input against the time of a megapixel, a line for each kind of image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ...figures import COLOURS, STYLE, new_figure
from ...runtime.pictures.picture import KINDS
from .label_placement import Label, place_labels
from .panel_marks import LONGEST_LEGEND_LINE, drawable, is_ours, names_with_devices
from .time_axis import set_time_axis
from .tradeoff import Panel, TradeoffPoint, pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {1: COLOURS[0], 3: COLOURS[1]}
_MARKERS = {1: "s", 3: "o"}
"""By the number of channels."""
_DASHES: tuple[Any, ...] = ("-", "--", ":", "-.")
_LEAST_REACH_DB = 1.0


@dataclass(frozen=True, kw_only=True)
class GainLine:
    """What was measured for one kind of image on one device."""

    channels: int
    """1: grey, 3: colour."""
    sigma: float
    """Grey levels 0..255."""
    device: str
    dataset: str
    points: tuple[TradeoffPoint, ...]
    """At least one. Their `time_ms` is that of a megapixel, their `quality` in dB above the noisy input."""


def gain_lines(panels: Sequence[Panel], *, megapixels: float) -> list[GainLine]:
    """Of each kind of image the measured points at the middle level, device by device.

    `panels`: of denoising, PSNR, for a time per image of `megapixels`. Those whose noisy input is not known are left
    out.
    """
    lines: list[GainLine] = []
    for channels in sorted({panel.channels for panel in panels}):
        of_kind = [panel for panel in panels if panel.channels == channels and panel.noisy_quality is not None]
        if not of_kind:
            continue
        panel = of_kind[len(of_kind) // 2]
        noisy = panel.noisy_quality
        assert noisy is not None
        measured = [
            replace(point, time_ms=point.time_ms / megapixels, quality=point.quality - noisy)
            for point in panel.points
            if point.group.origin == "measured"
        ]
        for group in sorted({point.group for point in measured}):
            lines.append(
                GainLine(
                    channels=channels,
                    sigma=panel.sigma or 0,
                    device=group.device,
                    dataset=group.dataset,
                    points=tuple(point for point in measured if point.group == group),
                )
            )
    return lines


def draw_gains(lines: Sequence[GainLine], *, conditions: str, ours: frozenset[str]) -> Figure:
    """The picture of at least one line. `ours`: the models that the lines are of; all others are hollow points."""
    assert lines, "nothing to draw"
    points = [point for line in lines for point in line.points]
    with matplotlib.rc_context(STYLE):
        figure = new_figure(7.2, 4.6 + 0.185 * (len(lines) + 2))
        axes = figure.subplots()
        set_time_axis(axes, [point.time_ms for point in points])
        low, high = min(point.quality for point in points), max(point.quality for point in points)
        spare = 0.12 * (high - low) + max(0.0, _LEAST_REACH_DB - (high - low)) / 2
        axes.set_ylim(low - spare, high + spare)
        axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
        axes.set_xlabel("time for one megapixel (ms)")
        axes.set_ylabel("PSNR above that of the noisy input (dB)")
        figure.suptitle("What time buys", x=0.01, ha="left", fontsize=10)
        axes.set_title(conditions, loc="left", fontsize=8, color="0.3", parse_math=False)
        treads = [_draw_line(axes, line, _dashes(lines, line), ours) for line in lines]
        _add_legend(figure, lines, ours)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        _label(axes, lines, [segment for tread in treads for segment in tread])
    return figure


_Segment = tuple[tuple[float, float], tuple[float, float]]


def _dashes(lines: Sequence[GainLine], line: GainLine) -> Any:
    """By the device: with one device every line is solid."""
    devices = sorted({other.device for other in lines})
    return _DASHES[devices.index(line.device) % len(_DASHES)]


def _draw_line(axes: "Axes", line: GainLine, dashes: Any, ours: frozenset[str]) -> list[_Segment]:
    """Draw one line and its points; returns its stretches."""
    colour = _COLOURS.get(line.channels, COLOURS[2])
    front = pareto_front([point for point in line.points if is_ours(point, ours)])
    end = axes.get_xlim()[1]
    segments: list[_Segment] = []
    for index, point in enumerate(front):
        until = front[index + 1].time_ms if index + 1 < len(front) else end
        segments.append(((point.time_ms, point.quality), (until, point.quality)))
        if index + 1 < len(front):
            segments.append(((until, point.quality), (until, front[index + 1].quality)))
    for (left, bottom), (right, top) in segments:
        axes.plot([left, right], [bottom, top], color=colour, linewidth=1.6, linestyle=dashes, zorder=2)
    for point in line.points:
        own = is_ours(point, ours)
        axes.plot(
            [point.time_ms],
            [point.quality],
            "",
            marker=_MARKERS.get(line.channels, "D"),
            markersize=7.5 if own else 7,
            markerfacecolor=colour if own else "white",
            markeredgecolor="black" if own else colour,
            markeredgewidth=1.0 if own else 1.3,
            zorder=3,
        )
    return segments


def _label(axes: "Axes", lines: Sequence[GainLine], segments: Sequence[_Segment]) -> None:
    labels = [
        Label(text=f"{name} {point.quality:+.2f}", x=point.time_ms, y=point.quality, radius_points=4)
        for line in lines
        for point, name in zip(line.points, names_with_devices(line.points), strict=True)
    ]
    place_labels(axes, labels, lines=segments, font_size=8)


def _add_legend(figure: Figure, lines: Sequence[GainLine], ours: frozenset[str]) -> None:
    handles: list[Line2D] = []
    texts: list[str] = []
    for line in lines:
        colour = _COLOURS.get(line.channels, COLOURS[2])
        style: dict[str, Any] = {
            "color": colour,
            "marker": _MARKERS.get(line.channels, "D"),
            "markeredgecolor": "black",
        }
        handles.append(Line2D([], [], linestyle=_dashes(lines, line), **style))
        kind = KINDS[line.channels].replace("grey", "grey images").replace("colour", "colour images")
        text = f"{kind}, sigma {line.sigma:g}, on {line.device}; images: {line.dataset}"
        texts.append(drawable(text, LONGEST_LEGEND_LINE))
    handles.append(Line2D([], [], linestyle="none"))
    texts.append("The line at a time is as high as the best of our models that needs no more time.")
    if any(not is_ours(point, ours) for line in lines for point in line.points):
        handles.append(Line2D([], [], linestyle="none", marker="o", markerfacecolor="white", markeredgecolor="0.35"))
        texts.append("other methods, measured here too")
    legend = figure.legend(
        handles, texts, loc="outside lower left", ncols=1, frameon=False, fontsize=8, labelspacing=0.35, handlelength=3
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
