"""Inputs that int8 finds its ranges on: crops of clean images, degraded as the model meets them in use."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...network_input import NetworkInput
from ...search.images.image_folder import load_images
from ...search.tasks.interface import Task
from ..graph.onnx_from_network import feeds_of

NUM_CROPS = 64
CROP_PIXELS = 96
"""The least side of a model's input; rounded up to the alignment."""
_LARGEST_CLEAN = 256
"""Pixels of a clean crop's side that smaller inputs are taken for: pictures are hardly larger than 300."""


def calibration_batches(
    images: Sequence[Path], *, task: Task, given: NetworkInput, seed: int = 0
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Inputs of a model, one crop each: `noisy` (1, C, H, W) and, if conditioned, `sigma` (1,) in grey levels.

    `images`: files or folders of clean images. The strengths are spread over the task's range. Raises UserError where
    there is no usable image, before the first crop.
    """
    least = min(CROP_PIXELS, _LARGEST_CLEAN // given.picture_scale)
    side = (least + -least % given.alignment) * given.picture_scale
    loaded = [load_images(path, channels=given.picture_channels, smallest_side=side) for path in images]
    return _crops([pixels for found in loaded for pixels in found.images], side, task, given, seed)


def _crops(
    clean: Sequence[np.ndarray], side: int, task: Task, given: NetworkInput, seed: int
) -> Iterator[dict[str, NDArray[np.float32]]]:
    random = np.random.default_rng(seed)
    order = random.permutation(len(clean))
    for index in range(NUM_CROPS):
        pixels = clean[order[index % len(clean)]]
        top, left = (int(random.integers(length - side + 1)) for length in pixels.shape[:2])
        crop = pixels[top : top + side, left : left + side].transpose(2, 0, 1)[None] / np.float32(255)
        example = task.calibration_example(crop, index=index, count=NUM_CROPS, random=random)
        yield feeds_of(example, given)
