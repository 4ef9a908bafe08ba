"""How far an output pixel of a HiNAS network sees, from the description alone: the exact halo and the alignment."""

from ..interface import Geometry
from .space import Edge, NetworkDescription

_RADIUS = {"conv_3x3": 1, "sep_3x3": 2, "sep_5x5": 4, "dil_3x3": 2, "dil_5x5": 4, "skip": 0}
"""Pixels each operation adds on every side; a separable operation is two convolutions."""


def geometry(description: NetworkDescription) -> Geometry:
    """The halo over the longest path through cells and nodes, and the stem's stride as alignment."""
    early = 2
    before = previous = early
    for cell in description.cells:
        states = [previous, before]
        for first, second in cell.nodes:
            states.append(max(_reach(states, first), _reach(states, second)))
        before, previous = previous, max(states[2:])
    end = 3
    radius = max(previous, early) + end
    stride = description.stride
    # An output pixel sees whole blocks of stride x stride pixels: up to stride - 1 more on the far side.
    return Geometry(halo=radius * stride + stride - 1, alignment=stride)


def _reach(states: list[int], edge: Edge) -> int:
    operation, source = edge
    return states[source] + _RADIUS[operation]
