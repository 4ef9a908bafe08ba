"""Labels beside markers without overlaps, as far as there is room: a local search over places around each marker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIRECTIONS = (
    # (right, up), best first; 0 is the middle
    (1, 0),
    (-1, 0),
    (0, 1),
    (0, -1),
    (1, 1),
    (1, -1),
    (-1, 1),
    (-1, -1),
    *((right, up) for right in (0.5, -0.5) for up in (1, -1)),
    *((right, up) for right in (1, -1) for up in (0.5, -0.5)),
)
_GAPS_POINTS = (2.5, 7.0, 13.0, 20.0, 28.0, 37.0, 48.0, 60.0, 75.0, 95.0)
_OUTSIDE_PENALTY = 6.0
_LINE_PENALTY = 0.3
_MARKER_PENALTY = 4.0
_OVERLAP_PENALTY = 4.0
_TOUCH_PENALTY = 1.0
"""For any overlap, beside its share."""
_DISTANCE_PENALTY = 0.01
_CROSSING_PENALTY = 0.4
_ROUNDS = 10
_BETWEEN_PIXELS = (5.0, 1.0)
"""Kept free beside and above another label: names that touch read as one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A text and the marker it belongs to."""

    text: str
    x: float
    """Data coordinates of the marker's centre."""
    y: float
    radius_points: float
    """Of the marker, in points."""


def place_labels(
    axes: "Axes",
    labels: Sequence[Label],
    *,
    lines: Sequence[tuple[tuple[float, float], tuple[float, float]]] = (),
    font_size: float = 7,
) -> None:
    """Write each label next to its marker; thin lines lead to labels that had to move away.

    `lines`: stretches in data coordinates that labels should rather not cover. The axes must have their final place
    and limits. The texts are plain: a dollar sign is a dollar sign.
    """
    if not labels:
        return
    figure: Any = axes.figure
    renderer = figure.canvas.get_renderer()
    scale = figure.dpi / 72
    inside = _corners(axes.get_window_extent(renderer))
    centres = np.array([axes.transData.transform((label.x, label.y)) for label in labels])
    reaches = np.array([(label.radius_points + 1) * scale for label in labels])
    markers = np.column_stack([centres - reaches[:, None], centres + reaches[:, None]])
    dots = _dots([[axes.transData.transform(end) for end in line] for line in lines])
    places = [
        _places(centre, label.radius_points, _text_size(axes, label.text, font_size, renderer), scale)
        for label, centre in zip(labels, centres, strict=True)
    ]
    fixed = [_fixed_cost(boxes, markers, dots, inside) for boxes in places]
    chosen = _search(places, fixed, centres)
    for label, centre, boxes, index in zip(labels, centres, places, chosen, strict=True):
        left, bottom = (boxes[index, :2] - centre) / scale
        axes.annotate(
            label.text,
            (label.x, label.y),
            xytext=(left, bottom),
            textcoords="offset points",
            ha="left",
            va="bottom",
            multialignment=("center", "left", "right")[int(_DIRECTIONS[index % len(_DIRECTIONS)][0])],
            fontsize=font_size,
            linespacing=1.05,
            zorder=4,
            parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.2},
            arrowprops={"arrowstyle": "-", "color": "0.55", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
            if index >= len(_DIRECTIONS)
            else None,
        )


def _search(
    places: Sequence[NDArray[np.float64]], fixed: Sequence[NDArray[np.float64]], centres: NDArray[np.float64]
) -> list[int]:
    """The index of each label's place: the best one for itself, then, in rounds, the best one beside the others'."""
    # In the first round only those are there that were placed before.
    chosen: dict[int, int] = {}
    for _ in range(_ROUNDS):
        before = dict(chosen)
        for index, boxes in enumerate(places):
            others = [other for other in chosen if other != index]
            cost = fixed[index].copy()
            if others:
                placed = np.array([places[other][chosen[other]] for other in others])
                covered = _covered(boxes, placed + np.array([-1, -1, 1, 1]) * np.tile(_BETWEEN_PIXELS, 2))
                cost += _OVERLAP_PENALTY * covered + _TOUCH_PENALTY * (covered > 0)
                cost += _CROSSING_PENALTY * _crossings(boxes, centres[index], placed, centres[others])
            chosen[index] = int(np.argmin(cost))
        if chosen == before:
            break
    return [chosen[index] for index in range(len(places))]


