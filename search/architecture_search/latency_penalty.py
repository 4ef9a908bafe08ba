"""What a network is expected to take, by the latency table, and what that adds to the architecture's loss."""

import torch
from torch import Tensor

from ..spaces.interface import SpaceDescription
from ..spaces.searcher import Searcher
from .search_state import LatencyGoal


def expected_latency_ms(searcher: Searcher, goal: LatencyGoal) -> Tensor:
    """The latency expected under the architecture's probabilities, in ms; UserError where a price is missing."""
    total: Tensor | None = None
    for block, count in searcher.expected_blocks().items():
        part = count * goal.table.price_ms(block)
        total = part if total is None else total + part
    assert total is not None
    return total if goal.tile is None else total * tiling_factor(searcher.expected_halo(), goal.tile)


def predicted_ms(searcher: Searcher, description: SpaceDescription, goal: LatencyGoal | None) -> float | None:
    """Milliseconds of one network of the space, with the overlap of its tiles; None without a table."""
    if goal is None:
        return None
    return tiled_ms(goal.table.predicted_ms(searcher.blocks_of(description)), searcher.halo_of(description), goal.tile)


def tiled_ms(whole_ms: float, halo: int, tile: int | None) -> float:
    """Milliseconds with what square tiles of a side compute twice; None: no tiles."""
    return whole_ms if tile is None else whole_ms * tiling_factor(torch.tensor(float(halo)), tile).item()


def tiling_factor(halo: Tensor, tile: int) -> Tensor:
    """How much more is computed in tiles of a side that overlap by the halo: (T / (T - 2 h))^2, at most 64."""
    return (tile / (tile - 2 * halo).clamp_min(tile / 8)) ** 2


def latency_penalty(expected_ms: Tensor, goal: LatencyGoal) -> Tensor:
    """weight * ln(expected), or weight * ln(expected / target) where that is positive: relative, so in no unit."""
    if goal.target_ms is None:
        return goal.weight * expected_ms.log()
    return goal.weight * (expected_ms / goal.target_ms).log().clamp_min(0)
