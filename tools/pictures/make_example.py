"""Make the example pictures: Chelsea the cat, and the same picture with Gaussian noise of sigma 30.

The clean picture is scikit-image's `data.chelsea()`: "No copyright restrictions. CC0 by the photographer (Stefan van
der Walt)." Run with scikit-image installed: python tools/pictures/make_example.py
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

SIGMA = 30.0
EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def main() -> None:
    """Write clean.png and noisy.png in examples/."""
    clean = data.chelsea()
    noise = np.random.default_rng(2026).normal(0, SIGMA, clean.shape)
    noisy = (clean + noise).clip(0, 255).round().astype(np.uint8)
    Image.fromarray(clean).save(EXAMPLES / "clean.png", optimize=True)
    Image.fromarray(noisy).save(EXAMPLES / "noisy.png", optimize=True)


if __name__ == "__main__":
    main()