def _places(
    centre: NDArray[np.float64], radius_points: float, size: tuple[float, float], scale: float
) -> NDArray[np.float64]:
    """Boxes (place, 4): left, bottom, right, top in pixels, gap by gap, direction by direction."""
    width, height = size
    boxes: list[tuple[float, float, float, float]] = []
    for gap in _GAPS_POINTS:
        for right, up in _DIRECTIONS:
            x = centre[0] + right * (radius_points + gap) * scale
            y = centre[1] + up * (radius_points + gap) * scale
            left, bottom = x - width * (1 - right) / 2, y - height * (1 - up) / 2
            boxes.append((left, bottom, left + width, bottom + height))
    return np.array(boxes)


def _fixed_cost(
    boxes: NDArray[np.float64], markers: NDArray[np.float64], dots: NDArray[np.float64], inside: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What each place costs whatever the other labels do."""
    distance = np.repeat(_GAPS_POINTS, len(_DIRECTIONS)) * _DISTANCE_PENALTY
    order = np.tile(np.arange(len(_DIRECTIONS)) * 1e-3, len(_GAPS_POINTS))
    outside = 1 - _covered(boxes, inside[None])
    on_line = (
        (dots[None, :, 0] > boxes[:, None, 0])
        & (dots[None, :, 0] < boxes[:, None, 2])
        & (dots[None, :, 1] > boxes[:, None, 1])
        & (dots[None, :, 1] < boxes[:, None, 3])
    ).any(axis=1)
    on_marker = _covered(boxes, markers)
    hidden = _MARKER_PENALTY * on_marker + _TOUCH_PENALTY * (on_marker > 0) + _LINE_PENALTY * on_line
    return distance + order + _OUTSIDE_PENALTY * outside + hidden


def _covered(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each box that `others` cover, counted again where they overlap."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2).sum(axis=1)
    return common / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def _crossings(
    boxes: NDArray[np.float64], centre: NDArray[np.float64], placed: NDArray[np.float64], centres: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many of the other labels' leading lines each place's own one crosses, and labels that it runs through."""
    ends = (boxes[:, :2] + boxes[:, 2:]) / 2
    other_ends = (placed[:, :2] + placed[:, 2:]) / 2
    crossed = (
        _sides(centre[None, None], ends[:, None], centres[None])
        * _sides(centre[None, None], ends[:, None], other_ends[None])
        < 0
    ) & (
        _sides(centres[None], other_ends[None], centre[None, None])
        * _sides(centres[None], other_ends[None], ends[:, None])
        < 0
    )
    way = centre + np.linspace(0, 0.9, 10)[:, None, None] * (ends - centre)
    through = ((way[:, :, None] > placed[:, :2]) & (way[:, :, None] < placed[:, 2:])).all(axis=3).any(axis=0)
    return (crossed | through).sum(axis=1)


def _sides(start: NDArray[np.float64], end: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Above 0 where `point` lies to the left of the way from `start` to `end`."""
    way, to = end - start, point - start
    return way[..., 0] * to[..., 1] - way[..., 1] * to[..., 0]


def _dots(lines: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
    """Points along the lines, a few pixels apart."""
    steps = [np.linspace(start, end, max(2, int(np.hypot(*(end - start)) / 4))) for start, end in lines]
    return np.concatenate(steps) if steps else np.empty((0, 2))


def _text_size(axes: "Axes", text: str, font_size: float, renderer: Any) -> tuple[float, float]:
    """Width and height in pixels."""
    probe = axes.text(0, 0, text, fontsize=font_size, linespacing=1.05, parse_math=False)
    box = Text.get_window_extent(probe, renderer)
    probe.remove()
    return box.width, box.height


def _corners(box: Bbox) -> NDArray[np.float64]:
    return np.array([box.x0, box.y0, box.x1, box.y1])
