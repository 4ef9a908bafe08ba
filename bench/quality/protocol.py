"""The noise of the protocols: white and Gaussian, the same on every machine, for the whole image or for each patch.

A field depends on the image's name (without folder and suffix), on sigma and, where patches have noise of their own,
on the patch's place; on nothing else: not on the other images, nor on their order. Its seed is the SHA-256 of
"NAME|SIGMA" or "NAME|SIGMA|TOP,LEFT", and it is drawn with NumPy's RandomState, whose stream NumPy has frozen for
good, in the order rows, columns, channels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .noise_protocols import Noise

PATCH_SIDE = 64
"""Pixels, of a patch of the hinas-patches protocol."""
PATCH_STRIDE = 48
"""Pixels from one patch to the next."""


@dataclass(frozen=True, kw_only=True)
class NoisyPatch:
    """A part of an image that a method sees on its own."""

    top: int
    """Row of its first pixel in the image."""
    left: int
    """Column of its first pixel in the image."""
    pixels: NDArray[np.float32]
    """(H, W) or (H, W, 3), grey levels 0..255, beyond them where the noise leads there."""


def noisy_patches(clean: NDArray[np.uint8], sigma: float, *, image: str | Path, noise: Noise) -> list[NoisyPatch]:
    """What a method sees of `clean` (H, W) or (H, W, 3): one patch, the whole image, or all of hinas-patches."""
    if noise != "hinas-patches":
        return [NoisyPatch(top=0, left=0, pixels=noisy_image(clean, sigma, image=image, noise=noise))]
    height, width = clean.shape[:2]
    patches: list[NoisyPatch] = []
    for top in patch_origins(height):
        for left in patch_origins(width):
            part = clean[top : top + PATCH_SIDE, left : left + PATCH_SIDE]
            field = _unit_noise(f"{_identity(image, sigma)}|{top},{left}", part.shape)
            patches.append(NoisyPatch(top=top, left=left, pixels=_added(part, sigma, field)))
    return patches


def joined(
    patches: Sequence[NoisyPatch], outputs: Sequence[NDArray[np.float32]], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """The image of `shape` from each patch's denoised pixels: their plain mean where patches overlap."""
    total = np.zeros(shape, np.float32)
    count = np.zeros(shape, np.float32)
    for patch, output in zip(patches, outputs, strict=True):
        place = slice(patch.top, patch.top + output.shape[0]), slice(patch.left, patch.left + output.shape[1])
        total[place] += output
        count[place] += 1
    return total / count


def patch_origins(size: int) -> list[int]:
    """Where the patches begin along a side of `size` pixels: every 48, the last one flush with the border.

    A side of 64 pixels or less is one patch.
    """
    last = max(size - PATCH_SIDE, 0)
    return [*range(0, last, PATCH_STRIDE), last]


def unit_noise(image: str | Path, sigma: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The noise field of a whole image for one sigma, of standard deviation 1."""
    return _unit_noise(_identity(image, sigma), shape)


def noisy_image(clean: NDArray[np.uint8], sigma: float, *, image: str | Path, noise: Noise) -> NDArray[np.float32]:
    """`clean` (H, W) or (H, W, 3) with one field of `sigma` grey levels, in grey levels 0..255 (beyond, if standard).

    Not for hinas-patches, which has no noisy image as a whole.
    """
    assert noise != "hinas-patches"
    noisy = _added(clean, sigma, unit_noise(image, sigma, clean.shape))
    return np.clip(np.rint(noisy), 0, 255) if noise == "file" else noisy


def _added(clean: NDArray[np.uint8], sigma: float, field: NDArray[np.float32]) -> NDArray[np.float32]:
    """`field`, changed in place."""
    field *= np.float32(sigma)
    field += clean
    return field


def _identity(image: str | Path, sigma: float) -> str:
    return f"{Path(image).stem}|{float(sigma)!r}"


def _unit_noise(identity: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    seed = np.frombuffer(hashlib.sha256(identity.encode()).digest(), dtype="<u4")
    return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)
