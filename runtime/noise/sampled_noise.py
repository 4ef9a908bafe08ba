"""The noise of a sequence of pictures, measured once for all of them on some that are spread over it."""

from collections.abc import Sequence
from statistics import median
from typing import TypeVar

from ..tiling.pixel_values import Image
from .measured_noise import MeasuredNoise, measured_noise

NUM_SAMPLES = 7
"""Pictures that the noise is measured on; odd, so that one of them is the median."""
_Item = TypeVar("_Item")


def noise_of_samples(samples: Sequence[Image]) -> MeasuredNoise:
    """The median level of the pictures, and the kind of noise that most of them have."""
    found = [measured_noise([pixels]) for pixels in samples]
    return MeasuredNoise(
        level=median(noise.level for noise in found),
        is_white=2 * sum(noise.is_white for noise in found) > len(found),
    )


def spread(items: Sequence[_Item]) -> list[_Item]:
    """At most `NUM_SAMPLES` of them, evenly spread."""
    num = min(NUM_SAMPLES, len(items))
    return [items[(2 * index + 1) * len(items) // (2 * num)] for index in range(num)]
