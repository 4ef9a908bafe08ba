"""Cut a tile plan into bands, so that a picture can be denoised row by row of windows without holding it whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ...errors import UserError
from .pixel_values import Image
from .planner import Span, TilePlan
from .stitching import Progress


class PixelRows(Protocol):
    """A picture whose rows can be read when they are needed."""

    @property
    def height(self) -> int:
        """Pixels."""
        ...

    @property
    def width(self) -> int:
        """Pixels."""
        ...

    @property
    def is_colour(self) -> bool: ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8, uint16 or float32."""
        ...

    @property
    def bytes_per_row(self) -> int:
        """What one row takes in memory, all that comes with it (alpha) included."""
        ...

    @property
    def most_bytes_at_once(self) -> int:
        """What reading takes beside the rows themselves."""
        ...

    def pixels(self, rows: Span) -> Image:
        """(rows, W) grey or (rows, W, 3) RGB."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """One row of a plan's windows, as a plan of its own for an image of only the rows that these windows see."""

    rows: Span
    """Of the whole image: what the windows see."""
    kept: Span
    """Of the whole image: the rows whose result is this band's."""
    plan: TilePlan
    """In coordinates of an image that holds `rows`."""
    num_tiles_before: int
    """In the whole plan."""


def bands_of(plan: TilePlan) -> Iterator[Band]:
    """The bands of `plan` from top to bottom.

    Every window reads the same values as on the whole image: a border of a band is a border of its windows or of the
    image, and below the image the same rows are reflected.
    """
    for index, (window, core) in enumerate(plan.row_windows):
        # Padding row H + i is row H - 2 - i reflected, which may lie above a small last window.
        highest_reflected = max(0, 2 * plan.height - 1 - window.stop) // plan.alignment * plan.alignment
        rows = Span(min(window.start, highest_reflected), min(window.stop, plan.height))
        yield Band(
            rows=rows,
            kept=core.clipped(plan.height),
            plan=replace(
                plan,
                height=len(rows),
                row_windows=((window.shifted(-rows.start), core.shifted(-rows.start)),),
            ),
            num_tiles_before=index * len(plan.column_windows),
        )


def denoised_bands(
    source: PixelRows,
    plan: TilePlan,
    denoised: Callable[[Image, TilePlan, Progress], Image],
    progress: Progress | None,
    *,
    scale: int,
) -> Iterator[tuple[Span, Image]]:
    """(rows of the source, the result's pixels for them) from top to bottom.

    `denoised`: an image by a plan, `scale` times as large as the image, of which only the kept rows count.
    """
    for band in bands_of(plan):

        def count(done: int, _: int, before: int = band.num_tiles_before) -> None:
            if progress is not None:
                progress(before + done, len(plan))

        try:
            result = denoised(source.pixels(band.rows), band.plan, count)
        except UserError as error:
            raise UserError(f"rows from {band.rows.start} on: {error}") from error
        yield band.kept, result[band.kept.shifted(-band.rows.start).scaled(scale).slice]
