"""What the pixels of feature maps see of the image, along one axis: the arithmetic behind exact halos. No torch."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """The input interval each pixel of a feature map sees, along one axis, for one period of the coarsest stride.

    Pixel p of the map sees input pixels first[p] to last[p]; one period on, p + len(first), everything is shifted by
    the period. A pixel of a map behind an upsampling sees further on one side than on the other, which a mere radius
    would get wrong.
    """

    period: int
    first: tuple[int, ...]
    last: tuple[int, ...]

    @staticmethod
    def of_blocks(stride: int, *, period: int) -> "View":
        """Of a map whose pixels are blocks of `stride` x `stride` image pixels."""
        starts = range(0, period, stride)
        return View(period, tuple(starts), tuple(start + stride - 1 for start in starts))

    @property
    def stride(self) -> int:
        """Image pixels per pixel of the map."""
        return self.period // len(self.first)

    def _at(self, pixel: int) -> tuple[int, int]:
        periods, index = divmod(pixel, len(self.first))
        return self.first[index] + periods * self.period, self.last[index] + periods * self.period

    def convolved(self, radius: int) -> "View":
        """Behind a convolution that reaches `radius` pixels of this map to every side."""
        pixels = range(len(self.first))
        return View(
            self.period,
            tuple(self._at(pixel - radius)[0] for pixel in pixels),
            tuple(self._at(pixel + radius)[1] for pixel in pixels),
        )

    def strided(self, radius: int, step: int) -> "View":
        """Behind a convolution of that radius and stride: pixel p of the result is centred on pixel p * step."""
        seen = self.convolved(radius)
        return View(self.period, seen.first[::step], seen.last[::step])

    def resampled(self, stride: int) -> "View":
        """On a map of another stride: blocks of pixels seen as one, or one pixel repeated over a block."""
        pixels = range(self.period // stride)
        return View(
            self.period,
            tuple(self._at(pixel * stride // self.stride)[0] for pixel in pixels),
            tuple(self._at((pixel * stride + max(0, stride - self.stride)) // self.stride)[1] for pixel in pixels),
        )

    @property
    def halo(self) -> int:
        """How far the image pixels of this map see, the map's pixels being blocks of image pixels again."""
        behind = max(last - pixel * self.stride for pixel, last in enumerate(self.last))
        ahead = max((pixel + 1) * self.stride - 1 - first for pixel, first in enumerate(self.first))
        return max(behind, ahead)


def joined(views: Iterable[View]) -> View:
    """What a sum or concatenation of maps of one stride sees."""
    views = list(views)
    return View(
        views[0].period,
        tuple(min(firsts) for firsts in zip(*(view.first for view in views), strict=True)),
        tuple(max(lasts) for lasts in zip(*(view.last for view in views), strict=True)),
    )
