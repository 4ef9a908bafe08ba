"""Do a tile's work in smaller windows, where memory did not suffice for its own."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from .pixel_values import Image, batch_of, pixels_of
from .planner import Region, Span, Tile, TilePlan
from .window_limits import OutOfMemoryError, rounded_up


def halved(tile: Tile, plan: TilePlan) -> tuple[Tile, Tile] | None:
    """Two tiles of `plan` that do a tile's work in smaller windows; None where no smaller ones are left or allowed.

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
    low = plan.limits.smallest if plan.limits else (0, 0)
    is_allowed = all(part.window.shape[axis] >= low[axis] for part in (first, second) for axis in (0, 1))
    return (first, second) if is_allowed else None


def _halves(span: Span, alignment: int) -> tuple[Span, ...]:
    middle = span.start + rounded_up(len(span) // 2, alignment)
    return (Span(span.start, middle), Span(middle, span.stop)) if span.start < middle < span.stop else (span,)


def _widened(span: Span, halo: int, stop: int) -> Span:
    return Span(max(0, span.start - halo), min(stop, span.stop + halo))


Network = Callable[[Iterable[NDArray[np.float32]]], Generator[NDArray[np.float32], None, None]]
"""Batches (1, C, h, w) of values 0..1 to batches of the same shapes, in their order; it may take some ahead."""
Progress = Callable[[int, int], None]
"""Called with the number of tiles done and the total; starts again at 0 if the plan changes."""


def stitched(
    image: Image,
    plan: TilePlan,
    network: Network,
    *,
    num_channels: int,
    out_of_memory: Callable[[], None],
    progress: Progress | None = None,
) -> Image:
    """The network's output for `image`, tile by tile, each cropped to its core: exact where the plan's halo is.

    A tile that runs out of memory is done in halves, and so are later ones of its size; what is done stays done.
    `num_channels`: of the network. `out_of_memory()` is called before going on in halves. Raises OutOfMemoryError
    where not even the smallest window fits, UserError that names the tile where the network's output is not finite.
    """
    output = np.empty_like(image, order="C", subok=False)
    waiting = list(enumerate(plan))
    while waiting:
        done = 0
        windows = (batch_of(image, tile.window, num_channels) for _, tile in waiting)
        try:
            with closing(network(windows)) as results:
                for (index, tile), result_BCHW in zip(waiting, results, strict=True):
                    _stitch(output, image, tile, result_BCHW, num_channels, f"tile {index + 1} of {len(plan)}")
                    done += 1
                    is_whole = done == len(waiting) or waiting[done][0] > index
                    if progress is not None and is_whole:
                        progress(index + 1, len(plan))
            return output
        except OutOfMemoryError as error:
            # A backend that runs several windows at once does not say which one failed: the first not done, at worst.
            too_large = waiting[done][1].window.num_pixels
            out_of_memory()
            waiting = list(_smaller(waiting[done:], plan, too_large, error))
    return output


def _smaller(
    tiles: list[tuple[int, Tile]], plan: TilePlan, too_large: int, reason: OutOfMemoryError
) -> Iterator[tuple[int, Tile]]:
    """The work of numbered tiles in windows of fewer than `too_large` pixels; raises `reason` where that cannot be."""
    for index, tile in tiles:
        if tile.window.num_pixels < too_large:
            yield index, tile
            continue
        halves = halved(tile, plan)
        if halves is None:
            raise reason
        yield from _smaller([(index, half) for half in halves], plan, too_large, reason)


def _stitch(
    output: Image, image: Image, tile: Tile, result_BCHW: NDArray[np.float32], num_channels: int, name: str
) -> None:
    result_CHW = _checked(result_BCHW, tile.window, num_channels, name)
    # The padding at the right and bottom borders is cut off here.
    core = Region(tile.core.rows.clipped(image.shape[0]), tile.core.columns.clipped(image.shape[1]))
    rows, columns = core.within(tile.window).slices
    _place(output, core, pixels_of(result_CHW[:, rows, columns], image.dtype, _channels_of(image)))


def blended(
    image: Image, plan: TilePlan, network: Network, *, num_channels: int, halo: int, progress: Progress | None = None
) -> Image:
    """As `stitched`, for networks that no halo makes exact: across every seam the results are mixed linearly.

    The weights of all windows sum to 1 at every pixel; seams are mixed over at most `halo` pixels to either side.
    Needs a float32 array of the output's size beside the output.
    """
    sums = np.zeros((plan.height, plan.width, _channels_of(image)), np.float32)
    row_weights = _weights(plan.row_windows, halo)
    column_weights = _weights(plan.column_windows, halo)
    windows = (batch_of(image, tile.window, num_channels) for tile in plan)
    with closing(network(windows)) as results:
        for index, (tile, result_BCHW) in enumerate(zip(plan, results, strict=True)):
            result_CHW = _checked(result_BCHW, tile.window, num_channels, f"tile {index + 1} of {len(plan)}")
            row, column = divmod(index, len(plan.column_windows))
            weighted = result_CHW * row_weights[row][:, np.newaxis] * column_weights[column]
            inside = Region(tile.window.rows.clipped(plan.height), tile.window.columns.clipped(plan.width))
            height, width = inside.shape
            sums[inside.slices] += pixels_of(weighted[:, :height, :width], np.dtype(np.float32), sums.shape[2])
            if progress is not None:
                progress(index + 1, len(plan))
    output = np.empty_like(image, order="C", subok=False)
    for top in range(0, plan.height, 64):
        band = Region(Span(top, top + 64).clipped(plan.height), Span(0, plan.width))
        _place(output, band, pixels_of(np.moveaxis(sums[band.slices], 2, 0), image.dtype, sums.shape[2]))
    return output


def _checked(result_BCHW: NDArray[np.float32], window: Region, num_channels: int, name: str) -> NDArray[np.float32]:
    expected = (1, num_channels, *window.shape)
    assert result_BCHW.shape == expected, f"the backend returned shape {result_BCHW.shape} for {expected}"
    if not np.isfinite(result_BCHW).all():
        rows, columns = window.rows, window.columns
        raise UserError(
            f"{name} (rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop}): "
            "the model's output is not finite (NaN or infinity); nothing was kept, use another model"
        )
    return result_BCHW[0]


def _channels_of(image: Image) -> int:
    return 1 if image.ndim == 2 else image.shape[2]


def _place(output: Image, region: Region, pixels: Image) -> None:
    output[region.slices] = pixels[:, :, 0] if output.ndim == 2 else pixels


def _weights(windows: tuple[tuple[Span, Span], ...], halo: int) -> list[NDArray[np.float32]]:
    """For each window of an axis its pixels' weights: 1 in the core, a ramp across each seam, 0 beyond."""
    reach = min(halo, *(len(core) // 2 for _, core in windows))
    weights: list[NDArray[Any]] = []
    for window, core in windows:
        centre = np.arange(window.start, window.stop, dtype=np.float64) + 0.5
        weight = np.ones(len(window))
        if core.start > 0:
            weight *= _ramp(centre - core.start, reach)
        if core.stop < windows[-1][1].stop:
            weight *= _ramp(core.stop - centre, reach)
        weights.append(weight.astype(np.float32))
    return weights


def _ramp(distance: NDArray[np.floating], reach: int) -> NDArray[np.floating]:
    """0 up to -reach, 1 from +reach, linear between; a step at 0 where reach is 0."""
    if reach == 0:
        return (distance > 0).astype(np.float64)
    return np.clip(0.5 + distance / (2 * reach), 0.0, 1.0)
