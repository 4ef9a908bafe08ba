"""How far an output pixel of a HiNAS network sees, from the description alone: the exact halo and the alignment."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..interface import Geometry
from .space import NetworkDescription

RADIUS: dict[str, int] = {"conv_3x3": 1, "sep_3x3": 2, "sep_5x5": 4, "dil_3x3": 2, "dil_5x5": 4, "skip": 0}
"""Pixels each operation adds on every side; a separable operation is two convolutions."""
START_RADIUS = 2
END_RADIUS = 3
"""Of their 3x3 convolutions one after the other."""


@dataclass(frozen=True)
class _View:
    """The input interval each pixel of a feature map sees, along one axis, for one period of the coarsest stride.

    Pixel p of the map sees input pixels first[p] to last[p]; one period on, p + len(first), everything is shifted by
    the period. A pixel of a map behind an upsampling sees further on one side than on the other, which a mere radius
    would get wrong.
    """

    period: int
    first: tuple[int, ...]
    last: tuple[int, ...]

    @property
    def stride(self) -> int:
        return self.period // len(self.first)

    def _at(self, pixel: int) -> tuple[int, int]:
        periods, index = divmod(pixel, len(self.first))
        return self.first[index] + periods * self.period, self.last[index] + periods * self.period

    def convolved(self, radius: int) -> "_View":
        """Behind a convolution that reaches `radius` pixels of this map to every side."""
        pixels = range(len(self.first))
        return _View(
            self.period,
            tuple(self._at(pixel - radius)[0] for pixel in pixels),
            tuple(self._at(pixel + radius)[1] for pixel in pixels),
        )

    def resampled(self, stride: int) -> "_View":
        """On a map of another stride: blocks of pixels seen as one, or one pixel repeated over a block."""
        pixels = range(self.period // stride)
        return _View(
            self.period,
            tuple(self._at(pixel * stride // self.stride)[0] for pixel in pixels),
            tuple(self._at((pixel * stride + max(0, stride - self.stride)) // self.stride)[1] for pixel in pixels),
        )


def _joined(views: Iterable[_View]) -> _View:
    """What a sum or concatenation of maps of one stride sees."""
    views = list(views)
    return _View(
        views[0].period,
        tuple(min(firsts) for firsts in zip(*(view.first for view in views), strict=True)),
        tuple(max(lasts) for lasts in zip(*(view.last for view in views), strict=True)),
    )


def geometry(description: NetworkDescription) -> Geometry:
    """The halo over all paths through cells and nodes, and the coarsest stride as alignment."""
    stem = description.stride
    coarsest = max(description.level_stride(cell.level) for cell in description.cells)
    period = stem * coarsest
    starts = range(0, period, stem)
    early = _View(period, tuple(starts), tuple(start + stem - 1 for start in starts)).convolved(START_RADIUS)
    before = previous = early
    for cell in description.cells:
        stride = stem * description.level_stride(cell.level)
        states = [previous.resampled(stride), before.resampled(stride)]
        for node in cell.nodes:
            states.append(_joined(states[source].convolved(RADIUS[operation]) for operation, source in node))
        before, previous = previous, _joined(states[2:])
    end = _joined([previous.resampled(stem), early]).convolved(END_RADIUS)
    # Each pixel of the last map is `stem` output pixels; the first of them is the furthest from what lies behind.
    behind = max(last - pixel * stem for pixel, last in enumerate(end.last))
    ahead = max((pixel + 1) * stem - 1 - first for pixel, first in enumerate(end.first))
    return Geometry(halo=max(behind, ahead), alignment=period)
