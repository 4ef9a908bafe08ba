"""The tile planner: pure geometry, no pixels. All of it is in input pixels, also for networks that enlarge.

An image of H x W pixels is padded virtually (right and bottom) to multiples of the alignment. Windows
of ONE shape, with aligned origins, cover the padded image; each window's network output is kept
only inside its core. Between a core and an edge of its window lie at least `halo` pixels, except where that
edge is a border of the padded image: true borders stay true borders. The cores partition the padded
image, so stitching is cropping and nothing is blended.

On an axis of (padded) length L, n windows of length `tile + 2 * halo` cover `n * tile + 2 * halo` pixels: border
windows need no halo outside, so their cores are larger. n is the smallest number that suffices for the
tile asked for, then the tile shrinks to the smallest that still needs n windows. Where a backend takes windows of
certain sizes alone, both the tile and the shrinking stay within them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .window_limits import WindowLimits, rounded_up


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

    def scaled(self, by: int) -> "Span":
        """The pixels of an image `by` times as large that stand for these."""
        return Span(self.start * by, self.stop * by)

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

    def clipped(self, height: int, width: int) -> "Region":
        """The part inside an image of `height` x `width` pixels; may be empty."""
        return Region(self.rows.clipped(height), self.columns.clipped(width))

    def scaled(self, by: int) -> "Region":
        """The pixels of an image `by` times as large that stand for these."""
        return Region(self.rows.scaled(by), self.columns.scaled(by))


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
    limits: WindowLimits | None = None
    """What windows the backend takes; None: all."""
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


def plan_tiles(
    height: int, width: int, *, tile: int | None, halo: int, alignment: int, limits: WindowLimits | None = None
) -> TilePlan:
    """Cut an image of `height` x `width` pixels.

    `tile`: pixels kept per window and axis inside the image, rounded up to the alignment (border windows keep
    more); None: the whole image in one window. Windows are at most `tile + 2 * halo` (each rounded up) long.
    `limits` must allow the image; they come before `tile`.
    """
    assert min(height, width, alignment) >= 1 and halo >= 0 and (tile is None or tile >= 1)
    assert limits is None or limits.allow(height, width, halo=halo, alignment=alignment)
    (low_row, low_column), (high_row, high_column) = (limits.smallest, limits.largest) if limits else ((0, 0), (0, 0))
    rows = _windows(height, tile=tile, halo=halo, alignment=alignment, smallest=low_row, largest=high_row)
    columns = _windows(width, tile=tile, halo=halo, alignment=alignment, smallest=low_column, largest=high_column)
    return TilePlan(
        height=height,
        width=width,
        halo=rounded_up(halo, alignment),
        alignment=alignment,
        limits=limits,
        window_shape=(len(rows[0][0]), len(columns[0][0])),
        row_windows=rows,
        column_windows=columns,
    )


def _windows(
    length: int, *, tile: int | None, halo: int, alignment: int, smallest: int, largest: int
) -> tuple[tuple[Span, Span], ...]:
    """`smallest`, `largest`: windows in pixels; 0: any."""
    padded = rounded_up(length, alignment)
    halo = rounded_up(halo, alignment)
    most = padded if tile is None else rounded_up(tile, alignment)
    if 0 < largest < padded:
        most = min(most, largest - 2 * halo)
    most = max(most, smallest - 2 * halo)
    if padded <= most + 2 * halo:
        return ((Span(0, padded), Span(0, padded)),)
    num_windows = -(-(padded - 2 * halo) // most)
    step = rounded_up(-(-(padded - 2 * halo) // num_windows), alignment)
    size = max(step + 2 * halo, smallest)
    step = size - 2 * halo
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
