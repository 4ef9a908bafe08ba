"""The three splits of a search (HiNAS v2, section 4.1): W for kernels, A for the architecture, V to stop."""

from collections.abc import Sequence
from random import Random

import numpy as np

Images = tuple[np.ndarray, ...]


def split_images(images: Sequence[np.ndarray], *, seed: int) -> tuple[Images, Images, Images]:
    """(W, A, V): 49 %, 49 % and 2 % of the images in an order drawn from `seed`, one image each at least.

    With fewer than three images every split holds them all.
    """
    if len(images) < 3:
        return tuple(images), tuple(images), tuple(images)
    order = list(range(len(images)))
    Random(seed).shuffle(order)
    num_validation = max(1, round(0.02 * len(order)))
    rest = order[num_validation:]
    half = len(rest) // 2
    parts = (rest[half:], rest[:half], order[:num_validation])
    kernels, architecture, validation = (tuple(images[index] for index in sorted(part)) for part in parts)
    return kernels, architecture, validation
