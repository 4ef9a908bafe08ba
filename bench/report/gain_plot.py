"""What time buys: dB above the noisy input against the time of a megapixel, a panel for each kind of picture.

The panels share the axis of time. Each begins at a gain of its own, so that no height is empty, but a dB is as high in
all of them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ...figures import COLOURS, STYLE, new_figure
from .gain_lines import GainLine
from .label_placement import Label, place_labels
from .panel_marks import LONGEST_LEGEND_LINE, drawable, is_ours, names_with_devices
from .time_axis import set_time_axis
from .tradeoff import pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = {"grey images": (COLOURS[0], "s"), "colour images": (COLOURS[1], "o"), "photographs": (COLOURS[2], "D")}
"""Colour and marker by the kind of picture."""
_OTHER_MARKS = (COLOURS[3], "^")
_DASHES: tuple[Any, ...] = ("-", "--", ":", "-.")
_LEAST_REACH_DB = 0.5
"""Of an axis without what is spared at its ends."""
_SPARE = 0.35
"""At each end of an axis, as a share of what the points need; labels stand there."""
_PANEL_INCHES, _LINE_INCHES, _REST_INCHES = 1.5, 0.185, 1.0
_Segment = tuple[tuple[float, float], tuple[float, float]]


def draw_gains(lines: Sequence[GainLine], *, conditions: str, ours: frozenset[str]) -> Figure:
    """The picture of at least one line. `ours`: the models that the lines are of; all others are hollow points."""
    assert lines, "nothing to draw"
    kinds = list(dict.fromkeys(line.kind for line in lines))
    with matplotlib.rc_context(STYLE):
        legend = _legend(lines, conditions, ours)
        height = _REST_INCHES + _PANEL_INCHES * len(kinds) + _LINE_INCHES * len(legend)
        figure = new_figure(7.2, height)
        panels: list[Axes] = list(figure.subplots(len(kinds), sharex=True, squeeze=False)[:, 0])
        set_time_axis(panels[0], [point.time_ms for line in lines for point in line.points])
        panels[-1].set_xlabel("time for one megapixel (ms)")
        height_label = figure.supylabel("PSNR above that of the noisy input (dB)", fontsize=9)
        figure.suptitle("What time buys", x=0.01, ha="left", fontsize=10)
        drawn: list[tuple[Axes, list[GainLine], list[_Segment]]] = []
        for axes, kind in zip(panels, kinds, strict=True):
            of_kind = [line for line in lines if line.kind == kind]
            _set_gain_axis(axes, of_kind, reach=max(_reach([line for line in lines if line.kind == k]) for k in kinds))
            axes.set_title(_panel_title(of_kind), loc="left", fontsize=8.5, parse_math=False)
            segments = [part for line in of_kind for part in _draw_line(axes, line, _dashes(lines, line.device), ours)]
            drawn.append((axes, of_kind, segments))
        _add_legend(figure, legend)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        # The legend below is not part of what the label is for.
        height_label.set_y((panels[0].get_position().y1 + panels[-1].get_position().y0) / 2)
        for axes, of_kind, segments in drawn:
            _label(axes, of_kind, segments)
    return figure


def _reach(lines: Sequence[GainLine]) -> float:
    """dB from the lowest to the highest point."""
    gains = [point.quality for line in lines for point in line.points]
    return max(gains) - min(gains)


def _set_gain_axis(axes: "Axes", lines: Sequence[GainLine], *, reach: float) -> None:
    """Round the points of these lines; `reach` in dB is the same in all panels."""
    gains = [point.quality for line in lines for point in line.points]
    middle, half = (min(gains) + max(gains)) / 2, max(reach, _LEAST_REACH_DB) * (0.5 + _SPARE)
    axes.set_ylim(middle - half, middle + half)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _panel_title(lines: Sequence[GainLine]) -> str:
    datasets = ", ".join(dict.fromkeys(line.dataset for line in lines))
    return drawable(f"{lines[0].kind}, {lines[0].noise}; clean images: {datasets}", LONGEST_LEGEND_LINE)


def _marks(line: GainLine) -> tuple[str, str]:
    return _MARKS.get(line.kind, _OTHER_MARKS)


def _dashes(lines: Sequence[GainLine], device: str) -> Any:
    """By the device: with one device every line is solid."""
    devices = sorted({line.device for line in lines})
    return _DASHES[devices.index(device) % len(_DASHES)]


def _draw_line(axes: "Axes", line: GainLine, dashes: Any, ours: frozenset[str]) -> list[_Segment]:
    """Draw one line and its points; returns its stretches."""
    colour, marker = _marks(line)
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
            marker=marker,
            markersize=7.5 if own else 7,
            markerfacecolor=colour if own else "white",
            markeredgecolor="black" if own else colour,
            markeredgewidth=1.0 if own else 1.3,
            zorder=3,
        )
    return segments


def _label(axes: "Axes", lines: Sequence[GainLine], segments: Sequence[_Segment]) -> None:
    labels = [
        Label(text=f"{name} {point.quality:+.2f}", x=point.time_ms, y=point.quality, radius_points=5)
        for line in lines
        for point, name in zip(line.points, names_with_devices(line.points), strict=True)
    ]
    place_labels(axes, labels, lines=segments, font_size=8)


def _legend(lines: Sequence[GainLine], conditions: str, ours: frozenset[str]) -> list[tuple[Line2D, str]]:
    nothing = Line2D([], [], linestyle="none")
    entries = [
        (Line2D([], [], color="0.35", linewidth=1.6, linestyle=_dashes(lines, device)), f"times measured on {device}")
        for device in sorted({line.device for line in lines})
    ]
    entries += [
        *((nothing, text) for text in _in_lines(conditions)),
        (nothing, "The line at a time is as high as the best of our models that needs no more time."),
    ]
    if len({line.kind for line in lines}) > 1:
        entries.append((nothing, "A dB is as high in every panel; each begins at another gain."))
    if any(not is_ours(point, ours) for line in lines for point in line.points):
        hollow = Line2D([], [], linestyle="none", marker="o", markerfacecolor="white", markeredgecolor="0.35")
        entries.append((hollow, "other methods, measured here too"))
    return [(handle, drawable(text, LONGEST_LEGEND_LINE)) for handle, text in entries]


def _in_lines(conditions: str) -> list[str]:
    """Whole parts of `conditions` in as many lines as are needed."""
    return [conditions] if len(conditions) <= LONGEST_LEGEND_LINE else conditions.rsplit("; ", 1)


def _add_legend(figure: Figure, entries: Sequence[tuple[Line2D, str]]) -> None:
    legend = figure.legend(
        [handle for handle, _ in entries],
        [text for _, text in entries],
        loc="outside lower left",
        ncols=1,
        frameon=False,
        fontsize=8,
        labelspacing=0.35,
        handlelength=3,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
