"""Inputs that int8 finds its ranges on: crops of clean images, degraded as the model meets them in use."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
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

    `images`: files or folders of clean images; images that are too small are left out. The strengths are spread over
    the task's range. Raises UserError where there is no usable image, before the first crop.
    """
    least = min(CROP_PIXELS, _LARGEST_CLEAN // given.picture_scale)
    side = (least + -least % given.alignment) * given.picture_scale
    clean = _usable(images, channels=given.picture_channels, smallest_side=side)
    return _crops(clean, side, task, given, seed)


def _usable(images: Sequence[Path], *, channels: int, smallest_side: int) -> list[NDArray[np.uint8]]:
    """What can be used of files and folders; UserError where one does not exist or nothing is left."""
    found: list[NDArray[np.uint8]] = []
    problems: list[UserError] = []
    for path in images:
        try:
            found += load_images(path, channels=channels, smallest_side=smallest_side).images
        except UserError as error:
            if not path.exists():
                raise
            problems.append(error)
    if problems and not found:
        raise problems[0]
    return found


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
