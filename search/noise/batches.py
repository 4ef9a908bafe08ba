"""Batches for the noise network, cut out of a pool of drawn pairs that is renewed step by step.

Simulating the shots of a whole batch takes longer than the network's step on it, so each pair gives several crops.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..camera.clean_crops import CleanImages
from ..camera.shot import level_of
from .noise_pairs import NoisePair, drawn_pair


@dataclass(frozen=True, kw_only=True)
class PoolSizes:
    """How many pairs there are, how large they are, and what is taken of them."""

    pair_side: int = 128
    """Pixels."""
    crop_sides: tuple[int, ...] = (96, 112)
    """Pixels; one of them is drawn for every batch."""
    batch: int = 32
    num_first: int = 64
    """Pairs before the first batch."""
    num_new: int = 6
    """Pairs that are drawn for every batch."""
    num_most: int = 1024
    """Pairs that are kept, in 100 kB each; the oldest go."""


@dataclass(frozen=True, kw_only=True)
class NoiseBatch:
    """Crops and what the network should say of them."""

    crops_BCHW: Tensor
    """float32 RGB in grey levels 0..255."""
    levels_B: Tensor
    """RMS of what noise and compression changed, in grey levels."""
    is_white_B: Tensor
    """1 where the noise is white, else 0."""


def noise_batches(origins: Sequence[CleanImages], sizes: PoolSizes, *, seed: int) -> Iterator[NoiseBatch]:
    """Batches without end; the same images, sizes and seed give the same ones."""
    of_pairs, of_crops = np.random.default_rng(seed).spawn(2)

    def drawn(number: int) -> Iterator[NoisePair]:
        return (drawn_pair(origins, size=sizes.pair_side, generator=of_pairs) for _ in range(number))

    pool = deque(drawn(sizes.num_first), maxlen=sizes.num_most)
    while True:
        pool.extend(drawn(sizes.num_new))
        side = int(of_crops.choice(sizes.crop_sides))
        chosen = [pool[place] for place in of_crops.integers(len(pool), size=sizes.batch)]
        crops = [_crop(pair, side, of_crops) for pair in chosen]
        yield NoiseBatch(
            crops_BCHW=torch.from_numpy(np.stack([pixels for pixels, _ in crops])).permute(0, 3, 1, 2).float(),
            levels_B=torch.tensor([level for _, level in crops]),
            is_white_B=torch.tensor([float(pair.is_white) for pair in chosen]),
        )


def _crop(pair: NoisePair, side: int, generator: np.random.Generator) -> tuple[np.ndarray, float]:
    """(side, side, 3), turned and flipped at random, and the level of just this crop."""
    top, left = generator.integers(len(pair.clean) - side + 1, size=2)
    part = np.s_[top : top + side, left : left + side]
    degraded = pair.degraded[part]
    turned = np.rot90(degraded, int(generator.integers(4)))
    return turned[:, ::-1] if generator.random() < 0.5 else turned, level_of(degraded, pair.clean[part])
