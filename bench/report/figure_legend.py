"""The legend of a trade-off picture, a line for each thing to know, under the axes."""

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D

from ..results.entries import Origin
from ..results.result_texts import parameters_text
from .panel_marks import (
    LONGEST_LEGEND_LINE,
    MARKERS,
    PROTOCOL_TEXTS,
    dashes,
    drawable,
    is_ours,
    precision_of,
    protocol_colours,
    tint,
)
from .parameter_scale import ParameterScale
from .tradeoff import Panel, TradeoffPoint

_INK = "0.35"
"""Of marks whose colour means nothing here."""
_Row = tuple[str, Sequence[dict[str, Any]]]
"""A text, and the styles of the marks before it."""


def add_legend(
    figure: Figure,
    panel: Panel,
    lines: Sequence[Sequence[TradeoffPoint]],
    scale: ParameterScale,
    *,
    ours: frozenset[str],
    has_times: bool,
) -> int:
    """Write it; returns its number of lines. `lines`: those drawn through our models."""
    rows = [
        *_protocol_rows(panel),
        *_our_rows(panel, lines),
        *_origin_rows(panel, ours),
        *_size_rows(panel, scale),
        *_baseline_rows(panel),
    ]
    if has_times:
        mark = {"marker": "|", "color": _INK, "markersize": 9}
        rows.append(("at the lower edge: time alone, no weights to measure quality with", [mark]))
    # matplotlib takes tuples of marks too; its types do not say so.
    handles: list[Any] = [
        tuple(Line2D([], [], **{"linestyle": "none", **style}) for style in styles) for _, styles in rows
    ]
    legend = figure.legend(
        handles,
        [drawable(text, LONGEST_LEGEND_LINE) for text, _ in rows],
        loc="outside lower left",
        ncols=1,
        frameon=False,
        fontsize=8,
        labelspacing=0.35,
        handlelength=4.4,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.6)},
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return len(rows)


def _protocol_rows(panel: Panel) -> list[_Row]:
    colours = protocol_colours(panel.points)
    rows: list[_Row] = [
        (PROTOCOL_TEXTS.get(protocol, protocol), [{"marker": "s", "markersize": 8, "color": colour}])
        for protocol, colour in colours.items()
    ]
    if len(rows) > 1:
        rows.append(("Do not compare heights across these colours: each is another way to measure.", [{}]))
    return rows


def _our_rows(panel: Panel, lines: Sequence[Sequence[TradeoffPoint]]) -> list[_Row]:
    rows: list[_Row] = []
    backends = {point.conditions[0] for point in panel.points if point.group.origin == "measured"} - {""}
    for precision in dict.fromkeys(precision_of(line[0]) for line in lines):
        style: dict[str, Any] = {"marker": "o", "markerfacecolor": tint(_INK, precision), "markeredgecolor": "black"}
        if any(len(line) > 1 for line in lines if precision_of(line[0]) == precision):
            style |= {"linestyle": dashes(precision), "color": _INK, "linewidth": 1.8}
        found = {point.conditions[0] for line in lines for point in line if precision_of(point) == precision}
        where = f" ({_listed(found)})" if len(backends) > 1 else ""
        rows.append((f"our models, {precision}{where}" if precision else "our models", [style]))
    if any(len(line) > 1 for line in lines):
        rows[0] = (f"{rows[0][0]}: a line joins those that none of them beats", rows[0][1])
    return rows


def _origin_rows(panel: Panel, ours: frozenset[str]) -> list[_Row]:
    by_origin: dict[Origin, list[TradeoffPoint]] = {origin: [] for origin in MARKERS}
    for point in panel.points:
        by_origin[point.group.origin].append(point)
    has_others = any(not is_ours(point, ours) for point in by_origin["measured"])
    measured = "other methods (hollow) and ours: measured here" if has_others else "time and quality measured here"
    texts: dict[Origin, str] = {
        "measured": measured,
        "published": "as published",
        "projected": "quality measured here, time projected (bar: its range)",
    }
    rows: list[_Row] = []
    for origin, points in by_origin.items():
        if points:
            is_full = origin == "published" or (origin == "measured" and not has_others)
            style = {"markerfacecolor": _INK if is_full else "white", "markeredgecolor": _INK}
            where = f"on {_listed(point.group.device for point in points)}"
            images = _listed(point.group.dataset for point in points)
            rows.append((f"{texts[origin]}, {where}; images: {images}", [{"marker": MARKERS[origin], **style}]))
    return rows


def _size_rows(panel: Panel, scale: ParameterScale) -> list[_Row]:
    examples = scale.examples()
    if not examples:
        return []
    style = {"marker": "o", "markerfacecolor": "white", "markeredgecolor": _INK}
    unknown = "" if all(point.parameters for point in panel.points) else "; the smallest: not known"
    text = f"size: number of parameters ({', '.join(map(parameters_text, examples))}{unknown})"
    return [(text, [style | {"markersize": scale.diameter(number)} for number in examples])]


def _baseline_rows(panel: Panel) -> list[_Row]:
    if panel.noisy_quality is None:
        return []
    figure = f"{panel.noisy_quality:.2f} dB" if panel.quality == "psnr_db" else f"{panel.noisy_quality:.4f}"
    what = "bicubic" if panel.task.startswith("super-resolution") else "noisy input"
    return [(f"{what}: {figure}", [{"linestyle": ":", "color": "0.5"}])]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))
