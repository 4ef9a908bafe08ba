"""Run a network on the tiles of a plan and put the results together: each cropped to its core, nothing mixed.

A network that enlarges is given windows in input pixels; its results, and the picture they make, are `scale` times as
large. A tile that does not fit into the memory is done in halves.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...network_input import NetworkInput
from .pixel_values import Image, batch_of, pixels_of
from .planner import Region, Span, Tile, TilePlan
from .window_limits import OutOfMemoryError, rounded_up

Network = Callable[[Iterable[NDArray[np.float32]]], Generator[NDArray[np.float32], None, None]]
"""Batches (1, C, h, w) of values 0..1 to results (1, C, scale*h, scale*w), in their order; it may take some ahead."""
Progress = Callable[[int, int], None]
"""Called with the number of tiles done and the total; starts again at 0 if the plan changes."""


def stitched(
    image: Image,
    plan: TilePlan,
    network: Network,
    *,
    network_input: NetworkInput,
    out_of_memory: Callable[[], None],
    progress: Progress | None = None,
) -> Image:
    """The network's output for `image`, tile by tile, each cropped to its core: exact where the plan's halo is.

    A tile that runs out of memory is done in halves, and so are later ones of its size; what is done stays done.
    `out_of_memory()` is called before going on in halves. Raises OutOfMemoryError where not even the smallest window
    fits, UserError that names the tile where the network's output is not finite.
    """
    output = empty_output(image, network_input.scale)
    waiting = list(enumerate(plan))
    while waiting:
        done = 0
        windows = (batch_of(image, tile.window, network_input.channels) for _, tile in waiting)
        try:
            with closing(network(windows)) as results:
                for (index, tile), result_BCHW in zip(waiting, results, strict=True):
                    result_CHW = checked_result(
                        result_BCHW, tile.window, network_input, name=f"tile {index + 1} of {len(plan)}"
                    )
                    _place_core(output, plan, tile, result_CHW, network_input.scale)
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


def empty_output(image: Image, scale: int) -> Image:
    """An array for the result of `image`: `scale` times its height and width, of its channels and number type."""
    height, width = image.shape[:2]
    return np.empty((height * scale, width * scale, *image.shape[2:]), image.dtype)


def checked_result(
    result_BCHW: NDArray[np.float32], window: Region, network_input: NetworkInput, *, name: str
) -> NDArray[np.float32]:
    """The result (C, scale*h, scale*w) of `window`. UserError that names the tile where it is not what it must be."""
    expected = (1, network_input.channels, *window.scaled(network_input.scale).shape)
    if result_BCHW.shape != expected:
        raise UserError(
            f"{name}: the model's output has shape {result_BCHW.shape}, but by its metadata it enlarges "
            f"{network_input.scale} times, which is {expected}; export it again"
        )
    if not np.isfinite(result_BCHW).all():
        rows, columns = window.rows, window.columns
        raise UserError(
            f"{name} (rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop}): "
            "the model's output is not finite (NaN or infinity); nothing was kept, use another model"
        )
    return result_BCHW[0]


def place(output: Image, region: Region, values_CHW: NDArray[np.float32]) -> None:
    """Put a network's values for `region` into `output`, as its pixels."""
    num_channels = 1 if output.ndim == 2 else output.shape[2]
    pixels = pixels_of(values_CHW, output.dtype, num_channels)
    output[region.slices] = pixels[:, :, 0] if output.ndim == 2 else pixels


def _place_core(output: Image, plan: TilePlan, tile: Tile, result_CHW: NDArray[np.float32], scale: int) -> None:
    # The padding at the right and bottom borders is cut off here.
    core = tile.core.clipped(plan.height, plan.width)
    rows, columns = core.within(tile.window).scaled(scale).slices
    place(output, core.scaled(scale), result_CHW[:, rows, columns])


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
