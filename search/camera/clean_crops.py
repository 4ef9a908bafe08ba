"""Random clean crops for simulated pairs: scaled down a little, so that a source's own JPEG blocks and blur go."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class CleanImages:
    """Images of one origin."""

    images: Sequence[np.ndarray]
    """(H, W, 3) uint8 each; no side shorter than the crops that are asked for."""
    share: float = 1.0
    """How often a crop comes from here, beside other origins."""
    most_shrunk: float = 1.5
    """Crops are scaled down by a factor between 1 and this, where the image is large enough."""

    def crop(self, size: int, generator: np.random.Generator) -> np.ndarray:
        """(size, size, 3) uint8, from anywhere, flipped and turned at random."""
        pixels = self.images[int(generator.integers(len(self.images)))]
        height, width = pixels.shape[:2]
        factor = min(float(np.exp(generator.uniform(0, np.log(self.most_shrunk)))), min(height, width) / size)
        side = size * factor
        left, top = generator.uniform(0, width - side), generator.uniform(0, height - side)
        # Pillow scales the part alone; a whole image would cost a hundred times as much.
        part = Image.fromarray(pixels).resize(
            (size, size), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
        )
        turned = np.rot90(np.asarray(part), int(generator.integers(4)))
        return np.ascontiguousarray(turned[:, ::-1] if generator.random() < 0.5 else turned)

    def part_as_stored(self, size: int, generator: np.random.Generator) -> np.ndarray:
        """(size, size, 3) uint8, from anywhere, with the pixels of the file as they are."""
        pixels = self.images[int(generator.integers(len(self.images)))]
        top, left = (int(generator.integers(length - size + 1)) for length in pixels.shape[:2])
        return pixels[top : top + size, left : left + size]


def drawn_origin(origins: Sequence[CleanImages], generator: np.random.Generator) -> CleanImages:
    """One of the origins, by their shares."""
    shares = np.array([origin.share for origin in origins])
    return origins[generator.choice(len(origins), p=shares / shares.sum())]


def drawn_crop(origins: Sequence[CleanImages], size: int, seed: int) -> np.ndarray:
    """(size, size, 3) uint8 from one of the origins; the same seed gives the same crop."""
    generator = np.random.default_rng([seed, 0xC0])
    return drawn_origin(origins, generator).crop(size, generator)
