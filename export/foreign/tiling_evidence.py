"""Whether a network can be run in tiles without a trace: what its graph shows, confirmed by running it."""

import math
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from ...network_input import NetworkInput
from ...runtime.model.manifest import Tiling
from ...runtime.tiling.planner import plan_tiles
from ...runtime.tiling.stitching import stitched
from ...runtime.tiling.window_limits import rounded_up
from ..reach.graph_reach import graph_reach
from ..reach.node_reading import NotUnderstoodError
from ..reach.seen_halo import Run, seen_halo
from .trial import trial_feeds

TOLERANCE = 1e-4
"""Largest absolute difference allowed for images in 0..1: a fortieth of an 8-bit grey level."""
_LEAST_BLENDED, _MOST_BLENDED = 16, 64
"""Pixels of halo where tiling is approximate: windows overlap by twice as much, and are mixed there."""
_HARDLY_SEEN = 0.25 / 255
"""A change that no 8-bit picture shows."""


@dataclass(frozen=True, kw_only=True)
class TilingEvidence:
    """What is known of a network's receptive field."""

    tiling: Tiling
    halo: int
    """Pixels per side; where tiling is approximate, what the windows overlap by."""
    reason: str
    """How that is known, or why tiling is approximate."""
    seen_halo: int | None = None
    """What running the network showed; at most the halo. None: tiling is approximate anyway."""
    tiled_difference: float | None = None
    """The largest between tiles and the whole image, values in 0..1; None: tiling is approximate."""


def tiling_evidence(model: onnx.ModelProto, run: Run, given: NetworkInput) -> tuple[NetworkInput, TilingEvidence]:
    """What the network is given, its alignment raised to what tiles need, and how it may be tiled.

    `model`: in hinas's own form; `run` runs it.
    """
    try:
        reach = graph_reach(model, given)
    except NotUnderstoodError as error:
        seen = seen_halo(run, given, reach=_MOST_BLENDED, threshold=_HARDLY_SEEN)
        return given, _approximate(seen, str(error))
    aligned = replace(given, alignment=math.lcm(given.alignment, reach.period))
    if reach.global_nodes:
        return aligned, _approximate(reach.halo, f"{', '.join(reach.global_nodes)}: looks at the whole image")
    seen = seen_halo(run, aligned, reach=reach.halo)
    if seen > reach.halo:
        return aligned, _approximate(seen, f"it sees {seen} pixels, more than the {reach.halo} that its graph shows")
    difference = max(_tiled_difference(run, aligned, reach.halo, is_wide=is_wide) for is_wide in (True, False))
    if not difference <= TOLERANCE:
        return aligned, _approximate(reach.halo, f"tiles differ from the whole image by {difference:.1e}")
    return aligned, TilingEvidence(
        tiling="exact",
        halo=reach.halo,
        reason="the graph, operator by operator",
        seen_halo=seen,
        tiled_difference=difference,
    )


def _approximate(halo: int, reason: str) -> TilingEvidence:
    return TilingEvidence(tiling="approximate", halo=min(max(halo, _LEAST_BLENDED), _MOST_BLENDED), reason=reason)


def _tiled_difference(run: Run, given: NetworkInput, halo: int, *, is_wide: bool) -> float:
    """The largest difference between a strip of pixels in several tiles and in one."""
    tile = rounded_up(16, given.alignment)
    # Neither side is a multiple of the alignment, if that can be.
    sides = (2 * tile - given.alignment // 2, 2 * rounded_up(halo, given.alignment) + 4 * tile + 1)
    height, width = sides if is_wide else reversed(sides)
    feeds = trial_feeds(given, (1, height, width))
    image = np.ascontiguousarray(np.moveaxis(feeds.pop("noisy")[0], 0, 2))

    def network(windows: Iterable[NDArray[np.float32]]) -> Generator[NDArray[np.float32], None, None]:
        for window in windows:
            yield run({"noisy": window, **feeds})

    def result(tile: int | None) -> NDArray[np.float32]:
        plan = plan_tiles(height, width, tile=tile, halo=halo, alignment=given.alignment)
        return stitched(image, plan, network, network_input=given, out_of_memory=lambda: None)

    return float(np.abs(result(tile) - result(None)).max())
