"""The noise of the standard protocol: one white Gaussian field for the whole image, the same on every machine.

The field of an image depends on the image's name (without folder and suffix) and on sigma, on nothing else: not on
the other images, nor on their order. Its seed is the SHA-256 of "NAME|SIGMA", and it is drawn with NumPy's
RandomState, whose stream NumPy has frozen for good, in the order rows, columns, channels.
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .noise_variants import Noise
from .results import Protocol

PROTOCOL_OF: dict[Noise, Protocol] = {Noise.standard: "standard", Noise.file: "standard, clipped 8-bit"}
"""How results name the protocol."""


def unit_noise(image: str | Path, sigma: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The noise field of an image for one sigma, of standard deviation 1."""
    identity = f"{Path(image).stem}|{float(sigma)!r}"
    seed = np.frombuffer(hashlib.sha256(identity.encode()).digest(), dtype="<u4")
    return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)


def noisy_image(clean: NDArray[np.uint8], sigma: float, *, image: str | Path, noise: Noise) -> NDArray[np.float32]:
    """`clean` (H, W) or (H, W, 3) with noise of `sigma` grey levels, in grey levels 0..255 (beyond, if not `file`)."""
    noisy = unit_noise(image, sigma, clean.shape)
    noisy *= np.float32(sigma)
    noisy += clean
    return np.clip(np.rint(noisy), 0, 255) if noise is Noise.file else noisy
