"""Where a model changed a picture most and least."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..tiling.planner import Region, Span
from .picture_pair import PicturePair

CROP_SIDE = 256
"""Pixels of the picture after."""
_LEAST_SIDE = 64
"""Of a small picture, which is cut into halves before that, for the most and the least to be two places."""
_CELLS_PER_CROP = 8
"""On each axis: crops begin at multiples of their side divided by this."""
_SAMPLES_PER_AXIS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """Candidates for crops, all of one size: an outer product of spans."""

    rows: Sequence[Span]
    columns: Sequence[Span]
    changes: NDArray[np.float64]
    """(rows, columns): the mean change of a value, in grey levels 0..255."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Extreme:
    """A window that changed more, or less, than the others."""

    kind: Literal["most", "least"]
    region: Region
    change: float
    """Mean change of a value, in grey levels 0..255."""


def all_windows(pair: PicturePair) -> Windows:
    """Windows at every multiple of a cell, from one pass over the picture; it is read in strips of rows."""
    side = min(CROP_SIDE, max(_LEAST_SIDE, min(pair.whole) // 2))
    cell = max(1, side // (_CELLS_PER_CROP * pair.scale))
    columns = range(0, pair.width, cell)
    sums: list[NDArray[np.float64]] = []
    for top in range(0, pair.height, cell):
        strip = pair.change(Region(Span(top, top + cell).clipped(pair.height), Span(0, pair.width)))
        values = strip.reshape(*strip.shape[:2], -1)
        by_column = values.sum(axis=(0, 2), dtype=np.int64) / values.shape[2]
        sums.append(np.add.reduceat(by_column, [left * pair.scale for left in columns]))
    # One row and one column of zeros before the first, so that sums of windows are differences.
    total = np.pad(np.array(sums).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    row_spans, column_spans = _spans(pair.height, cell), _spans(pair.width, cell)
    top, bottom = _cells_of(row_spans, cell)
    left, right = _cells_of(column_spans, cell)
    inside = total[np.ix_(bottom, right)] - total[np.ix_(top, right)]
    inside -= total[np.ix_(bottom, left)] - total[np.ix_(top, left)]
    num_pixels = Region(row_spans[0], column_spans[0]).num_pixels * pair.scale**2
    return Windows(rows=row_spans, columns=column_spans, changes=inside / num_pixels)


def sampled_windows(pair: PicturePair) -> Windows:
    """Windows from all over a picture that is too large to be read whole."""
    side = max(1, CROP_SIDE // pair.scale)
    rows, columns = _sampled_spans(pair.height, side), _sampled_spans(pair.width, side)
    changes = [[float(pair.change(Region(row, column)).mean()) for column in columns] for row in rows]
    return Windows(rows=rows, columns=columns, changes=np.array(changes))


def most_and_least(windows: Windows, *, num_of_each: int) -> list[Extreme]:
    """The windows with the most and the least change, in turns, none over another: fewer where there is no room."""
    is_free = np.ones(windows.changes.shape, np.bool_)
    found: list[Extreme] = []
    for kind in ("most", "least") * num_of_each:
        if not is_free.any():
            break
        worth = windows.changes if kind == "most" else -windows.changes
        row, column = np.unravel_index(np.argmax(np.where(is_free, worth, -np.inf)), worth.shape)
        rows, columns = windows.rows[int(row)], windows.columns[int(column)]
        found.append(Extreme(kind=kind, region=Region(rows, columns), change=float(windows.changes[row, column])))
        is_free &= ~np.outer(_touching(rows, windows.rows), _touching(columns, windows.columns))
    return sorted(found, key=lambda extreme: extreme.kind == "least")


def _spans(length: int, cell: int) -> list[Span]:
    side = cell * _CELLS_PER_CROP
    if length < side:
        return [Span(0, length)]
    return [Span(start, start + side) for start in range(0, length - side + 1, cell)]


def _cells_of(spans: Sequence[Span], cell: int) -> tuple[list[int], list[int]]:
    """The first cell of every span, and the one behind its last."""
    return [span.start // cell for span in spans], [-(-span.stop // cell) for span in spans]


def _sampled_spans(length: int, side: int) -> list[Span]:
    if length <= side:
        return [Span(0, length)]
    starts = np.linspace(0, length - side, _SAMPLES_PER_AXIS).astype(int)
    return [Span(start, start + side) for start in dict.fromkeys(starts.tolist())]


def _touching(span: Span, others: Sequence[Span]) -> NDArray[np.bool_]:
    return np.array([span.start < other.stop and other.start < span.stop for other in others])
