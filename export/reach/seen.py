"""Which pixels of one axis the elements of a value inside a network depend on, as intervals.

An array of lowest and one of highest positions belong to a value. Axes along which all elements agree have length 1, so
a map of C x H x W is mostly as small as 1 x 1 x W. Positions are input pixels along the axis that is looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

import numpy as np
from numpy.typing import NDArray

BEYOND = 1 << 40
"""A position outside the image: the element depends on where the image ends."""
Positions = NDArray[np.int64]
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The intervals of one value."""

    low: Positions
    """Lowest position that each element depends on; -BEYOND: it sees beyond the image's start."""
    high: Positions
    """Highest; BEYOND: it sees beyond the image's end."""
    shape: Shape
    """The value's own; `low` and `high` broadcast to it."""
    step: Fraction
    """Input pixels from one element to the next along the axis."""

    def __post_init__(self) -> None:
        assert self.low.shape == self.high.shape and self.low.ndim == len(self.shape), (self.low.shape, self.shape)

    @property
    def place_axes(self) -> tuple[int, ...]:
        """The axes along which elements stand for different parts of the whole image."""
        inside = (np.abs(self.low) < BEYOND) & (np.abs(self.high) < BEYOND)
        if not inside.any():
            return tuple(range(len(self.shape)))
        extent = int(self.high[inside].max())
        # Elements that differ in reach alone, such as channels, have the same middle.
        middle = np.where(inside, (self.low + self.high) / 2, np.nan)
        return tuple(
            axis for axis, length in enumerate(middle.shape) if length > 1 and _travel(middle, axis) > extent / 4
        )

    def mapped(self, change: Callable[[Positions], Positions], *, step: Fraction | None = None) -> "Seen":
        """The same change of both arrays, written out in full: moving elements about."""
        return compressed(
            change(np.broadcast_to(self.low, self.shape)),
            change(np.broadcast_to(self.high, self.shape)),
            step=self.step if step is None else step,
        )

    def joined(self, axes: tuple[int, ...], shape: Shape) -> "Seen":
        """Every element with all others along some axes, which are of length 1 after it; the value has `shape`."""
        low, high = self.low.min(axis=axes, keepdims=True), self.high.max(axis=axes, keepdims=True)
        return Seen(low=low, high=high, shape=shape, step=self.step)

    def sees_all(self, length: int) -> bool:
        """Whether every element depends on all of the axis, which has `length` pixels."""
        return bool((self.low <= 0).all() and (self.high >= length - 1).all())


def _travel(middle: NDArray[np.float64], axis: int) -> float:
    """How far the middles lie apart along an axis, at most; those that are not a number do not count."""
    highest = np.where(np.isnan(middle), -np.inf, middle).max(axis=axis)
    lowest = np.where(np.isnan(middle), np.inf, middle).min(axis=axis)
    return float((highest - lowest).max())


def compressed(low: Positions, high: Positions, *, step: Fraction, shape: Shape | None = None) -> Seen:
    """Axes along which all agree are cut to length 1; the value has the arrays' shape, or `shape`."""
    shape = low.shape if shape is None else shape
    for axis in range(low.ndim):
        first = (slice(None),) * axis + (slice(0, 1),)
        if low.shape[axis] > 1 and (low == low[first]).all() and (high == high[first]).all():
            low, high = low[first], high[first]
    return Seen(low=low, high=high, shape=shape, step=step)


def together(parts: list[Seen], shape: Shape) -> Seen:
    """What element by element depends on all of these; their shapes broadcast to `shape`."""

    def padded(array: Positions) -> Positions:
        return array.reshape((1,) * (len(shape) - array.ndim) + array.shape)

    return Seen(
        low=reduce(np.minimum, (padded(part.low) for part in parts)),
        high=reduce(np.maximum, (padded(part.high) for part in parts)),
        shape=shape,
        step=max(part.step for part in parts),
    )


def windowed(seen: Seen, axis: int, first_taps: NDArray[np.int64], num_taps: int, dilation: int) -> Seen:
    """Along an axis, element i depends on `num_taps` elements from `first_taps[i]` on, `dilation` apart.

    Taps outside are the border's. The step stays; the caller knows it.
    """
    length = seen.low.shape[axis]
    taps = first_taps[:, np.newaxis] + dilation * np.arange(num_taps)
    index = taps.clip(0, length - 1)

    def gathered(array: Positions) -> Positions:
        moved = np.moveaxis(array, axis, -1)[..., index]
        return np.where(taps < 0, -BEYOND, np.where(taps >= length, BEYOND, moved))

    low = np.moveaxis(gathered(seen.low).min(axis=-1), -1, axis)
    high = np.moveaxis(gathered(seen.high).max(axis=-1), -1, axis)
    shape = (*seen.shape[:axis], len(first_taps), *seen.shape[axis + 1 :])
    return Seen(low=low, high=high, shape=shape, step=seen.step)


def step_of(seen: Seen) -> Fraction:
    """The step read off the intervals of a value whose axes were rearranged: the largest of its axes."""
    found = [Fraction(0)]
    for axis, length in enumerate(seen.low.shape):
        steps = np.abs(np.diff(seen.low, axis=axis))
        steps = steps[steps < BEYOND // 2]
        if length > 1 and steps.size:
            found.append(Fraction(float(np.median(steps))).limit_denominator(8) or Fraction(float(steps.mean())))
    return max(found).limit_denominator(8) or seen.step


def side_by_side(parts: list[Seen], axis: int, shape: Shape) -> Seen:
    """Values set beside each other along an axis; together they have `shape`."""
    ranks = range(len(shape))
    longest = [max(part.low.shape[other] for part in parts) for other in ranks]

    def joined(arrays: list[Positions]) -> Positions:
        lengths = [part.shape[axis] for part in parts]
        forms = [[length if other == axis else longest[other] for other in ranks] for length in lengths]
        return np.concatenate([np.broadcast_to(array, form) for array, form in zip(arrays, forms, strict=True)], axis)

    return compressed(
        joined([part.low for part in parts]),
        joined([part.high for part in parts]),
        step=max(part.step for part in parts),
        shape=shape,
    )
