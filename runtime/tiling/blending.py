"""Put the results of overlapping windows together for networks that no halo makes exact: mixed across every seam."""

from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...network_input import NetworkInput
from .pixel_values import Image, batch_of, pixels_of
from .planner import Region, Span, TilePlan
from .stitching import Network, Progress, checked_result, empty_output, place

_ROWS_AT_ONCE = 64


def blended(
    image: Image,
    plan: TilePlan,
    network: Network,
    *,
    network_input: NetworkInput,
    halo: int,
    progress: Progress | None = None,
) -> Image:
    """As `stitched`, but linear across the seams, over at most `halo` input pixels to either side.

    The weights of all windows sum to 1 at every pixel. Needs a float32 array of the output's size beside the output.
    """
    scale = network_input.scale
    num_channels = 1 if image.ndim == 2 else image.shape[2]
    sums = np.zeros((plan.height * scale, plan.width * scale, num_channels), np.float32)
    row_weights = _weights(plan.row_windows, halo, scale)
    column_weights = _weights(plan.column_windows, halo, scale)
    windows = (batch_of(image, tile.window, network_input.channels) for tile in plan)
    with closing(network(windows)) as results:
        for index, (tile, result_BCHW) in enumerate(zip(plan, results, strict=True)):
            result_CHW = checked_result(
                result_BCHW, tile.window, network_input, name=f"tile {index + 1} of {len(plan)}"
            )
            row, column = divmod(index, len(plan.column_windows))
            weighted = result_CHW * row_weights[row][:, np.newaxis] * column_weights[column]
            inside = tile.window.clipped(plan.height, plan.width).scaled(scale)
            height, width = inside.shape
            sums[inside.slices] += pixels_of(weighted[:, :height, :width], sums.dtype, num_channels)
            if progress is not None:
                progress(index + 1, len(plan))
    output = empty_output(image, scale)
    height, width = output.shape[:2]
    for top in range(0, height, _ROWS_AT_ONCE):
        band = Region(Span(top, top + _ROWS_AT_ONCE).clipped(height), Span(0, width))
        place(output, band, np.moveaxis(sums[band.slices], 2, 0))
    return output


def _weights(windows: tuple[tuple[Span, Span], ...], halo: int, scale: int) -> list[NDArray[np.float32]]:
    """For each window of an axis the weights of its result's pixels: 1 in the core, a ramp across each seam, then 0."""
    reach = min(halo, *(len(core) // 2 for _, core in windows))
    weights: list[NDArray[Any]] = []
    for window, core in windows:
        # Of the result's pixels, in input pixels.
        centre = (np.arange(window.start * scale, window.stop * scale, dtype=np.float64) + 0.5) / scale
        weight = np.ones(len(centre))
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
