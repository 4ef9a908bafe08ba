"""How far an output pixel of a HiNAS network sees, from the description alone: the exact halo and the alignment."""

from ...bicubic import ENLARGEMENT_REACH
from ..interface import Geometry
from ..view import View, joined
from .search_settings import Candidate
from .space import NetworkDescription

_RADIUS: dict[Candidate, int] = {"conv_3x3": 1, "sep_3x3": 2, "sep_5x5": 4, "dil_3x3": 2, "dil_5x5": 4}
_USUAL_OFFSET = 3
"""Pixels: what tiles overlap for offsets without a limit, beside the kernel's own; they are blended there."""
START_RADIUS = 2
END_RADIUS = 3
"""Of their 3x3 convolutions one after the other."""


def radius_of(operation: Candidate, offset_limit: int | None) -> int:
    """Pixels an operation adds on every side; a separable operation is two convolutions.

    A deformable one looks aside by its offsets, and samples between pixels: rounding may touch one pixel more.
    """
    if operation == "def_3x3":
        return 2 + (_USUAL_OFFSET if offset_limit is None else offset_limit)
    return _RADIUS.get(operation, 0)


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
            states.append(
                joined(
                    states[source].convolved(radius_of(operation, description.offset_limit))
                    for operation, source in node
                )
            )
        before, previous = previous, joined(states[2:])
    end = joined([previous.resampled(stem), early]).convolved(END_RADIUS)
    base = ENLARGEMENT_REACH if description.residual and scale > 1 else 0
    deforms = any(operation == "def_3x3" for cell in description.cells for node in cell.nodes for operation, _ in node)
    has_limit = description.offset_limit is not None
    return Geometry(
        halo=max(end.halo, base),
        alignment=period,
        tiling="approximate" if deforms and not has_limit else "exact",
        reach="up_to_halo" if deforms else "halo",
    )
