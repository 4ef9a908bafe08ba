"""Rules of operators that move elements about and compute nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .node_reading import Reading, Rule
from .seen import Positions, Seen, side_by_side, step_of, together


def space_to_depth(reading: Reading) -> list[Seen | None]:
    """Blocks of places become channels."""
    block = reading.attribute("blocksize", 1)

    def change(array: Positions) -> Positions:
        n, c, h, w = array.shape
        parts = array.reshape(n, c, h // block, block, w // block, block)
        return parts.transpose(0, 3, 5, 1, 2, 4).reshape(n, c * block * block, h // block, w // block)

    return [reading.first.mapped(change, step=reading.first.step * block)]


def depth_to_space(reading: Reading) -> list[Seen | None]:
    """Channels become blocks of places."""
    block, mode = reading.attribute("blocksize", 1), reading.attribute("mode", "DCR")

    def change(array: Positions) -> Positions:
        n, c, h, w = array.shape
        if mode == "DCR":
            parts = array.reshape(n, block, block, c // block**2, h, w).transpose(0, 3, 4, 1, 5, 2)
        else:
            parts = array.reshape(n, c // block**2, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
        return parts.reshape(n, c // block**2, h * block, w * block)

    return [reading.first.mapped(change, step=reading.first.step / block)]


def rearranged(change: Callable[[Reading, Positions], Positions]) -> Rule:
    """A rule for elements that `change` moves, and nothing else."""

    def rule(reading: Reading) -> list[Seen | None]:
        moved = reading.first.mapped(lambda array: change(reading, array))
        return [Seen(low=moved.low, high=moved.high, shape=moved.shape, step=step_of(moved))]

    return rule


def sliced(reading: Reading) -> list[Seen | None]:
    """Some of the elements."""
    given = reading.first
    starts, ends = reading.setting(1, "starts"), reading.setting(2, "ends")
    axes = reading.setting(3, "axes", list(range(len(starts))))
    steps = reading.setting(4, "steps", [1] * len(starts))
    cut = [slice(None)] * len(given.shape)
    step = given.step
    for start, end, axis, by in zip(starts, ends, axes, steps, strict=True):
        axis %= len(given.shape)
        cut[axis] = slice(start, None if by < 0 and end < -given.shape[axis] else end, by)
        step *= abs(by) if given.low.shape[axis] > 1 and axis in given.place_axes else 1
    return [given.mapped(lambda array: array[tuple(cut)], step=step)]


def split_up(reading: Reading) -> list[Seen | None]:
    """Parts of a value."""
    axis = reading.attribute("axis", 0)
    lengths = [shape[axis] for shape in reading.shapes]
    ends = np.cumsum(lengths)
    cuts = [
        (slice(None),) * (axis % len(reading.first.shape)) + (slice(int(end - size), int(end)),)
        for end, size in zip(ends, lengths, strict=True)
    ]
    return [reading.first.mapped(lambda array, cut=cut: array[cut]) for cut in cuts]


def concatenated(reading: Reading) -> list[Seen | None]:
    """Values set beside each other."""
    shape = reading.shapes[0]
    axis = reading.attribute("axis", 0) % len(shape)
    seen = [item for item in reading.inputs if item is not None]
    if len(seen) < len(reading.inputs) and any(axis in item.place_axes for item in seen):
        raise reading.problem("it sets constants beside parts of the image")
    parts: list[Seen] = []
    for item, own in zip(reading.inputs, reading.input_shapes, strict=True):
        if own is None:
            raise reading.problem("the size of an input is not known")
        if item is None:
            # A constant depends on no pixel; what its neighbours depend on is a safe answer.
            together_seen = [part.joined((axis,), (*part.shape[:axis], 1, *part.shape[axis + 1 :])) for part in seen]
            item = replace(together(together_seen, own), shape=own)
        parts.append(item)
    return [side_by_side(parts, axis, shape)]


def transposed(reading: Reading, array: Positions) -> Positions:
    """Axes in another order."""
    return array.transpose(reading.attribute("perm", list(reversed(range(array.ndim)))))


def gathered(reading: Reading, array: Positions) -> Positions:
    """Elements chosen by constant indices."""
    index = reading.constants[1]
    if index is None:
        raise reading.problem("its indices are computed")
    return np.take(array, index.astype(np.int64), axis=reading.attribute("axis", 0))
