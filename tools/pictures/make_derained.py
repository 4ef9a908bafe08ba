"""Draw the picture of docs/derain.md: the example in rain, what the model `derain` leaves, and the example itself.

Run: python tools/pictures/make_derained.py docs/derain.png
"""

import sys
from pathlib import Path

import numpy as np
import torch
from hinas.runtime import Denoiser
from hinas.search.tasks.derain import random_rain
from PIL import Image

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "clean.png"
STRENGTH = 0.6
"""0..1; the task calls 0.5 medium rain."""
SEED = 3
GAP = 4


def main(target: str) -> None:
    """Write the picture: rain, no rain any more, the original; from the left."""
    with Image.open(EXAMPLE) as picture:
        clean = np.asarray(picture.convert("RGB"))
    generator = torch.Generator().manual_seed(SEED)
    rainy_CHW = random_rain(STRENGTH, generator).over(
        torch.from_numpy(clean.transpose(2, 0, 1) / np.float32(255)), generator
    )
    rainy = np.rint(255 * rainy_CHW.numpy().transpose(1, 2, 0)).astype(np.uint8)
    gap = np.full((len(clean), GAP, 3), 255, np.uint8)
    shown = [rainy, gap, Denoiser.load("derain", threads=1)(rainy), gap, clean]
    Image.fromarray(np.hstack(shown)).save(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
