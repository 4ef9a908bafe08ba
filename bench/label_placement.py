"""Labels beside markers without overlaps, as far as there is room: greedy, over a few positions around each marker."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.text import Text
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIRECTIONS = (
    # (x, y, horizontal alignment, vertical alignment), best first
    (1, 0, "left", "center"),
    (-1, 0, "right", "center"),
    (0, 1, "center", "bottom"),
    (0, -1, "center", "top"),
    (1, 1, "left", "bottom"),
    (1, -1, "left", "top"),
    (-1, 1, "right", "bottom"),
    (-1, -1, "right", "top"),
)
_GAPS_POINTS = (2.5, 9.0, 18.0, 30.0)
_OUTSIDE_PENALTY = 3.0
_DISTANCE_PENALTY = 0.01


def place_labels(
    axes: "Axes", points: Sequence[tuple[float, float]], labels: Sequence[str], *, radii_points: Sequence[float]
) -> None:
    """Write each label next to its point, in data coordinates; thin lines lead to labels that had to move away.

    `radii_points`: of the markers, in points. The axes must have their final place and limits.
    """
    figure: Any = axes.figure
    renderer = figure.canvas.get_renderer()
    pixels_per_point = figure.dpi / 72
    inside = axes.get_window_extent(renderer)
    taken: list[Bbox] = []
    for (x, y), radius in zip(points, radii_points, strict=True):
        centre_x, centre_y = axes.transData.transform((x, y))
        reach = (radius + 1) * pixels_per_point
        taken.append(Bbox.from_extents(centre_x - reach, centre_y - reach, centre_x + reach, centre_y + reach))
    for place, label, radius in zip(points, labels, radii_points, strict=True):
        best: tuple[float, Any, Bbox] | None = None
        for gap in _GAPS_POINTS:
            for right, up, horizontal, vertical in _DIRECTIONS:
                distance = radius + gap
                text = axes.annotate(
                    label,
                    place,
                    xytext=(right * distance, up * distance),
                    textcoords="offset points",
                    ha=horizontal,
                    va=vertical,
                    fontsize=7,
                    linespacing=1.05,
                    zorder=4,
                    arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6} if gap > _GAPS_POINTS[0] else None,
                )
                box = _text_box(text, renderer)
                cost = _cost(box, taken, inside) + _DISTANCE_PENALTY * gap
                if best is None or cost < best[0]:
                    if best is not None:
                        best[1].remove()
                    best = (cost, text, box)
                else:
                    text.remove()
        assert best is not None
        taken.append(best[2])


def _text_box(text: Any, renderer: Any) -> Bbox:
    # Annotation's own extent includes its line; only the words must not overlap.
    text.update_positions(renderer)
    return Text.get_window_extent(text, renderer)


def _cost(box: Bbox, taken: Sequence[Bbox], inside: Bbox) -> float:
    """The share of the label that lies over something, or outside the axes."""
    area = box.width * box.height
    covered = sum(_common_area(box, other) for other in taken)
    outside = area - _common_area(box, inside)
    return (covered + _OUTSIDE_PENALTY * outside) / area


def _common_area(first: Bbox, second: Bbox) -> float:
    common = Bbox.intersection(first, second)
    return 0.0 if common is None else common.width * common.height
