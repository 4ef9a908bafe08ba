"""Many pictures at once, or one after the other: what `Denoiser` does besides the single picture."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from ..errors import UserError
from .noise.sampled_noise import NUM_SAMPLES, noise_of_samples, spread
from .tiling.pixel_values import Image

Levels = float | Sequence[float] | None
"""One for all pictures, one for each, or None: measured."""


def denoised_each(
    images: Image | Sequence[Image], sigma: Levels, denoise: Callable[[Image, float | None], Image]
) -> Image | list[Image]:
    """`denoise(picture, level)` of each picture: an array for an array, a list for a list.

    Raises UserError that names the picture.
    """
    is_array = isinstance(images, np.ndarray)
    if is_array and images.ndim not in (3, 4):
        raise UserError(f"the batch has shape {images.shape}; expected (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    levels: list[float | None]
    if sigma is None:
        levels = [None] * len(images)
    else:
        given = np.asarray(sigma, np.float64)
        levels = [float(given)] * len(images) if given.ndim == 0 else [float(level) for level in given]
    if len(levels) != len(images):
        raise UserError(f"sigma has {len(levels)} values for {len(images)} pictures; give one, or one for each")
    clean: list[Image] = []
    for number, (image, level) in enumerate(zip(images, levels, strict=True), start=1):
        try:
            clean.append(denoise(image, level))
        except UserError as error:
            raise UserError(f"picture {number} of {len(images)}: {error}") from error
    if not is_array:
        return clean
    return np.stack(clean) if clean else images.copy()


class Frames:
    """Frames that are gone through once, and whose noise is measured on some of them first."""

    def __init__(self, frames: Iterable[Image], checked: Callable[[Any], Image]) -> None:
        """`checked` gives a frame back, or raises UserError where the model cannot take it."""
        self._checked = checked
        self._all = list(frames) if isinstance(frames, np.ndarray | Sequence) else None
        self._coming = iter(frames if self._all is None else self._all)
        self._taken: list[Image] = []

    def measured(self) -> float:
        """Their noise in grey levels: the median of some, all over an array or a list, else of the first that come."""
        if self._all is None:
            self._taken += islice(self._coming, NUM_SAMPLES)
        samples = self._taken if self._all is None else spread(self._all)
        return noise_of_samples([self._checked(sample) for sample in samples]).level if samples else 0.0

    def __iter__(self) -> Iterator[Image]:
        return chain(self._taken, self._coming)
