"""Rules of operators that compute: element by element, along whole axes, or as products of matrices."""

from collections.abc import Callable, Sequence

import numpy as np

from .node_reading import Reading, Rule
from .seen import Seen, Shape, together


def elementwise(reading: Reading) -> list[Seen | None]:
    """Every element from those at its own place."""
    seen = [item for item in reading.inputs if item is not None]
    result = together(seen, reading.shapes[0])
    for constant in reading.constants:
        if constant is None:
            continue
        for axis in result.place_axes:
            own = axis - len(result.shape) + constant.ndim
            if own >= 0 and constant.shape[own] > 1 and np.ptp(constant.astype(np.float64), axis=own).any():
                raise reading.problem("its constant differs from place to place of the image")
    return [result] * len(reading.shapes)


def _reduced(reading: Reading, axes: Sequence[int], shape: Shape) -> Seen | None:
    """All elements along some axes; None, and noted, where those are the whole image."""
    given = reading.first
    joined = given.joined(tuple(axes), tuple(1 if axis in axes else n for axis, n in enumerate(given.shape)))
    if joined.sees_all(reading.length):
        reading.global_nodes.append(reading.node.op_type)
        return None
    if len(shape) < len(joined.shape):
        gone = tuple(axis for axis in axes)
        low, high = np.squeeze(joined.low, gone), np.squeeze(joined.high, gone)
        return Seen(low=low, high=high, shape=shape, step=joined.step)
    return Seen(low=joined.low, high=joined.high, shape=shape, step=joined.step)


def reduction(reading: Reading) -> list[Seen | None]:
    """All elements along some axes become one."""
    rank = len(reading.first.shape)
    if reading.node.op_type.startswith("Global"):
        axes = list(range(2, rank))
    else:
        axes = [axis % rank for axis in reading.setting(1, "axes", None) or range(rank)]
    return [_reduced(reading, axes, reading.shapes[0])]


def normalised(axes_of: Callable[[Reading], Sequence[int]]) -> Rule:
    """A rule: every element by itself and by all others along some axes."""

    def rule(reading: Reading) -> list[Seen | None]:
        given = reading.first
        axes = [axis % len(given.shape) for axis in axes_of(reading)]
        kept = tuple(1 if axis in axes else n for axis, n in enumerate(given.shape))
        others = _reduced(reading, axes, kept)
        return [given if others is None else together([given, others], given.shape)] + [None] * (
            len(reading.shapes) - 1
        )

    return rule


def product(reading: Reading) -> list[Seen | None]:
    """A product of matrices: rows of one with columns of the other."""
    shape = reading.shapes[0]
    parts: list[Seen] = []
    for item, inner in zip(reading.inputs, (-1, -2), strict=True):
        if item is None:
            continue
        if len(item.shape) < 2:
            raise reading.problem("a vector of the image's values")
        axis = len(item.shape) + inner
        joined = item.joined((axis,), (*item.shape[:axis], 1, *item.shape[axis + 1 :]))
        if joined.sees_all(reading.length):
            reading.global_nodes.append(reading.node.op_type)
        else:
            parts.append(joined)
    return [together(parts, shape) if parts else None]
