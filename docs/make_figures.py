"""Make the README's before-after picture from the example pictures.

Run: hinas-denoise examples/noisy.png denoised.png && python docs/make_figures.py denoised.png
"""

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
# Ear, eye and whiskers: fur texture, fine lines and smooth background in one window (left, top, right, bottom).
WINDOW = (90, 20, 350, 240)


def main(denoised: Path) -> None:
    """Write docs/before-after.png: noisy, denoised and clean side by side."""
    paths = (ROOT / "examples" / "noisy.png", denoised, ROOT / "examples" / "clean.png")
    windows = [Image.open(path).convert("RGB").crop(WINDOW) for path in paths]
    width, height = windows[0].size
    gap = 4
    strip = Image.new("RGB", (3 * width + 2 * gap, height), "white")
    for index, window in enumerate(windows):
        strip.paste(window, (index * (width + gap), 0))
    strip.save(ROOT / "docs" / "before-after.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
