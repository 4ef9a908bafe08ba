"""Run a tile plan over an image and put the results together, straight into the output's own number type.

Shapes: image and output (H, W) or (H, W, C); a batch is (1, C, h, w) float32.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .backends.interface import OutOfMemoryError
from .pixel_values import Image, batch_of, pixels_of
from .tiling import Region, Span, Tile, TilePlan, halved

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A batch (1, C, h, w) of values 0..1 to a batch of the same shape."""
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
    `num_channels`: of the network. `out_of_memory()` is called before going on in halves. Raises
    OutOfMemoryError where not even the smallest window fits, UserError that names the tile where the network's output
    is not finite.
    """
    output = np.empty_like(image, order="C", subok=False)
    too_large = math.inf
    for index, tile in enumerate(plan):
        waiting = [tile]
        while waiting:
            part = waiting.pop()
            failure: OutOfMemoryError | None = None
            if part.window.num_pixels < too_large:
                try:
                    _stitch(output, image, part, network, num_channels, f"tile {index + 1} of {len(plan)}")
                    continue
                except OutOfMemoryError as error:
                    failure = error
                    too_large = part.window.num_pixels
                    out_of_memory()
            halves = halved(part, plan)
            if halves is None:
                raise failure or OutOfMemoryError(f"windows of {too_large} pixels do not fit")
            waiting += reversed(halves)
        if progress is not None:
            progress(index + 1, len(plan))
    return output


def _stitch(output: Image, image: Image, tile: Tile, network: Network, num_channels: int, name: str) -> None:
    result_CHW = _result(image, tile.window, network, num_channels, name)
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
    for index, tile in enumerate(plan):
        result_CHW = _result(image, tile.window, network, num_channels, f"tile {index + 1} of {len(plan)}")
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


def _result(image: Image, window: Region, network: Network, num_channels: int, name: str) -> NDArray[np.float32]:
    batch = batch_of(image, window, num_channels)
    result = network(batch)
    assert result.shape == batch.shape, f"the backend returned shape {result.shape} for {batch.shape}"
    if not np.isfinite(result).all():
        rows, columns = window.rows, window.columns
        raise UserError(
            f"{name} (rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop}): "
            "the model's output is not finite (NaN or infinity); nothing was kept, use another model"
        )
    return result[0]


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
