"""How far an output pixel of a HiNAS network sees, from the description alone: the exact halo and the alignment."""

from ...bicubic import ENLARGEMENT_REACH
from ..interface import Geometry
from ..view import View, joined
from .space import NetworkDescription

RADIUS: dict[str, int] = {"conv_3x3": 1, "sep_3x3": 2, "sep_5x5": 4, "dil_3x3": 2, "dil_5x5": 4, "skip": 0}
"""Pixels each operation adds on every side; a separable operation is two convolutions."""
START_RADIUS = 2
END_RADIUS = 3
"""Of their 3x3 convolutions one after the other."""


def geometry(description: NetworkDescription, scale: int = 1) -> Geometry:
    """The halo over all paths through cells and nodes, and the coarsest stride as alignment."""
    stem = description.stride
    coarsest = max(description.level_stride(cell.level) for cell in description.cells)
    period = stem * coarsest
    early = View.of_blocks(stem, period=period).convolved(START_RADIUS)
    before = previous = early
    for cell in description.cells:
        stride = stem * description.level_stride(cell.level)
        states = [previous.resampled(stride), before.resampled(stride)]
        for node in cell.nodes:
            states.append(joined(states[source].convolved(RADIUS[operation]) for operation, source in node))
        before, previous = previous, joined(states[2:])
    end = joined([previous.resampled(stem), early]).convolved(END_RADIUS)
    base = ENLARGEMENT_REACH if description.residual and scale > 1 else 0
    return Geometry(halo=max(end.halo, base), alignment=period)
