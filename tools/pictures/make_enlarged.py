"""Draw the picture of docs/super-resolution.md: a part of the example four times as large, by bicubic and by sr-x4.

Run: python tools/pictures/make_enlarged.py docs/super-resolution.png
"""

import sys
from pathlib import Path

import numpy as np
from hinas.runtime import Denoiser
from hinas.search.bicubic import enlarged, reduced
from PIL import Image

SCALE = 4
EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "clean.png"
LEFT, TOP, WIDTH, HEIGHT = 100, 40, 280, 160
"""The part that is shown: the cat's eyes."""
GAP = 4


def main(target: str) -> None:
    """Write the picture: bicubic enlargement, sr-x4, the original; from above."""
    with Image.open(EXAMPLE) as picture:
        clean = np.asarray(picture.convert("RGB"), np.float32)[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH]
    small = reduced(clean, SCALE).round().clip(0, 255)
    network = Denoiser.load(f"sr-x{SCALE}", threads=1)(small.astype(np.uint8))
    shown = [np.rint(enlarged(small, SCALE)).clip(0, 255).astype(np.uint8), network, clean.astype(np.uint8)]
    gap = np.full((GAP, WIDTH, 3), 255, np.uint8)
    rows = [part for rows in shown for part in (rows, gap)][:-1]
    pixels = np.vstack(rows)
    Image.fromarray(pixels.repeat(2, axis=0).repeat(2, axis=1)).save(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
