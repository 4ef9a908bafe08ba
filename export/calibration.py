"""What a network is calibrated on: noisy crops of real images over its noise levels, the same on every call."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..search.training_images import load_images

NUM_CROPS = 64
USUAL_RANGE = (0.0, 75.0)
"""Grey levels 0..255: for a model that does not say what it was trained for."""
CROP_PIXELS = 96


def calibration_batches(
    images: Sequence[Path],
    *,
    channels: int,
    alignment: int,
    sigma_range: tuple[float, float],
    conditioned: bool,
    seed: int = 0,
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Inputs of a model, one crop each: `noisy` (1, C, H, W) in 0..1 and, if conditioned, `sigma` (1,) in grey levels.

    `images`: files or folders of clean images. The noise levels are spread evenly over `sigma_range`; every other crop
    is clipped and rounded as an 8-bit file would be. Raises UserError where there is no usable image, before the first
    crop.
    """
    side = CROP_PIXELS + -CROP_PIXELS % alignment
    clean = [pixels for path in images for pixels in load_images(path, channels=channels, smallest_side=side).images]
    return _crops(clean, side, sigma_range, conditioned=conditioned, seed=seed)


def _crops(
    clean: Sequence[np.ndarray], side: int, sigma_range: tuple[float, float], *, conditioned: bool, seed: int
) -> Iterator[dict[str, NDArray[np.float32]]]:
    random = np.random.default_rng(seed)
    low, high = sigma_range
    order = random.permutation(len(clean))
    for index in range(NUM_CROPS):
        pixels = clean[order[index % len(clean)]]
        top, left = (int(random.integers(length - side + 1)) for length in pixels.shape[:2])
        crop = pixels[top : top + side, left : left + side].transpose(2, 0, 1)[None] / np.float32(255)
        sigma = np.float32(low + (high - low) * (index + 0.5) / NUM_CROPS)
        noisy = crop + random.standard_normal(crop.shape, np.float32) * sigma / np.float32(255)
        if index % 2:
            noisy = (noisy.clip(0, 1) * 255).round() / np.float32(255)
        batch = {"noisy": np.ascontiguousarray(noisy, np.float32)}
        yield batch | {"sigma": np.full(1, sigma, np.float32)} if conditioned else batch
