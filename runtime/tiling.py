"""The tile planner: pure geometry, no pixels.

An image of H x W pixels is padded virtually (right and bottom) to multiples of the alignment. Windows
of ONE shape, with aligned origins, cover the padded image; each window's network output is kept
only inside its core. Between a core and an edge of its window lie at least `halo` pixels, except where that
edge is a border of the padded image: true borders stay true borders. The cores partition the padded
image, so stitching is cropping and nothing is blended.

On an axis of (padded) length L, n windows of length `tile + 2 * halo` cover `n * tile + 2 * halo` pixels: border
windows need no halo outside, so their cores are larger. n is the smallest number that suffices for the
tile asked for, then the tile shrinks to the smallest that still needs n windows.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Pixels `start <= i < stop` on one axis."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def shifted(self, by: int) -> "Span":
        return Span(self.start + by, self.stop + by)

    def clipped(self, stop: int) -> "Span":
        """The part below `stop`; may be empty."""
        return Span(min(self.start, stop), min(self.stop, stop))

    @property
    def slice(self) -> slice:
        return slice(self.start, self.stop)


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of pixels: `rows` x `columns`."""

    rows: Span
    columns: Span

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return len(self.rows), len(self.columns)

    @property
    def num_pixels(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def slices(self) -> tuple[slice, slice]:
        """To index an array (H, W, ...)."""
        return self.rows.slice, self.columns.slice

    def within(self, outer: "Region") -> "Region":
        """This region in coordinates whose origin is `outer`'s."""
        return Region(self.rows.shifted(-outer.rows.start), self.columns.shifted(-outer.columns.start))


@dataclass(frozen=True, slots=True)
class Tile:
    """One run of the network, in coordinates of the padded image."""

    window: Region
    """What the network reads; aligned origin, the plan's one window shape."""
    core: Region
    """The part of the result that is kept; aligned, and disjoint from every other tile's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TilePlan:
    """How an image is cut: an outer product of row windows and column windows."""

    height: int
    """Of the image, pixels, without padding."""
    width: int
    """Of the image, pixels, without padding."""
    halo: int
    """Pixels between a core and an edge of its window inside the image, at least; a multiple of the alignment."""
    alignment: int
    """Pixels; every origin and length is a multiple."""
    window_shape: tuple[int, int]
    """(height, width) in pixels of every window."""
    row_windows: tuple[tuple[Span, Span], ...]
    """(window, core) from top to bottom."""
    column_windows: tuple[tuple[Span, Span], ...]
    """(window, core) from left to right."""

    def __len__(self) -> int:
        return len(self.row_windows) * len(self.column_windows)

    def __iter__(self) -> Iterator[Tile]:
        """The tiles in reading order."""
        for row_window, row_core in self.row_windows:
            for column_window, column_core in self.column_windows:
                yield Tile(Region(row_window, column_window), Region(row_core, column_core))


def rounded_up(length: int, alignment: int) -> int:
    """The smallest multiple of `alignment` that is at least `length`."""
    return -(-length // alignment) * alignment


def plan_tiles(height: int, width: int, *, tile: int | None, halo: int, alignment: int) -> TilePlan:
    """Cut an image of `height` x `width` pixels.

    `tile`: pixels kept per window and axis inside the image, rounded up to the alignment (border windows keep
    more); None: the whole image in one window. Windows are at most `tile + 2 * halo` (each rounded up) long.
    """
    assert min(height, width, alignment) >= 1 and halo >= 0 and (tile is None or tile >= 1)
    rows = _windows(height, tile=tile, halo=halo, alignment=alignment)
    columns = _windows(width, tile=tile, halo=halo, alignment=alignment)
    return TilePlan(
        height=height,
        width=width,
        halo=rounded_up(halo, alignment),
        alignment=alignment,
        window_shape=(len(rows[0][0]), len(columns[0][0])),
        row_windows=rows,
        column_windows=columns,
    )


def halved(tile: Tile, plan: TilePlan) -> tuple[Tile, Tile] | None:
    """Two tiles of `plan` that do a tile's work in smaller windows; None where no smaller ones are left.

    The core is cut across its longer side; each half sees exactly its halo, and true borders stay true borders.
    """
    padded = Region(Span(0, rounded_up(plan.height, plan.alignment)), Span(0, rounded_up(plan.width, plan.alignment)))
    rows, columns = tile.core.rows, tile.core.columns
    if len(rows) >= len(columns):
        cores = [Region(part, columns) for part in _halves(rows, plan.alignment)]
    else:
        cores = [Region(rows, part) for part in _halves(columns, plan.alignment)]
    if len(cores) < 2:
        return None
    first, second = (
        Tile(
            Region(
                _widened(core.rows, plan.halo, padded.rows.stop), _widened(core.columns, plan.halo, padded.columns.stop)
            ),
            core,
        )
        for core in cores
    )
    return first, second


def _halves(span: Span, alignment: int) -> tuple[Span, ...]:
    middle = span.start + rounded_up(len(span) // 2, alignment)
    return (Span(span.start, middle), Span(middle, span.stop)) if span.start < middle < span.stop else (span,)


def _widened(span: Span, halo: int, stop: int) -> Span:
    return Span(max(0, span.start - halo), min(stop, span.stop + halo))


def _windows(length: int, *, tile: int | None, halo: int, alignment: int) -> tuple[tuple[Span, Span], ...]:
    padded = rounded_up(length, alignment)
    halo = rounded_up(halo, alignment)
    most = padded if tile is None else rounded_up(tile, alignment)
    if padded <= most + 2 * halo:
        return ((Span(0, padded), Span(0, padded)),)
    num_windows = -(-(padded - 2 * halo) // most)
    step = rounded_up(-(-(padded - 2 * halo) // num_windows), alignment)
    size = step + 2 * halo
    windows: list[tuple[Span, Span]] = []
    core_start = 0
    for index in range(num_windows):
        is_last = index == num_windows - 1
        # The last window slides back to end at the border: all lengths are aligned, so its origin is too.
        start = padded - size if is_last else index * step
        core_stop = padded if is_last else start + size - halo
        windows.append((Span(start, start + size), Span(core_start, core_stop)))
        core_start = core_stop
    return tuple(windows)
